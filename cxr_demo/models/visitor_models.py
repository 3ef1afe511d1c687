"""Models of the Hub that a visitor names: strangers' files, so held to limits, and let go of again.

They are fetched without a token and kept apart, so that nobody reads through a page what only its owner may read, and
checked in the order of what it costs: the name, sizes, the description, what the network would take, the weights.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import threading
from collections import OrderedDict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cxr_demo.errors import BadModel, ModelUnavailable, UnknownModel, sentence_of
from cxr_demo.messages import message
from cxr_demo.models import hub, model_folder, registry
from cxr_demo.models.model_folder import CARD, CONFIG, WEIGHTS
from cxr_demo.single_flight import SingleFlight, TooSlow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import ModelSpec

#: owner/name or owner/name@revision; a revision with a slash would be a path.
NAME = re.compile(r"(?!.*\.\.)(\w[\w.-]{0,95}/\w[\w.-]{0,95})(?:@(\w[\w.-]{0,95}))?", re.ASCII)

#: The start of a block of code, and what it says of itself.
FENCE = re.compile(r"^([ \t>]*(?:`{3,}|~{3,}))[^\n]*$", re.MULTILINE)

#: Kept at a time, in memory and on disk: those that were asked for last.
MOST = 3
#: What a model may have in all, and its description and card each, in bytes.
LARGEST, LONGEST = 500 * 10**6, 10**6
#: What a network may have: findings, pixels on a side, and a sum of the numbers that say how it is built.
FINDINGS, SIDE, BUILT = 100, 1024, 512
#: What a film may take: operations, and values of its largest map. A DenseNet-121 at 1024 pixels takes 115e9 and 17e6.
OPERATIONS, VALUES = 150 * 10**9, 32 * 10**6
#: Seconds to wait while another is fetched, and how many may wait at a time for one that is not here.
PATIENCE, WAITING = 20.0, 8

_making: SingleFlight[Classifier] = SingleFlight()
_fetching = threading.Lock()
_waiting = threading.BoundedSemaphore(WAITING)
_cards: WeakKeyDictionary[Classifier, str] = WeakKeyDictionary()


#: Functions that name a folder in which something made of a model is kept, or None; it is deleted with the model.
kept_beside: list[Callable[[Classifier], Path | None]] = []


class Shelf:
    """The models that were asked for last, by full name. One that a request still uses is not let go of."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._kept: OrderedDict[str, Classifier] = OrderedDict()
        self._alive: WeakValueDictionary[str, Classifier] = WeakValueDictionary()

    def get(self, name: str) -> Classifier | None:
        """The model of a full name, None where there is none; it becomes the one asked for last."""
        with self._guard:
            known = self._alive.get(name)
            if known is not None:
                self._kept[name] = known
                self._kept.move_to_end(name)
            return known

    def put(self, model: Classifier) -> None:
        """Keep a model, for which there must be room."""
        with self._guard:
            self._kept[model.name] = self._alive[model.name] = model

    def make_room(self) -> None:
        """Let go of those asked for longest ago until one more may come; ModelUnavailable where all are in use."""
        for name in list(self._kept):
            if len(self._alive) < MOST:
                break
            self._let_go(name)
        if len(self._alive) >= MOST:
            raise ModelUnavailable(message("error.model.all_in_use", count=MOST))

    def _let_go(self, name: str) -> None:
        """Forget a model and its graphs, unless it lives on, since it is in use; nobody waits meanwhile."""
        with self._guard:
            model = self._kept.pop(name)
        folders = [folder_of(model) for folder_of in kept_beside]
        del model
        gc.collect()
        with self._guard:
            used = self._alive.get(name)
            if used is not None:
                self._kept[name] = used
                self._kept.move_to_end(name, last=False)
                return
        for folder in filter(None, folders):
            shutil.rmtree(folder, ignore_errors=True)


_shelf = Shelf()


def load(name: str, patience: float | None = None) -> Classifier:
    """The model that a visitor names, called by its commit.

    UnknownModel: this is no such name, or there is no such public repository. BadModel: it is no model folder, or too
    large. ModelUnavailable: it cannot be had now, or not within so many seconds: it is then still being fetched.
    """
    known = _shelf.get(name)
    if known is not None:
        return known
    if not _waiting.acquire(blocking=False):
        raise ModelUnavailable(message("error.model.many_waiting"))
    try:
        return _making.get(name, lambda: _looked_up(name), patience, keep=False)
    except TooSlow:
        raise ModelUnavailable(message("error.model.fetching", name=name)) from None
    finally:
        _waiting.release()


def choice(model: Classifier) -> registry.Source:
    """A visitor's model as an entry of the list of models."""
    return registry.Source(model.name, model.name[: model.name.index("@") + 8])


