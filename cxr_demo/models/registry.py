"""A model's name -> Classifier.

bundled:nih14               in this repository (the default), or bundled:pneumothorax
./folder                    a model folder, such as `python -m train` writes
owner/name@revision         a model folder on the Hugging Face Hub; without a revision, its main branch
xrv:densenet121-res224-all  torchxrayvision's weights, see zoo.ZOO
lesson:occlusion            made by hand, to show where a method fails, see lessons.LESSONS; in no list of choices

Behind any of them `@revision` may stand, as in a Classifier's own name; what is found must then be that revision.
Importing this, and listing, needs no torch.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_demo.errors import BadModel, ModelUnavailable, UnknownModel
from cxr_demo.films import image, phantom
from cxr_demo.messages import message
from cxr_demo.models import hub, model_folder, xrv_weights
from cxr_demo.single_flight import SingleFlight, TooSlow

if TYPE_CHECKING:
    from cxr_demo.models.classifier import Classifier

BUNDLED = Path(__file__).parents[1] / "bundled"

#: The models of this repository; the first is the default.
BUNDLED_MODELS = ("nih14", "pneumothorax")

#: In CXR_MODELS: and any public model folder of the Hub that a visitor names, see guests.py. It is no model itself.
HUB = "hub"

#: What a visitor may choose where CXR_MODELS does not say.
OFFERED = (*(f"bundled:{name}" for name in BUNDLED_MODELS), *(f"xrv:{name}" for name in list(xrv_weights.ZOO)[:2]), HUB)

#: How far `verify` lets an output be from the one its authors print; films are made smaller in another way here.
TOLERANCE = 0.15

_loaded: SingleFlight[Classifier] = SingleFlight()


@dataclass(frozen=True)
class Source:
    """A model that may be chosen: its name for `load`, and a line for people."""

    name: str
    title: str


def choices() -> tuple[Source, ...]:
    """What a visitor may choose, the default first: CXR_MODEL, then CXR_MODELS (comma separated). Loads nothing."""
    own = os.environ.get("CXR_MODEL", "").strip()
    listed = [name for name in _offered() if name != HUB]
    names = [own, *listed] if own else listed or OFFERED[:1]
    return tuple(Source(name, _title(name)) for name in dict.fromkeys(names))


def takes_guests() -> bool:
    """Whether a visitor may also name any public model folder of the Hub."""
    return HUB in _offered()


def _offered() -> tuple[str, ...]:
    listed = tuple(filter(None, map(str.strip, os.environ.get("CXR_MODELS", "").split(","))))
    return listed or OFFERED


def load(name: str | None = None, patience: float | None = None) -> Classifier:
    """The model of a name, the default of `choices` without one; loaded once per process, from any thread.

    UnknownModel: there is no such model. ModelUnavailable: it cannot be had now, or not within so many seconds: it is
    then still being loaded. BadModel: its files are wrong. Whoever asks during a loading shares its error; the next
    one tries again.
    """
    name = name or choices()[0].name
    try:
        return _loaded.get(name, lambda: _shared(name), patience)
    except TooSlow:
        raise ModelUnavailable(message("error.model.fetching", name=name)) from None


def _shared(name: str) -> Classifier:
    """A model that is read, or the one that is known by its full name, which results and the page ask for."""
    model = _load(name)
    return model if model.name == name else _loaded.keep(model.name, model)


def card(name: str) -> str:
    """A model's card as Markdown, or a few lines from its description where it has none; the errors of `load`."""
    kind, place, _ = parse(name)
    text = ""
    if kind in ("bundled", "folder"):
        text = model_folder.read_card(_folder(kind, place))
    elif kind == "hub":
        # of the revision that is loaded: the branch may have moved on, and asking the Hub takes time
        commit = load(name).name.rpartition("@")[2]
        text = model_folder.read_card(_pulled(place, commit).folder)
    return for_people(text) or own_card(load(name))


def for_people(text: str) -> str:
    """A card's Markdown without its front matter, which is for the Hub."""
    return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL).strip()


