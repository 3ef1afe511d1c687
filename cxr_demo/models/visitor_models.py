"""Load public models of the Hub that visitors name, within limits of size, memory and operations.

Downloads use no token and a separate cache, so visitors cannot reach the server's private repositories. Cheap checks
come first: the name, file sizes, the description, the network's cost, the weights. Unused models are evicted.
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
from cxr_demo.models.classifier import TRACING
from cxr_demo.models.model_folder import CARD, CONFIG, WEIGHTS
from cxr_demo.single_flight import SingleFlight, TooSlow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import ModelSpec

#: owner/name or owner/name@revision; revisions with a slash are rejected, since they would form a path.
NAME = re.compile(r"(?!.*\.\.)(\w[\w.-]{0,95}/\w[\w.-]{0,95})(?:@(\w[\w.-]{0,95}))?", re.ASCII)

#: The opening or closing fence of a Markdown code block, with its info string.
FENCE = re.compile(r"^([ \t>]*(?:`{3,}|~{3,}))[^\n]*$", re.MULTILINE)

#: Number of models kept in memory and on disk, the most recently used.
MOST = 3
#: Size limits in bytes: of a model in total, and of its description and its card each.
LARGEST, LONGEST = 500 * 10**6, 10**6
#: Limits of a network: findings, side of the input in pixels, and sum of the absolute numbers in its arguments.
FINDINGS, SIDE, BUILT = 100, 1024, 512
#: Limits per film: operations, and values of the largest tensor. A DenseNet-121 at 1024 pixels needs 115e9 and 17e6.
OPERATIONS, VALUES = 150 * 10**9, 32 * 10**6
#: Seconds to wait for another visitor's download, and number of requests that may wait for a model at a time.
PATIENCE, WAITING = 20.0, 8

_making: SingleFlight[Classifier] = SingleFlight()
_fetching = threading.Lock()
_waiting = threading.BoundedSemaphore(WAITING)
_cards: WeakKeyDictionary[Classifier, str] = WeakKeyDictionary()


#: Functions that return the folder of a model's derived files, or None; the folder is deleted with the model.
kept_beside: list[Callable[[Classifier], Path | None]] = []


class Shelf:
    """A cache of the most recently used models, by full name; models that a request still uses are not evicted."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._kept: OrderedDict[str, Classifier] = OrderedDict()
        self._alive: WeakValueDictionary[str, Classifier] = WeakValueDictionary()

    def get(self, name: str) -> Classifier | None:
        """Return the model of a full name, or None, and mark it as the most recently used."""
        with self._guard:
            known = self._alive.get(name)
            if known is not None:
                self._kept[name] = known
                self._kept.move_to_end(name)
            return known

    def put(self, model: Classifier) -> None:
        """Add a model; call `make_room` first."""
        with self._guard:
            self._kept[model.name] = self._alive[model.name] = model

    def make_room(self) -> None:
        """Evict the least recently used models until one more fits; ModelUnavailable if all are in use."""
        for name in list(self._kept):
            if len(self._alive) < MOST:
                break
            self._let_go(name)
        if len(self._alive) >= MOST:
            raise ModelUnavailable(message("error.model.all_in_use", count=MOST))

    def _let_go(self, name: str) -> None:
        """Evict a model and delete its derived files, unless a request still uses it; other threads do not wait."""
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
    """Load the model that a visitor names; its own name includes the commit.

    Raises UnknownModel if the name is malformed or the repository is not public or does not exist, BadModel if it is
    not a model folder or exceeds a limit, and ModelUnavailable if it is unavailable, too many requests wait, or the
    download takes longer than `patience` seconds; the download then continues.
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
    """Return a visitor's model as an entry of the list of models; its title shortens the commit to 7 digits."""
    return registry.Source(model.name, model.name[: model.name.index("@") + 8])


def card(model: Classifier) -> str:
    """Return the card of a visitor's model as Markdown without images, which a browser would load from any address."""
    # an info string may select a renderer, e.g. mermaid, whose images would be loaded too
    text = FENCE.sub(r"\1", registry.for_people(_cards[model]) or registry.own_card(model))
    # character entities: a card could neutralise an escaping backslash with another one
    return text.replace("<", "&lt;").replace("![", "&#33;[")


def _looked_up(name: str) -> Classifier:
    """Resolve a name to a commit on the Hub and return that model, from the shelf or downloaded within the limits."""
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
    """Hold the download lock; ModelUnavailable if another download takes longer than PATIENCE seconds."""
    if not _fetching.acquire(timeout=PATIENCE):
        raise ModelUnavailable(message("error.model.another_fetching"))
    try:
        yield
    finally:
        _fetching.release()


def _fetched(repo: str, commit: str) -> Classifier:
    """Download, check and load a model, and put it on the shelf.

    Checks the description before downloading the weights. Deletes the folder of an invalid model; BadModel then gives
    the reason without the server's paths.
    """
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
        # remove the server's paths from the message
        bare = re.sub(rf"{re.escape(str(folder))}\S*/", "", str(error))
        why = sentence_of(error) if bare == str(error) else bare
        raise BadModel(message("error.model.unusable", repo=repo, commit=commit, reason=why)) from None
    _cards[model] = model_folder.read_card(pulled.folder)
    _shelf.put(model)
    return model


def _keep_last(folder: Path) -> None:
    """Delete the folders of other visitors' models except the most recently used, and mark this one as used."""
    with suppress(OSError):  # another process may delete the same folders
        others = [path for path in folder.parent.iterdir() if path != folder]
        for old in sorted(others, key=lambda path: path.stat().st_mtime)[: 1 - MOST]:
            shutil.rmtree(old, ignore_errors=True)
        os.utime(folder)


# ------------------------------------------------------------------ limits


def _hold_to_limits(repo: str, sizes: Mapping[str, int]) -> None:
    """Raise BadModel unless a repository has the files of a model folder within the size limits."""
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
    """Raise BadModel if a network exceeds the limits of findings, input size, arguments, operations or values."""
    if len(spec.labels) > FINDINGS or spec.size > SIDE:
        given = {"findings": len(spec.labels), "side": spec.size}
        raise BadModel(message("error.model.too_many_findings", **given, most_findings=FINDINGS, most_side=SIDE))
    if not sum(map(abs, _numbers(spec.arguments))) <= BUILT:
        raise BadModel(message("error.model.arguments", limit=BUILT))
    cost, network = _Cost(), model_folder.outline(spec)  # type: ignore[no-untyped-call]
    with TRACING, cost:
        model_folder.run_once(network, spec, CONFIG, torch.device("meta"))
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
    """Yield all numbers in nested lists, tuples and dictionaries."""
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inner)


class _Cost(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count the operations of convolutions, and the values of the largest tensor, while the mode is active."""

    operations = values = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.values = max(self.values, made.numel())
            if function is torch.ops.aten.convolution.default:
                self.operations += 2 * made.numel() * args[1][0].numel()
        return made
