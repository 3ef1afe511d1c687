"""Resolve a model's name to a Classifier.

bundled:nih14               in this repository (the default), or bundled:pneumothorax
./folder                    a model folder, e.g. written by `python -m train`
owner/name@revision         a model folder on the Hugging Face Hub, by default of its main branch
timm:owner/name             a model of timm or transformers, on the Hub or in a folder, see library_folders
transformers:./folder
xrv:densenet121-res224-all  torchxrayvision's weights, see xrv_weights.ZOO
lesson:occlusion            a hand-made failure case of a method, see failure_cases.LESSONS; not in `choices`

Every name may end in `@revision`, as a Classifier's own name does; the model must then have that revision. Importing
this module and listing choices does not import torch.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_demo.errors import BadModel, BadSetting, CxrError, ModelUnavailable, UnknownModel
from cxr_demo.films import image, phantom
from cxr_demo.messages import message
from cxr_demo.models import hub, hub_cards, library_folders, model_folder, xrv_weights
from cxr_demo.single_flight import SingleFlight, TooSlow

if TYPE_CHECKING:
    from cxr_demo.models.classifier import Classifier

BUNDLED = Path(__file__).parents[1] / "bundled"

#: The models of this repository; the first is the default.
BUNDLED_MODELS = ("nih14", "pneumothorax")

#: Entry of CXR_MODELS that lets visitors name any public model folder on the Hub, see visitor_models; not a model.
HUB = "hub"

#: Default of CXR_MODELS, the models offered to visitors.
OFFERED = (*(f"bundled:{name}" for name in BUNDLED_MODELS), *(f"xrv:{name}" for name in list(xrv_weights.ZOO)[:2]), HUB)

#: Largest difference from the authors' published outputs that `verify` accepts; their film is resized differently.
TOLERANCE = 0.15

_loaded: SingleFlight[Classifier] = SingleFlight()


@dataclass(frozen=True)
class Source:
    """A model offered to visitors: its name for `load` and its displayed title."""

    name: str
    title: str


def choices() -> tuple[Source, ...]:
    """List the models offered to visitors, without loading any: CXR_MODEL first, then CXR_MODELS (comma separated).

    The first is the default model.
    """
    own = os.environ.get("CXR_MODEL", "").strip()
    listed = [name for name in _offered() if name != HUB]
    names = [own, *listed] if own else listed or OFFERED[:1]
    return tuple(Source(name, _title(name)) for name in dict.fromkeys(names))


def takes_guests() -> bool:
    """Whether visitors may also name any public model folder on the Hub."""
    return HUB in _offered()


def _offered() -> tuple[str, ...]:
    """Entries of CXR_MODELS, including HUB; OFFERED if the variable is empty."""
    listed = tuple(filter(None, map(str.strip, os.environ.get("CXR_MODELS", "").split(","))))
    return listed or OFFERED


def load(name: str | None = None, patience: float | None = None) -> Classifier:
    """Load a model by name, by default the first of `choices`, once per process; safe to call from any thread.

    Raises UnknownModel if the model does not exist, BadModel if its files are invalid, and ModelUnavailable if it is
    unavailable or takes longer than `patience` seconds; loading then continues. Concurrent calls share one load and its
    error; the next call tries again.
    """
    name = name or choices()[0].name
    try:
        return _loaded.get(name, lambda: _shared(name), patience)
    except TooSlow:
        raise ModelUnavailable(message("error.model.fetching", name=name)) from None


def _shared(name: str) -> Classifier:
    """Load a model, and share one instance for all names with the same full name."""
    model = _load(name)
    return model if model.name == name else _loaded.keep(model.name, model)


def card(name: str) -> str:
    """Return a model's card as Markdown, or one built from its description; raises the errors of `load`."""
    return for_people(card_file(name)) or own_card(load(name))


def card_file(name: str) -> str:
    """Return the file of a model's card with its front matter, "" if it has none; raises the errors of `load`."""
    kind, place, _ = parse(name)
    if kind in ("bundled", "folder"):
        return model_folder.read_card(_folder(kind, place))
    if kind in library_folders.LIBRARIES:
        commit = "" if library_folders.is_folder(place) else load(name).name.rpartition("@")[2]
        return model_folder.read_card(library_folders.find(kind, place, commit).folder)
    if kind == "hub":
        # use the loaded revision: the branch may have a newer commit, and a request to the Hub takes time
        commit = load(name).name.rpartition("@")[2]
        return model_folder.read_card(_pulled(place, commit).folder)
    return ""


def for_people(text: str) -> str:
    """Strip the Hub's front matter from a card's Markdown."""
    return hub_cards.split(text)[1].strip()