def card(model: Classifier) -> str:
    """A visitor's model's card, as Markdown without pictures: a browser would fetch them from any address."""
    # a fence may name what draws it, e.g. mermaid, whose pictures are fetched too
    text = FENCE.sub(r"\1", registry.for_people(_cards[model]) or registry.own_card(model))
    # characters that stand for themselves: a backslash before them could itself be made harmless
    return text.replace("<", "&lt;").replace("![", "&#33;[")


def _looked_up(name: str) -> Classifier:
    found = NAME.fullmatch(name)
    if found is None:
        raise UnknownModel(message("error.model.bad_name", name=repr(name)))
    repo, revision = found.groups()
    commit, sizes = hub.look_up(repo, revision or "main")
    known = _shelf.get(f"{repo}@{commit}")
    if known is not None:
        return known
    _hold_to_limits(repo, sizes)
    with _one_at_a_time():
        return _shelf.get(f"{repo}@{commit}") or _fetched(repo, commit)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    if not _fetching.acquire(timeout=PATIENCE):
        raise ModelUnavailable(message("error.model.another_fetching"))
    try:
        yield
    finally:
        _fetching.release()


def _fetched(repo: str, commit: str) -> Classifier:
    folder = hub.own_cache() / "guests" / f"{repo.replace('/', '--')}--{commit}"
    try:
        spec = model_folder.read_spec(hub.pull_public(repo, commit, [CONFIG], folder).folder)
        _hold_to_cost(spec)
        _keep_last(folder)
        pulled = hub.pull_public(repo, commit, [CONFIG, WEIGHTS], folder, optional=[CARD])
        _shelf.make_room()
        model = model_folder.load(pulled.folder, repo, revision=commit)
    except (BadModel, RecursionError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        # where it lies here is nobody's business
        bare = re.sub(rf"{re.escape(str(folder))}\S*/", "", str(error))
        why = sentence_of(error) if bare == str(error) else bare
        raise BadModel(message("error.model.unusable", repo=repo, commit=commit, reason=why)) from None
    _cards[model] = model_folder.read_card(pulled.folder)
    _shelf.put(model)
    return model


def _keep_last(folder: Path) -> None:
    """Delete the folders of other guests, but of those that were read last."""
    with suppress(OSError):  # another process may do the same
        others = [path for path in folder.parent.iterdir() if path != folder]
        for old in sorted(others, key=lambda path: path.stat().st_mtime)[: 1 - MOST]:
            shutil.rmtree(old, ignore_errors=True)
        os.utime(folder)


# ------------------------------------------------------------------ limits


def _hold_to_limits(repo: str, sizes: Mapping[str, int]) -> None:
    """BadModel unless a repository has the files of a model folder, none too large."""
    for name in (CONFIG, WEIGHTS):
        if name not in sizes:
            raise BadModel(message("error.model.no_model_folder", repo=repo, file=name))
    for name in (CONFIG, CARD):
        if sizes.get(name, 0) > LONGEST:
            given = {"size": _megabytes(sizes[name]), "limit": _megabytes(LONGEST)}
            raise BadModel(message("error.model.file_too_large", file=name, repo=repo, **given))
    whole = sum(sizes.get(name, 0) for name in (CONFIG, WEIGHTS, CARD))
    if whole > LARGEST:
        given = {"size": _megabytes(whole), "limit": _megabytes(LARGEST)}
        raise BadModel(message("error.model.too_large", repo=repo, **given))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _hold_to_cost(spec: ModelSpec) -> None:
    """BadModel for a network that would take so much time or memory that nobody else had any."""
    if len(spec.labels) > FINDINGS or spec.size > SIDE:
        given = {"findings": len(spec.labels), "side": spec.size}
        raise BadModel(message("error.model.too_many_findings", **given, most_findings=FINDINGS, most_side=SIDE))
    if not sum(map(abs, _numbers(spec.arguments))) <= BUILT:
        raise BadModel(message("error.model.arguments", limit=BUILT))
    cost = _Cost()  # type: ignore[no-untyped-call]
    model_folder.outline(spec, CONFIG, cost)
    if cost.operations > OPERATIONS or cost.values > VALUES:
        raise BadModel(
            message(
                "error.model.too_costly",
                operations=f"{cost.operations / 1e9:,.0f}",
                values=f"{cost.values / 1e6:,.0f}",
                most_operations=f"{OPERATIONS / 1e9:.0f}",
                most_values=f"{VALUES / 1e6:.0f}",
            )
        )


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inner)


class _Cost(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What passes through torch meanwhile: operations of convolutions, and the values of the largest tensor."""

    operations = values = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.values = max(self.values, made.numel())
            if function is torch.ops.aten.convolution.default:
                self.operations += 2 * made.numel() * args[1][0].numel()
        return made
