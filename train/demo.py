"""Demonstration of the trainer in a few minutes: audit, cache, fit, evaluate, publish --dry-run.

It uses real films if CXR_FILMS names a folder, all of one source so that the source gives away no label; phantoms
otherwise.
"""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cxr_demo.files import write_whole
from cxr_demo.films import phantom
from cxr_demo.types import NIH_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Source of the real films; it has boxes, and films with and without each finding.
SOURCE = "adleberg_boxed"
DRAWN = 300
FIRST_DRAWN = "drawn-000.png"
#: A short training with few steps, hence the short moving average; real trainings use the defaults.
RECIPE: Mapping[str, str] = {
    "--folds": "2",
    "--head-epochs": "1",
    "--coarse-epochs": "6",
    "--epochs": "1",
    "--coarse-size": "128",
    "--batch": "16",
    "--ema": "0.9",
}


def run(folder: Path, main: Callable[[Sequence[str]], int], say: Callable[[str], None]) -> int:
    """Run each command of the demonstration in turn, after printing it.

    `main` is the trainer's command line. Returns 0, or the exit status of the first command that failed.
    """
    films = folder / "films" / "labels.csv"
    if not films.exists():
        real = os.environ.get("CXR_FILMS")
        labels = _real(Path(real), films) if real else draw(films)
        say(f"{'Real' if real else 'Drawn'} films in {films.parent}, with {', '.join(labels)}.")
    labels = _labels(films)
    common = [str(films), "--labels", *labels]
    fit = ["fit", *common, "--out", str(folder / "run"), "--name", "demo", "--cache", str(folder / "cache")]
    fit += [word for flag in RECIPE.items() for word in flag]
    if (films.parent / "images" / FIRST_DRAWN).exists():
        fit += ["--accept", "copies-across-patients:the demonstration's films are drawn from one anatomy"]
    for words in (
        ["audit", *common, "--out", str(folder / "audit"), "--cache", str(folder / "cache")],
        ["cache", *common, "--cache", str(folder / "cache")],
        [*fit, "--trained-on", "Films at hand, for a demonstration."],
        ["evaluate", str(folder / "run")],
        ["publish", str(folder / "run"), "your-name/demo", "--dry-run"],
    ):
        say(f"\n$ python -m train {' '.join(words)}")
        status = main(words)
        # the exit status of an audit is its severity; for the other commands only 2 means failure
        if status > 1 and words[0] != "audit":
            return status
    say(f"\nLook at it: CXR_MODEL={folder / 'run' / 'all'} make run")
    return 0


def _labels(table: Path) -> list[str]:
    """NIH's findings that are columns of a table."""
    with table.open(newline="") as file:
        columns = next(csv.reader(file))
    return [label for label in NIH_FINDINGS if label in columns]


def _real(source: Path, table: Path) -> list[str]:
    """Link the films of SOURCE beside `table` and write it; its findings with at least 60 positive films."""
    with (source / "nih" / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source_set"] == SOURCE]
    labels = [label for label in NIH_FINDINGS if sum(row[label] == "1" for row in rows) >= 60]
    (table.parent / "images").mkdir(parents=True)
    for row in rows:
        (table.parent / "images" / row["file"]).symlink_to((source / "nih" / "images" / row["file"]).resolve())
    _write(table, [{k: v for k, v in row.items() if k not in NIH_FINDINGS or k in labels} for row in rows])
    return labels


def draw(table: Path) -> list[str]:
    """Draw phantoms, two per patient, with random pose and exposure, and write their table; its findings."""
    labels = [p.finding for p in phantom.PHANTOMS.values() if p.finding]
    rng, rows = np.random.default_rng(0), []
    (table.parent / "images").mkdir(parents=True)
    pictures = {key: phantom.draw(key, 256) / 255 for key in phantom.PHANTOMS}
    for i in range(DRAWN):
        key = list(pictures)[int(rng.integers(len(pictures)))]
        file = f"drawn-{i:03}.png"
        cv2.imwrite(str(table.parent / "images" / file), _varied(pictures[key], rng))
        rows.append({"file": file, "patient_id": f"p{i // 2}", "view": "PA", "source_set": "phantoms"})
        rows[-1] |= {label: str(int(phantom.PHANTOMS[key].finding == label)) for label in labels}
    _write(table, rows)
    return labels


def _varied(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture (S, S) in [0, 1] as uint8, with random rotation, scale, shift, exposure and noise."""
    side = picture.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), float(rng.uniform(-10, 10)), float(rng.uniform(0.9, 1.1)))
    turn[:, 2] += rng.uniform(-0.05, 0.05, 2) * side
    moved = cv2.warpAffine(picture.astype(np.float32), turn, (side, side), borderMode=cv2.BORDER_REFLECT)
    exposed = np.clip(moved, 0, 1) ** np.exp(rng.uniform(-0.3, 0.3)) * 255 + rng.normal(0, 4, moved.shape)
    varied: np.ndarray = np.clip(exposed, 0, 255).astype(np.uint8)
    return varied


def _write(table: Path, rows: Sequence[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_whole(table, text.getvalue())
