"""Training of the gate (`cxr_demo.films.gate`), which recognises upright frontal chest films, and its error rates.

The gate learns from films as they are, from the same films turned or inverted, and from pictures of other things. Error
rates come from cross-validation by patient: no network scores a picture that it saw, or a film of a patient that it
saw. Leaving out each kind of other pictures in turn estimates the error rate on unseen kinds.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import safetensors.torch
import torch
from sklearn.model_selection import GroupKFold
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from cxr_demo.errors import DataError, UnreadableImage
from cxr_demo.evaluation import metrics
from cxr_demo.films import gate, image
from cxr_demo.models import hub_cards
from train import greys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cxr_demo.films.label_tables import Films

FOLDS = 5
#: Kinds of other pictures that are frontal chest films too, and should pass.
PASSING = ("chest_other",)
#: The films that it is taught on, as a data set on the Hub.
NIH = "alkzar90/NIH-Chest-X-ray-dataset"
#: Defects by which the error rates on altered films are grouped.
TURNED, INVERTED = "turned left, right and over", "inverted, and perhaps turned as well"
#: Augmented copies of each film, and of each other picture; there are fewer of these.
COPIES, COPIES_OF_OTHERS = 3, 8
#: Turned or inverted versions of each copy of a film in the training data.
SPOILED = 3
NOISE = 60  # generated pictures
#: Loss weight of a picture to refuse, relative to one to pass. The gate refuses below even odds: a threshold that
#: refuses a fixed share of these films is too strict for other hospitals, whose films differ a little. It refused 10 to
#: 16 of 35 such films; even odds refused 0.
WEIGHT = 4.0
HIDDEN, EPOCHS, BATCH, RATE, DECAY, DROPOUT = 64, 15, 256, 2e-3, 0.05, 0.5


@dataclass(frozen=True, eq=False)
class Pictures:
    """Edge features (N, copies, 1 + corrections, bins) of N pictures.

    The first copy is not augmented. On the third axis, index 0 is the picture as it lies; index i is the picture as the
    i-th of image.CORRECTIONS would restore it.
    """

    edges: np.ndarray
    kinds: np.ndarray  # (N,) str
    groups: np.ndarray  # (N,) str: pictures of a group stay in one fold

    def chest(self) -> np.ndarray:
        """(N,) bool: pictures that should pass."""
        return np.isin(self.kinds, ("film", *PASSING))


class Gate(nn.Module):
    """Network from edge features (N, bins) to log-odds (N,); its parameters are named as gate.TENSORS."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(bins, HIDDEN), nn.Linear(HIDDEN, 1)

    def forward(self, edges: Tensor) -> Tensor:
        """Edge features (..., bins) -> log-odds (...)."""
        hidden = functional.dropout(functional.relu(self.hidden(edges)), DROPOUT, self.training)
        logits: Tensor = self.out(hidden)[..., 0]
        return logits