def verify(name: str) -> str:
    """Load a model for real and try it on a film that is known; a sentence that says what was found.

    That film is its authors' where they print outputs for it, or else a phantom, which needs no network.
    BadModel where its outputs are not what they should be; otherwise the errors of `load` and `hub.fetch_example`.
    """
    import numpy as np
    import torch

    model = load(name)
    printed = xrv_weights.PRINTED.get(parse(name)[1])
    film = image.read(hub.fetch_example(hub.EXAMPLES[0].name)) if printed else phantom.PHANTOMS["normal"].film()
    logits = model.logits(torch.from_numpy(image.model_input(film, model.size, model.spec.pixel_range)))[0].numpy()
    if not np.isfinite(logits).all():
        raise BadModel(f"{model.name} gives numbers that are not finite for {film.name}.")
    probabilities = model.probabilities(logits)
    highest = int(probabilities.argmax())
    found = f"{model.name}: loads, and runs on {film.name} ({model.labels[highest]} {probabilities[highest]:.2f})"
    if not printed:
        return f"{found}; no outputs are published to compare with."
    outputs = xrv_weights.rescaled(probabilities, model.thresholds)
    apart = max(abs(float(outputs[model.labels.index(label)]) - value) for label, value in printed.items())
    if apart > TOLERANCE:
        raise BadModel(f"{model.name} is up to {apart:.2f} from the outputs that its authors print for {film.name}.")
    return f"{found}; within {apart:.2f} of the outputs that its authors print."


def _title(name: str) -> str:
    kind, _, place = name.partition(":")
    if kind == "bundled" and place in BUNDLED_MODELS:
        return message(f"model.bundled.{place}")
    return xrv_weights.title(place) if kind == "xrv" and place in xrv_weights.ZOO else name


def parse(name: str) -> tuple[str, str, str]:
    """A name's kind, what stands behind it, and the revision ("" for none); UnknownModel with what there is."""
    bare, at, revision = name.rpartition("@")
    if not at or _path(name).is_dir():
        bare, revision = name, ""
    prefix, _, place = bare.partition(":")
    if prefix == "bundled" and place in BUNDLED_MODELS:
        return "bundled", place, revision
    if prefix == "xrv" and place in xrv_weights.ZOO:
        return "xrv", place, revision
    if prefix == "lesson":
        from cxr_demo.models import failure_cases

        return "lesson", failure_cases.named(place).key, revision
    if bare.startswith(("./", "../", "/", "~")) or _path(bare).is_dir():
        return "folder", bare, revision
    if re.fullmatch(r"[\w.-]+/[\w.-]+", bare):
        return "hub", bare, revision
    known = {n: f"bundled:{n}" for n in BUNDLED_MODELS} | {n: f"xrv:{n}" for n in xrv_weights.ZOO}
    near = difflib.get_close_matches(bare.rpartition(":")[2], known, n=1)
    raise UnknownModel(
        f"There is no model {name!r}.{f' Did you mean {known[near[0]]}?' if near else ''} "
        f"There are {', '.join(known.values())}, ./folder for a model folder, and owner/name@revision for one on the "
        "Hugging Face Hub."
    )


def _load(name: str) -> Classifier:
    kind, place, revision = parse(name)
    if kind == "hub":
        pulled = _pulled(place, revision)
        # the whole commit: a shortened one cannot be fetched again
        return model_folder.load(pulled.folder, place, revision=pulled.commit)
    if kind == "xrv":
        model = xrv_weights.load(place)
    elif kind == "lesson":
        from cxr_demo.models import failure_cases

        model = failure_cases.load(place)
    else:
        from cxr_demo.models import folds

        folder = _folder(kind, place)
        load = folds.load if folds.is_run(folder) else model_folder.load
        model = load(folder, f"bundled:{place}" if kind == "bundled" else place)
    found = model.name.rpartition("@")[2]
    if not found.startswith(revision):
        raise ModelUnavailable(
            f"{name} is not here: what goes by this name now is revision {found}. Leave out @{revision} to use that."
        )
    return model


def _folder(kind: str, place: str) -> Path:
    """Where a bundled model or a folder lies; errors where nothing is there."""
    folder = BUNDLED / place if kind == "bundled" else _path(place)
    if not folder.is_dir():
        if kind == "folder":
            raise UnknownModel(message("error.model.no_folder", name=place))
        raise ModelUnavailable(f"bundled:{place} is missing in this copy; get the whole repository again.")
    return folder


def _path(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # no such user
        return Path(name)


def _pulled(repo: str, revision: str) -> hub.Pulled:
    files = (model_folder.CONFIG, model_folder.WEIGHTS)
    return hub.pull(repo, files, revision=revision or "main", optional=(model_folder.CARD,))


def own_card(model: Classifier) -> str:
    """A card in Markdown from a model's description."""
    spec = model.spec
    findings = ", ".join(label.replace("_", " ") for label in spec.labels)
    return f"# {spec.name}\n\n`{model.name}`\n\n{spec.trained_on}\n\nFindings: {findings}.\n\nLicence: {spec.licence}."
