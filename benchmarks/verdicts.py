"""How often the test of maps passes: maps of films with boxes, the same maps elsewhere, other films' maps, random ones.

Prints a table in Markdown. A film takes some 15 seconds for three methods on two cores.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.evaluation import metrics, trust
from cxr_demo.evaluation.covering import CHANCE, GRID
from cxr_demo.evaluation.trust import Verdict
from cxr_demo.films import image
from cxr_demo.films.label_tables import read_tables
from cxr_demo.models import registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxr_demo.films.label_tables import Films
    from cxr_demo.models.classifier import Classifier

#: Standard deviations in cells of the blur of random maps, and their number per film and deviation.
SMOOTH, DRAWN = (0.5, 2, 4), 4


@dataclass(frozen=True, eq=False)
class Film:
    """The measures of one film."""

    controls: trust.Controls
    findings: Mapping[int, np.ndarray]  # by the index of a finding with a box: the boxes as a mask (S, S)
    trusted: Mapping[str, trust.Trust]  # by method
    maps: Mapping[str, np.ndarray]  # by method: (L, GRID, GRID)
    peaks: Mapping[str, Mapping[int, float]]  # by method and finding: the share of the highest piece in the boxes


def main() -> None:
    """Measure every so many of the films with boxes in CXR_FILMS."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default="bundled:nih14", help="a model, or a run of folds; default: %(default)s")
    parser.add_argument("--every", type=int, default=10, metavar="N", help="measure every Nth film; default: 10")
    parser.add_argument("--method", action="append", help="a method's key, repeatable; default: the three of the page")
    given = parser.parse_args()
    chosen = methods.choose(given.method or [kind.key for kind in methods.DEFAULTS], {})
    model, folder = registry.load(given.model), Path(os.environ["CXR_FILMS"], "nih")
    table = read_tables([folder / "labels.csv"], model.labels, images=folder / "images")
    rows = [row for row in range(len(table)) if any(box.label in model.labels for box in table.boxes[row])]
    films = []
    for row in rows[:: given.every]:
        films.append(measured(model, table, row, chosen))
        print(f"{len(films)} of {len(rows[:: given.every])}: {table.paths[row].name}", flush=True)
    print("\n".join(lines(films, [method.key for method in chosen])))


def measured(model: Classifier, table: Films, row: int, chosen: Sequence[methods.Method]) -> Film:
    """Explain and measure the film in a row of the table."""
    case = Case(model, image.read(table.paths[row]))
    labels, size = case.model.labels, case.model.size
    places = [(box.label, image.in_view(box.edges, case.film.crop)) for box in table.boxes[row] if box.label in labels]
    findings = {
        labels.index(name): metrics.box_mask([edges for label, edges in places if label == name], size)
        for name in dict.fromkeys(label for label, _ in places)
    }
    explanations = {method.key: case.last_explanation(method) for method in chosen}
    return Film(
        controls=trust.controls(case),
        findings=findings,
        trusted={method.key: trust.measure(case, method, explanations[method.key]) for method in chosen},
        maps={key: trust.on_grid(e.values) for key, e in explanations.items()},
        peaks={
            key: {i: metrics.peak_inside(e.values[i], mask) for i, mask in findings.items()}
            for key, e in explanations.items()
        },
    )


def lines(films: Sequence[Film], keys: Sequence[str]) -> Iterator[str]:
    """The table: shares of testable maps that pass, with their number, one column per method."""
    yield f"| {len(films)} films | {' | '.join(keys)} | random |"
    yield f"|---|{'---|' * (len(keys) + 1)}"
    for name, found in (
        ("all", [verdicts(films, key) for key in keys]),
        ("supported", [verdicts(films, key, only=Verdict.SUPPORTED) for key in keys]),
        ("peak in a box", [verdicts(films, key, hit=True) for key in keys]),
        ("peak elsewhere", [verdicts(films, key, hit=False) for key in keys]),
        *((f"with the content {fill}", [by_content(films, key, fill) for key in keys]) for fill in ("blurred", "wide")),
        ("moved, turned or mirrored", [elsewhere(films, key, turned=True) for key in keys]),
        ("moved", [elsewhere(films, key, turned=False) for key in keys]),
        ("of another film", [of_another(films, key) for key in keys]),
    ):
        yield f"| {name} | {' | '.join(_share(each) for each in found)} | |"
    random = np.random.default_rng(0)
    drawn = {s: [passes(f, i, _smooth(random, s)) for f, i in _testable(films) for _ in range(DRAWN)] for s in SMOOTH}
    yield f"| random, by smoothness | {' | ' * len(keys)}{', '.join(_share(each) for each in drawn.values())} |"
    for key in keys:
        counted = Counter(f.trusted[key].verdict(i).value for f in films for i in f.findings)
        yield f"\n{key}: {', '.join(f'{name} {number}' for name, number in counted.items())}."


def verdicts(films: Sequence[Film], key: str, *, only: Verdict | None = None, hit: bool | None = None) -> list[bool]:
    """Whether each testable map passes, or has the verdict `only`.

    With `hit`, only maps with at least half of their peak in a box, or only the others.
    """
    found = []
    for film, i in _testable(films):
        verdict, inside = film.trusted[key].verdict(i), film.peaks[key][i] >= 0.5
        if verdict is not Verdict.UNTESTABLE and hit in (None, inside):
            found.append(verdict is only if only else verdict is not Verdict.UNDECIDED)
    return found


def by_content(films: Sequence[Film], key: str, fill: str) -> list[bool]:
    """Whether each map passes with one content of the covers, where that can test the finding."""
    each = [film.trusted[key].covers[fill].verdict(i) for film in films for i in film.findings]
    return [verdict is not Verdict.UNDECIDED for verdict in each if verdict is not Verdict.UNTESTABLE]


def elsewhere(films: Sequence[Film], key: str, *, turned: bool) -> list[bool]:
    """Whether each map passes after it is put elsewhere at random."""
    random = np.random.default_rng(1)
    found = []
    for film, i in _testable(films):
        values = film.maps[key][i]
        if turned:
            values = np.rot90(values[:, :: int(random.choice([1, -1]))], int(random.integers(4)))
        found.append(passes(film, i, np.roll(values, random.integers(GRID, size=2), (0, 1))))
    return found


def of_another(films: Sequence[Film], key: str) -> list[bool]:
    """Whether each film's maps pass on the film before it in the list."""
    other = {id(film): films[n - 1] for n, film in enumerate(films)}
    return [passes(film, i, other[id(film)].maps[key][i]) for film, i in _testable(films)]


def passes(film: Film, i: int, values: np.ndarray) -> bool:
    """Whether a map (GRID, GRID) passes as a map of finding `i`, with the covers that test it best."""
    return film.controls.best(i).elsewhere(values, i).chance <= CHANCE


def _testable(films: Sequence[Film]) -> list[tuple[Film, int]]:
    """The films with each finding that has a box and that covers can test."""
    return [(film, i) for film in films for i in film.findings if film.controls.best(i).testable(i)]


def _smooth(random: np.random.Generator, deviation: float) -> np.ndarray:
    noise = random.standard_normal((GRID, GRID))
    drawn: np.ndarray = cv2.GaussianBlur(noise, (0, 0), deviation, borderType=cv2.BORDER_REFLECT)
    return drawn


def _share(passed: Sequence[bool]) -> str:
    return f"{np.mean(passed):.2f} ({len(passed)})" if passed else "–"


if __name__ == "__main__":
    main()