def fit(films: Films, others: Path, out: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Measure the gate by cross-validation, train it on all pictures, write `gate.safetensors` and `README.md`.

    `others` is a folder with labels.csv (file, kind) and images/. Returns the error rates that `card` shows. DataError
    if labels.csv lacks a column; unreadable pictures are reported to `say` and left out.
    """
    taught = _pictures(films, others, say)
    held = _scores_by_fold(taught)
    counts, rows = greys.histograms(films.paths)
    rates = {
        "films": len(films),
        "patients": len(set(films.patients)),
        "by_fold": _rates(taught, held),
        "never_taught": _never_taught(taught),
        "greys": _grey_rates(counts, films.patients[rows], others),
    }
    network = _fitted(taught, np.arange(len(taught.kinds)))
    out.mkdir(parents=True, exist_ok=True)
    tensors = {**network.state_dict(), gate.GREYS: torch.from_numpy(greys.limits(counts))}
    (out / gate.WEIGHTS.name).write_bytes(safetensors.torch.save(tensors))
    (out / "README.md").write_text(card(rates), encoding="utf-8")
    return rates


# ------------------------------------------------------------------ pictures


def _pictures(films: Films, others: Path, say: Callable[[str], None]) -> Pictures:
    """Edge features of the films, of the other pictures and of generated noise.

    Groups are patients for films, and single pictures otherwise. DataError if labels.csv is empty or lacks a column.
    """
    rng = np.random.default_rng(0)
    parts = []
    thumbs, rows = _read(films.paths, say)
    parts.append((thumbs, np.repeat("film", len(rows)), films.patients[rows].astype(str), COPIES))
    paths, kinds = _listed(others)
    thumbs, rows = _read(paths, say)
    kinds = kinds[rows]
    parts.append((thumbs, kinds, np.array([f"other {row}" for row in rows]), COPIES_OF_OTHERS))
    drawn = np.stack([noise(rng) for _ in range(NOISE)])
    parts.append((drawn, np.repeat("noise", NOISE), np.array([f"noise {n}" for n in range(NOISE)]), COPIES))
    most = max(COPIES, COPIES_OF_OTHERS)
    found = [_edges(thumbs, copies, most, rng) for thumbs, _, _, copies in parts]
    return Pictures(
        np.concatenate(found), np.concatenate([part[1] for part in parts]), np.concatenate([part[2] for part in parts])
    )


def _listed(others: Path) -> tuple[list[Path], np.ndarray]:
    """Paths of the other pictures and their kinds (n,) str; DataError if labels.csv is empty or lacks a column."""
    with (others / "labels.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    if not table or not {"file", "kind"} <= set(table[0]):
        raise DataError(f"{others / 'labels.csv'} needs the columns file and kind.")
    return [others / "images" / line["file"] for line in table], np.array([line["kind"] for line in table])


def _read(paths: Sequence[Path], say: Callable[[str], None]) -> tuple[np.ndarray, list[int]]:
    """Thumbnails (n, SIDE, SIDE) uint8 of the readable files and their indices."""
    thumbs, rows = [], []
    for row, path in enumerate(tqdm(paths, "reading", disable=None)):
        try:
            thumbs.append(gate.thumb(image.read(path)))
            rows.append(row)
        except UnreadableImage as error:
            say(str(error))
    return np.stack(thumbs), rows


def noise(rng: np.random.Generator) -> np.ndarray:
    """A random picture (SIDE, SIDE) uint8 without an object: a mix of grain, gradient and stripes."""
    side = gate.SIDE
    size = int(rng.choice([2, 4, 8, 16, 32, side]))
    grain = cv2.resize(rng.random((size, size)), (side, side), interpolation=int(rng.integers(2)))
    at = np.arange(side) / side
    slope = rng.normal() * at[:, None] + rng.normal() * at
    stripes = np.sin(2 * np.pi * (rng.uniform(-12, 12) * at[:, None] + rng.uniform(-12, 12) * at))
    values = rng.random(3)[:, None, None] * np.stack([grain, slope, stripes])
    found = values.sum(0)
    found = (found - found.min()) / np.ptp(found)
    drawn: np.ndarray = np.rint(found * 255).astype(np.uint8)
    return drawn


def changed(thumb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A thumbnail (SIDE, SIDE) uint8 with random augmentation.

    It imitates another patient, exposure, frame or machine, and mirrors half of the thumbnails.
    """
    side = len(thumb)
    how = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(-10, 10), 1)
    stretch = np.exp(rng.uniform(-0.3, 0.3) + rng.uniform(-0.15, 0.15, 2))  # the chests of children are wider
    how = stretch[:, None] * how
    how[:, 2] += (1 - stretch) * side / 2 + rng.uniform(-0.1, 0.1, 2) * side
    edge = float(rng.choice([0, 0, 128, 255]))
    moved = cv2.warpAffine(thumb, how, (side, side), borderMode=cv2.BORDER_CONSTANT, borderValue=edge)
    values = 255 * (moved / 255) ** np.exp(rng.uniform(-0.8, 0.8))
    if rng.random() < 0.5:
        values = cv2.GaussianBlur(values, (0, 0), rng.uniform(0.3, 1.2))
    if rng.random() < 0.5:
        values += rng.normal(size=values.shape) * rng.uniform(0, 8)
    for _ in range(rng.integers(4) if rng.random() < 0.3 else 0):  # lines and cables
        start, end = rng.integers(side, size=(2, 2)).tolist()
        cv2.line(values, start, end, float(rng.integers(150, 255)), 1)
    found: np.ndarray = np.rint(values.clip(0, 255)).astype(np.uint8)
    return found[:, ::-1] if rng.random() < 0.5 else found


def spoiled(thumbs: np.ndarray) -> list[np.ndarray]:
    """Thumbnails (n, SIDE, SIDE) as they are, then altered so that each of image.CORRECTIONS restores them."""
    found = [thumbs]
    for turns, inverted in image.CORRECTIONS.values():
        turned = np.rot90(thumbs, -turns, (1, 2))
        found.append(255 - turned if inverted else turned)
    return found


