"""Exports results: a folder per film with maps, pictures and JSON, and zip archives of such folders."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import zipfile
from typing import TYPE_CHECKING

import cxr_demo
from cxr_demo.files import sha256_of
from cxr_demo.output import html_report, render, report

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cxr_demo.output.result import Result


def save(folder: Path, result: Result, labels: Sequence[str], against: str | None = None) -> None:
    """Write `maps.npz`, a PNG per method and label, `report.html` and `result.json` to a folder, created if missing.

    Writes `result.json` last and atomically, so that its presence marks a complete export. The pictures of a method
    share one colour scale; `pictures.full_colour` in result.json gives the value with full colour, by method. With
    `against`, pictures show differences from the maps of this label, or of OTHERS (`report.rather_than`), of signed
    methods.
    UnknownLabel for a label that the model does not predict; OSError if writing fails.
    """
    film, prediction, explanations = result.film, result.prediction, result.explanations
    indices = [report.index_of(prediction.labels, label) for label in labels]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").unlink(missing_ok=True)
    report.write_maps(folder / "maps.npz", explanations)
    full_colour = {}
    for whole in explanations:
        explanation = report.displayed(report.rather_than(whole, prediction, against))
        limit = full_colour[explanation.method] = render.limit_of(explanation.values[indices])
        for i in indices:
            name = re.sub(r"[^\w.-]", "_", f"{explanation.method}-{report.slug_of(explanation, i)}")
            told = report.legend(film, prediction, explanation, i, limit)
            shown = render.captioned(report.picture(film, explanation, i, limit), told)
            texts = {
                "Title": told.title,
                "Software": f"cxr_demo {cxr_demo.__version__}",
                "Description": json.dumps(
                    report.picture_fields(film, prediction, explanation, i, limit), allow_nan=False
                ),
            }
            (folder / f"{name}.png").write_bytes(render.png(shown, texts))
    (folder / "report.html").write_text(html_report.page(result), encoding="utf-8", errors="backslashreplace")
    fields = report.result_fields(film, prediction, explanations, result.trust, result.boxes)
    fields["pictures"] = {"labels": [prediction.labels[i] for i in indices], "full_colour": full_colour}
    if against is not None:
        fields["pictures"]["against"] = against
    text = json.dumps(fields, indent=2, allow_nan=False)
    partial = folder / "result.json.partial"
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(folder / "result.json")


def pack(folder: Path) -> Path:
    """Replace a folder written by `save` with FOLDER.zip, and return its path.

    The archive also contains SHA256SUMS in the format of `sha256sum -c`.
    """
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
    """Combine archives of `pack` into one zip with a folder each; adds "-2", "-3" ... to repeated names."""
    taken: set[str] = set()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as together:
        for archive in archives:
            names = (archive.stem if n == 1 else f"{archive.stem}-{n}" for n in itertools.count(1))
            # some file systems ignore case
            folder = next(name for name in names if name.casefold() not in taken)
            taken.add(folder.casefold())
            with zipfile.ZipFile(archive) as packed:
                for name in packed.namelist():
                    together.writestr(f"{folder}/{name.partition('/')[2]}", packed.read(name))
    return target