def verify(name: str) -> str:
    """Load a model, run it on one film, and return a sentence with the result.

    The film is the authors' example film if they publish the model's outputs for it, otherwise a phantom, which needs
    no connection. Raises BadModel if outputs are not finite or differ from the published ones by more than TOLERANCE,
    and the errors of `load` and `hub.fetch_example`.
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
    """Split a name into kind, place and revision ("" for none); UnknownModel lists the valid names.

    The kind is bundled, xrv, lesson, timm, transformers, folder or hub; the place is a name within that kind, a path or
    a repository.
    """
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
    if prefix in library_folders.LIBRARIES:
        whole = name[len(prefix) + 1 :]
        if _path(whole).is_dir():  # its name may have an @
            place, revision = whole, ""
        return library_folders.LIBRARIES[prefix], place, revision
    if bare.startswith(("./", "../", "/", "~")) or _path(bare).is_dir():
        return "folder", bare, revision
    if re.fullmatch(r"[\w.-]+/[\w.-]+", bare):
        return "hub", bare, revision
    known = {n: f"bundled:{n}" for n in BUNDLED_MODELS} | {n: f"xrv:{n}" for n in xrv_weights.ZOO}
    near = difflib.get_close_matches(bare.rpartition(":")[2], known, n=1)
    raise UnknownModel(
        f"There is no model {name!r}.{f' Did you mean {known[near[0]]}?' if near else ''} "
        f"There are {', '.join(known.values())}, ./folder for a model folder, owner/name@revision for one on the "
        "Hugging Face Hub, and timm: or transformers: before a folder or owner/name of these libraries."
    )


def repository(name: str) -> str | None:
    """The repository on the Hub of a model, by its name with the revision; None if it is not from the Hub.

    Other words that a card has in place of a name, such as "ImageNet", give None too.
    """
    try:
        kind, place, revision = parse(name)
    except UnknownModel:
        return None
    if kind == "xrv":
        return f"{xrv_weights.OWNER}/{place}"
    return place if hub.COMMIT.fullmatch(revision) and kind in ("hub", *library_folders.LIBRARIES) else None


def _load(name: str) -> Classifier:
    """Load a model of any kind without sharing it; ModelUnavailable if its revision is not the requested one."""
    kind, place, revision = parse(name)
    if kind == "hub":
        pulled = _pulled(place, revision)
        # the full commit, since a name with a shortened one could not be downloaded again
        try:
            return model_folder.load(pulled.folder, place, revision=pulled.commit)
        except BadModel as error:
            raise _advised(error, pulled.folder) from None
    if kind in library_folders.LIBRARIES:
        model = _of_library(kind, place, revision)
        if not library_folders.is_folder(place):
            return model
    elif kind == "xrv":
        model = xrv_weights.load(place)
    elif kind == "lesson":
        from cxr_demo.models import failure_cases

        model = failure_cases.load(place)
    else:
        from cxr_demo.models import folds

        folder = _folder(kind, place)
        load = folds.load if folds.is_run(folder) else model_folder.load
        try:
            model = load(folder, f"bundled:{place}" if kind == "bundled" else place)
        except BadModel as error:
            raise _advised(error, folder) from None
    found = model.name.rpartition("@")[2]
    if not found.startswith(revision):
        raise ModelUnavailable(
            f"{name} is not here: what goes by this name now is revision {found}. Leave out @{revision} to use that."
        )
    return model


def _of_library(library: str, place: str, revision: str) -> Classifier:
    """Load a model of timm or transformers; BadSetting if the library is not installed."""
    if find_spec(library) is None:
        raise BadSetting(f"{library}:{place} needs the library {library}: pip install {library}.")
    from cxr_demo.models.classifier import TRACING

    if library == "timm":
        from cxr_demo.models.of_timm import load
    else:
        from cxr_demo.models.of_transformers import load

    found = library_folders.find(library, place, revision)
    try:
        with TRACING:  # the libraries change torch's defaults for the whole process while they build a model
            return load(found, f"{library}:{place}@{found.revision}", hub.licence(found.folder / model_folder.CARD))
    except CxrError:
        raise
    except Exception as error:  # of a stranger's description, which a library may fail on in any way
        raise BadModel(f"{library} cannot load {place}: {type(error).__name__}: {error}") from None


def _advised(error: BadModel, folder: Path) -> BadModel:
    """The error of a folder that is not one of this project, with advice if it is a model of a library."""
    with suppress(OSError, ValueError):
        described = json.loads((folder / model_folder.CONFIG).read_text(encoding="utf-8"))
        if isinstance(described, dict) and "format" not in described:
            for key, library in (("model_type", "transformers"), ("architecture", "timm")):
                if key in described:
                    return BadModel(f"{error} It is a model of {library}: put {library}: before its name.")
    return error


def _folder(kind: str, place: str) -> Path:
    """Return the folder of a bundled model or of a path; UnknownModel or ModelUnavailable if it does not exist."""
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
    """Download a model folder from the Hub; the card is optional."""
    files = (model_folder.CONFIG, model_folder.WEIGHTS)
    return hub.pull(repo, files, revision=revision or "main", optional=(model_folder.CARD,))


def own_card(model: Classifier) -> str:
    """Build a card in Markdown from a model's description."""
    spec = model.spec
    findings = ", ".join(label.replace("_", " ") for label in spec.labels)
    licence = spec.licence or "not stated"
    return f"# {spec.name}\n\n`{model.name}`\n\n{spec.trained_on}\n\nFindings: {findings}.\n\nLicence: {licence}."