def _edges(thumbs: np.ndarray, copies: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """Edge features (n, 1 + most, 1 + corrections, bins) float16 of thumbnails and `copies` augmented copies.

    Copies beyond `copies` are nan.
    """
    bins = gate.CELLS**2 * gate.DIRECTIONS
    found = np.full((len(thumbs), 1 + most, 1 + len(image.CORRECTIONS), bins), np.nan, np.float16)
    for copy in range(1 + copies):
        shown = thumbs if copy == 0 else np.stack([changed(thumb, rng) for thumb in thumbs])
        for way, laid in enumerate(spoiled(shown)):
            found[:, copy, way] = gate.edges(np.ascontiguousarray(laid))
    return found


# ------------------------------------------------------------------ training and scoring


def _fitted(taught: Pictures, rows: np.ndarray, seed: int = 0) -> Gate:
    """A gate trained on the pictures `rows`, by weighted cross entropy with AdamW.

    Positives are upright chest films, negatives the same films altered and the other pictures. The first layer of the
    result includes the normalisation of the features.
    """
    rng = np.random.default_rng(seed)
    chest = taught.chest()[rows]
    good, bad = taught.edges[rows[chest]], taught.edges[rows[~chest]]
    ways = rng.permuted(np.tile(np.arange(1, good.shape[2]), (*good.shape[:2], 1)), axis=2)[..., :SPOILED]
    lying_wrong = np.take_along_axis(good, ways[..., None], 2)
    _, kind, many = np.unique(taught.kinds[rows[~chest]], return_inverse=True, return_counts=True)
    alike = many.mean() / many[kind]  # all kinds of other pictures have the same total weight
    parts = [
        (good[:, :, 0], 1.0, np.ones(len(good))),
        (lying_wrong, 0.0, np.full(len(good), WEIGHT)),
        (bad, 0.0, WEIGHT * alike),
    ]
    x, y, weight = (torch.from_numpy(np.concatenate(column)) for column in zip(*map(_flat, parts), strict=True))
    torch.manual_seed(seed)
    network = Gate(x.shape[1])
    mean, spread = x.mean(0), x.std(0) + 1e-3
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for some in torch.randperm(len(x)).split(BATCH):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            logits = network((x[some] - mean) / spread)
            loss = functional.binary_cross_entropy_with_logits(logits, y[some], weight[some])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    with torch.no_grad():  # the gate gets features without normalisation
        network.hidden.weight.div_(spread)
        network.hidden.bias.sub_(network.hidden.weight @ mean)
    return network.eval()


def _flat(part: tuple[np.ndarray, float, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (M, bins), targets (M,) and weights (M,) of a part, with a row per copy; missing copies are dropped.

    A part is edge features (N, ..., bins), the target of all of them, and a weight (N,) per picture.
    """
    edges, target, weights = part
    rows = edges.reshape(-1, edges.shape[-1])
    there = ~np.isnan(rows[:, 0])
    counts = np.repeat(weights, len(rows) // max(1, len(edges)))[there]
    return rows[there].astype(np.float32), np.full(there.sum(), target, np.float32), counts.astype(np.float32)


@torch.no_grad()
def _scored(network: Gate, edges: np.ndarray) -> np.ndarray:
    """Log-odds (...) of edge features (..., bins)."""
    found: np.ndarray = network(torch.from_numpy(edges.astype(np.float32))).numpy()
    return found


def _scores_by_fold(taught: Pictures) -> np.ndarray:
    """Log-odds (N, 1 + corrections) of the pictures without augmentation, by networks of the other folds."""
    found = np.empty((len(taught.kinds), taught.edges.shape[2]))
    for teach, judge in GroupKFold(FOLDS, shuffle=True, random_state=0).split(taught.kinds, groups=taught.groups):
        found[judge] = _scored(_fitted(taught, teach), taught.edges[judge, 0])
    return found


def _rates(taught: Pictures, scores: np.ndarray) -> dict[str, Any]:
    """Counts with 95 % intervals, by kind of picture and by defect.

    For a kind: the pictures refused. For a defect: the films that are refused and offered the right correction.
    """
    found: dict[str, Any] = {}
    for kind in sorted(set(taught.kinds)):
        found[kind] = _share(scores[taught.kinds == kind, 0] < 0, taught.groups[taught.kinds == kind])
    films = taught.kinds == "film"
    # correcting an altered film yields the same set of orientations, so the upright one must score highest
    offered = (scores[films].argmax(1) == 0) & (scores[films, 0] >= 0)
    for kind, inverted in ((TURNED, False), (INVERTED, True)):
        ways = [way for way, (_, inverts) in enumerate(image.CORRECTIONS.values(), 1) if inverts == inverted]
        found[kind] = _share((scores[films][:, ways] < 0).all(1) & offered, taught.groups[films])
    return found


def _never_taught(taught: Pictures) -> dict[str, Any]:
    """Counts of refused pictures by kind, each by a gate trained without that kind."""
    found = {}
    rows = np.arange(len(taught.kinds))
    for kind in sorted(set(taught.kinds) - {"film"}):
        network = _fitted(taught, rows[taught.kinds != kind])
        of_kind = taught.kinds == kind
        found[kind] = _share(_scored(network, taught.edges[of_kind, 0, 0]) < 0, taught.groups[of_kind])
    return found


def _grey_rates(counts: np.ndarray, patients: np.ndarray, others: Path) -> dict[str, Any]:
    """Counts with 95 % intervals of films with unusual grey values, by the keys of `greys.unusual`.

    `counts` (N, LEVELS) are histograms of films of the `patients` (N,).
    """
    paths, kinds = _listed(others)
    passing, rows = greys.histograms([path for path, kind in zip(paths, kinds, strict=True) if kind in PASSING])
    found = greys.unusual(counts, patients, passing)
    groups = {"other": rows}
    return {name: _share(hits, groups.get(name, patients)) for name, hits in found.items() if len(hits)}


def _share(hits: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    low, high = metrics.interval(metrics.bootstrap(lambda rows: hits[rows].mean(), groups))
    return {"hits": int(hits.sum()), "of": len(hits), "low": round(float(low), 4), "high": round(float(high), 4)}


# ------------------------------------------------------------------ the card


def card(rates: dict[str, Any]) -> str:
    """README of the gate with front matter for the Hub: its training data and tables of its error rates.

    `rates` are those of `fit`.
    """
    by_fold, never = rates["by_fold"], rates["never_taught"]

    def line(name: str, found: dict[str, float]) -> str:
        share = found["hits"] / found["of"]
        return (
            f"| {name} | {found['hits']:,} of {found['of']:,} | {share:.1%} [{found['low']:.1%}, {found['high']:.1%}] |"
        )

    lines = [
        "# The gate",
        "",
        "Says whether a picture is a frontal chest X-ray that lies upright (`cxr_demo/films/gate.py`). Taught and",
        "measured by `python -m train gate`; no picture is judged by a network that saw it, or another film of its",
        "patient. Intervals: 95 %, by patient.",
        "",
        f"Learned from {rates['films']:,} films of {rates['patients']:,} patients (NIH ChestX-ray14), the same turned",
        "and inverted, and other pictures by kind.",
        "",
        "| frontal chest films, refused | | |",
        "|---|---|---|",
        *(line(kind, by_fold[kind]) for kind in ("film", *PASSING) if kind in by_fold),
        "",
        "| films that lie wrong, recognised and offered the right correction | | |",
        "|---|---|---|",
        *(line(kind, by_fold[kind]) for kind in (TURNED, INVERTED)),
        "",
        "| other pictures, refused | | |",
        "|---|---|---|",
        *(line(kind, found) for kind, found in by_fold.items() if kind in never and kind not in PASSING),
        "",
        "Taught without any picture of the kind, a guess about kinds that nobody thought of:",
        "",
        "| kind, refused | | |",
        "|---|---|---|",
        *(line(kind, found) for kind, found in never.items()),
        "",
        *_grey_lines(rates["greys"], line),
        "What it cannot: tell a film from its mirror image, or a film of a chest from a drawing of one. It looks at a",
        "thumbnail of 64 pixels: small things do not count.",
    ]
    return hub_cards.joined(hub_cards.of_weights("apache-2.0", [NIH]), "\n".join(lines) + "\n")


def _grey_lines(rates: dict[str, Any], line: Callable[[str, dict[str, float]], str]) -> list[str]:
    """Lines of the card about grey values; `rates` are those of `_grey_rates`, `line` formats a row of a table."""
    defects = {name: found for name, found in rates.items() if name not in ("film", "other")}
    return [
        "## Grey values",
        "",
        "A film that passes is warned of if its grey values are unusual (`cxr_demo/films/greys.py`): the file may have",
        "been read wrongly. Limits of seven quantiles and of the number of grey levels come from the films; those that",
        "judge a film come from other patients.",
        "",
        "| good films, warned of | | |",
        "|---|---|---|",
        *(line(kind, rates[name]) for name, kind in (("film", "film"), ("other", PASSING[0])) if name in rates),
        "",
        "| films altered on purpose, warned of | | |",
        "|---|---|---|",
        *(line(name, found) for name, found in defects.items()),
        "",
    ]
