"""What leaves the program: the fields of a prediction and of a result, map files and pictures."""

from __future__ import annotations

import itertools
import json
import platform
import re
import shutil
import zipfile
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

import cxr_demo
from cxr_demo import methods
from cxr_demo.errors import UnknownLabel
from cxr_demo.files import sha256_of, write_whole
from cxr_demo.films import image
from cxr_demo.messages import message, message_or
from cxr_demo.output import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cxr_demo.evaluation.trust import Trust
    from cxr_demo.films.label_tables import Box
    from cxr_demo.types import Explanation, Prediction, Radiograph

#: Packages whose version may change a map.
LIBRARIES = (
    "torch",
    "torchvision",
    "torchxrayvision",
    "grad-cam",
    "lime",
    "scikit-image",
    "numpy",
    "opencv-python-headless",
)

NOTICE = message("page.notice")


def prediction_fields(film: Radiograph, prediction: Prediction) -> dict[str, Any]:
    """A prediction as plain JSON values; lists in the order of `labels`, null where a threshold is unknown."""
    return {
        "file": film.name,
        "sha256": film.sha256,
        "model": prediction.model,
        "labels": list(prediction.labels),
        "logits": numbers(prediction.logits),
        "probabilities": numbers(prediction.probabilities),
        "thresholds": numbers(prediction.thresholds),
        "warnings": [*film.warnings, *prediction.warnings],
    }


def explanation_fields(explanation: Explanation) -> dict[str, Any]:
    """What was done for one method's maps, as plain JSON values."""
    done, total = explanation.steps
    return {
        "settings": dict(explanation.settings),
        "unit": explanation.unit.value,
        "seconds": round(explanation.seconds, 3),
        "forwards": explanation.forwards,
        "samples": {"done": done, "asked": total},
        "precision": explanation.precision,
        "complete": explanation.complete,
        "stopped": explanation.stopped,
        "fidelity": None if explanation.fidelity is None else numbers(explanation.fidelity),
    }


def trust_fields(found: Trust) -> dict[str, Any]:
    """How far a method's maps can be believed, as plain JSON values; lists in the order of `labels`."""
    each = range(len(found.faithfulness))
    return {
        "verdict": [found.verdict(i).value for i in each],
        "says": [found.says(i) for i in each],
        "faithfulness": numbers(found.faithfulness),
        "chance": numbers(found.chance),
        "faithfulness_of_lungs": numbers(found.anatomy),
        "stability": numbers(found.stability),
        "outside_lungs": numbers(found.outside),
        "at_border": numbers(found.border),
    }


def result_fields(
    film: Radiograph,
    prediction: Prediction,
    explanations: Sequence[Explanation],
    trusted: Mapping[str, Trust] | None = None,
    boxes: Sequence[Box] = (),
) -> dict[str, Any]:
    """All that a reader needs to know to repeat the maps: the prediction, per method what was done, versions.

    `trusted`, by method, adds how far its maps can be believed; `boxes` are where somebody sees findings.
    """
    done = {e.method: explanation_fields(e) for e in explanations}
    for key, found in (trusted or {}).items():
        done[key]["trust"] = trust_fields(found)
    seen = {"correction": film.correction, "boxes": [box.fields() for box in boxes]}
    return {**prediction_fields(film, prediction), **seen, "methods": done, "versions": versions()}


def versions() -> dict[str, str]:
    """Versions of everything that may change a map."""
    known = {"cxr_demo": cxr_demo.__version__, "python": platform.python_version()}
    return known | {name: metadata.version(name) for name in LIBRARIES}


def write_maps(path: Path, explanations: Sequence[Explanation]) -> None:
    """`maps.npz`: one array (L, S, S) float32 per method key, and `labels` (L,)."""
    arrays: dict[str, Any] = {e.method: e.values for e in explanations}
    if explanations:
        arrays["labels"] = np.array(explanations[0].labels)
    np.savez_compressed(path, **arrays)


def save(
    folder: Path,
    film: Radiograph,
    prediction: Prediction,
    explanations: Sequence[Explanation],
    labels: Sequence[str],
    trusted: Mapping[str, Trust] | None = None,
    page: str | None = None,
    boxes: Sequence[Box] = (),
) -> None:
    """Write `maps.npz`, a PNG per method and label, the page as `report.html`, and last `result.json`: all is there.

    A method's pictures share one scale, so that its findings can be compared by eye; `full_colour` under
    `pictures` in result.json says which value gets full colour.
    """
    indices = [index_of(prediction.labels, label) for label in labels]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").unlink(missing_ok=True)
    write_maps(folder / "maps.npz", explanations)
    full_colour = {}
    for explanation in explanations:
        limit = full_colour[explanation.method] = render.limit_of(explanation.values[indices])
        for i in indices:
            name = re.sub(r"[^\w.-]", "_", f"{explanation.method}-{prediction.labels[i]}")
            told = legend(film, prediction, explanation, i, limit)
            shown = render.captioned(picture(film, explanation, i, limit), told)
            texts = {
                "Title": told.title,
                "Software": f"cxr_demo {cxr_demo.__version__}",
                "Description": json.dumps(picture_fields(film, prediction, explanation, i, limit), allow_nan=False),
            }
            (folder / f"{name}.png").write_bytes(render.png(shown, texts))
    if page is not None:
        (folder / "report.html").write_text(page, encoding="utf-8")
    fields = result_fields(film, prediction, explanations, trusted, boxes)
    fields["pictures"] = {"labels": [prediction.labels[i] for i in indices], "full_colour": full_colour}
    text = json.dumps(fields, indent=2, allow_nan=False)
    write_whole(folder / "result.json", text + "\n")


def picture(film: Radiograph, explanation: Explanation, i: int, limit: float) -> np.ndarray:
    """The film under the map of finding `i`, hatched where its sign is unsure: (H, W, 3) uint8."""
    placed = image.place(explanation.values[i], film)
    unsure = unsure_at(explanation, i)
    hatched = None if unsure is None else image.place(unsure, film, smooth=False) == 1
    return render.overlay(film.pixels, placed, limit=limit, unit=explanation.unit, unsure=hatched)


def legend(film: Radiograph, prediction: Prediction, explanation: Explanation, i: int, limit: float) -> render.Legend:
    """What somebody should know who has only the picture of finding `i`, not the folder around it."""
    finding = f"{_short(readable(prediction.labels[i]))} · probability {percent(float(prediction.probabilities[i]))}"
    model = re.sub(r"(@[0-9a-f]{12})[0-9a-f]+$", r"\1", prediction.model)  # a commit, as far as it tells it
    unsure = unsure_at(explanation, i)
    notes = (
        f"Colours: {explanation.unit.value}",
        *(["Dark lines: the sign is unsure"] if unsure is not None and unsure.any() else []),
        *(f"⚠ {warning}" for warning in (*prediction.warnings, *film.warnings)),
        f"Model {_short(model)}",
        f"File {_short(film.name)}",
        NOTICE,
    )
    return render.Legend(f"{title_of(explanation)} · {finding}", explanation.unit, limit, notes)


def picture_fields(
    film: Radiograph, prediction: Prediction, explanation: Explanation, i: int, limit: float
) -> dict[str, Any]:
    """All that is needed to make the picture of finding `i` again, as plain JSON values; a seed is a setting."""
    return {
        "file": film.name,
        "sha256": film.sha256,
        "correction": film.correction,
        "model": prediction.model,
        "label": prediction.labels[i],
        "probability": float(prediction.probabilities[i]),
        "method": explanation.method,
        "settings": dict(explanation.settings),
        "unit": explanation.unit.value,
        "full_colour": limit,
        "versions": versions(),
    }


def _short(name: str, most: int = 64) -> str:
    """A name without its middle where it is long: what tells files and models apart often stands at the end."""
    half = most // 2
    return name if len(name) <= most else f"{name[:half]}…{name[1 - half :]}"


def unsure_at(explanation: Explanation, i: int) -> np.ndarray | None:
    """Which places of finding `i`'s map are hatched: bool (S, S); None where the method does not say."""
    this = slice(i, i + 1)
    unsure = render.unsteady(explanation.values[this], None if explanation.sure is None else explanation.sure[this])
    return None if unsure is None else unsure[0]


def pack(folder: Path) -> Path:
    """A zip of a folder of `save` beside it, with SHA256SUMS, as `sha256sum -c` reads them; the folder is deleted."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    sums = "".join(f"{sha256_of(path)}  {path.name}\n" for path in paths)
    archive = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in paths:
            packed.write(path, f"{folder.name}/{path.name}")
        packed.writestr(f"{folder.name}/SHA256SUMS", sums)
    shutil.rmtree(folder)
    return archive


def bundle(archives: Iterable[Path], target: Path) -> Path:
    """One zip of several of `pack`, a folder each; a second one of the same name gets "-2"."""
    taken: set[str] = set()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as together:
        for archive in archives:
            names = (archive.stem if n == 1 else f"{archive.stem}-{n}" for n in itertools.count(1))
            # some systems hold A and a for the same name
            folder = next(name for name in names if name.casefold() not in taken)
            taken.add(folder.casefold())
            with zipfile.ZipFile(archive) as packed:
                for name in packed.namelist():
                    together.writestr(f"{folder}/{name.partition('/')[2]}", packed.read(name))
    return target


def title_of(explanation: Explanation) -> str:
    """A method's name for people; the key of one that is not among ours."""
    return next((kind.title for kind in methods.METHODS if kind.key == explanation.method), explanation.method)


def readable(label: str) -> str:
    """A finding as people write it."""
    return message_or(f"finding.{label.replace(' ', '_')}", label.replace("_", " "))


def percent(probability: float) -> str:
    """A probability as the page writes it."""
    return f"{100 * probability:.{1 if probability < 0.0995 else 0}f} %"


def index_of(labels: Sequence[str], label: str) -> int:
    """Where a finding stands among the model's labels, however it is spelled; UnknownLabel lists them."""
    wanted = label.lower().replace(" ", "_")
    for i, known in enumerate(labels):
        if known.lower().replace(" ", "_") == wanted:
            return i
    raise UnknownLabel(message("error.finding.unknown", name=repr(label), names=", ".join(labels)))


def numbers(values: np.ndarray) -> list[float | None]:
    """Plain numbers (n,), None where there is none."""
    return [float(v) if np.isfinite(v) else None for v in values]
