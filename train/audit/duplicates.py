"""Films that are in the collection twice, whatever was done to the second.

Found: the same pixels; copies compressed again, resized, with other contrast, mirrored, inverted, turned by
quarters. Missed: copies cut by more than about 1 % or turned by a degree, which move too many bits of the hash.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.stats import rankdata

from cxr_demo.films.gate import SIDE
from train.audit.base import Check, Finding, Severity, Subject, Suspect
from train.audit.thumbs import TURNED, Looks, inverted, look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from train.audit.thumbs import Undo

#: Bits of 256 in which hashes of copies may differ. Copies stay within 12; films of two patients differ in 17 or more
#: (4 million pairs of ChestX-ray14), which 64 bits would not tell apart.
MOST_BITS = 12
#: Correlation that makes a candidate a copy: copies reach .99, different patients' films .95.
LIKENESS = 0.98


def _inverting(undo: Undo) -> Undo:
    return lambda thumbs: inverted(undo(thumbs))


#: What may have been done to a copy: applied to its thumbnail, it undoes it.
UNDO: dict[str, Undo] = {"": lambda thumbs: thumbs, **TURNED, "inverted": inverted}
UNDO |= {f"{name} and inverted": _inverting(undo) for name, undo in TURNED.items()}

#: Bits set in each number of 16 bits; numpy 1 cannot count them.
ONES = np.unpackbits(np.arange(1 << 16, dtype=">u2").view(np.uint8)).reshape(-1, 16).sum(1, dtype=np.uint8)
#: Pairs compared at a time.
BLOCK = 1 << 20


@dataclass(frozen=True)
class Copy:
    """A film and its copy."""

    film: int  # the later row of Films
    other: int
    how: str  # a key of UNDO
    likeness: float  # correlation of their thumbnails, of grey values or of their ranks; 1 at least
    exact: bool  # the same pixels


def copies(subject: Subject) -> Iterator[Finding]:
    """Copies across splits, across patients and within a patient; then those whose labels differ."""
    if not subject.has_files:
        return
    found = find(look(subject.films))
    places = {copy: _place(subject, copy) for copy in found}
    for id_, (severity, title, advice) in PLACES.items():
        there = [copy for copy in found if places[copy] == id_]
        if there:
            yield _finding(id_, severity, title, advice, there, [_suspect(subject, copy) for copy in there])
    for id_, (severity, title, advice) in CONFLICTS.items():
        differ = {
            copy: _conflicts(subject, copy) for copy in found if copy.exact == (id_ == "same-pixels-other-labels")
        }
        suspects = [_suspect(subject, copy, label) for copy, labels in differ.items() for label in labels]
        if suspects:
            yield _finding(id_, severity, title, advice, [copy for copy in differ if differ[copy]], suspects)


CHECKS: tuple[Check, ...] = (copies,)

#: Where a copy lies, the worst first.
PLACES = {
    "copies-across-splits": (
        Severity.ERROR,
        "{n} films are copies of films in another split",
        "Leave them out of one of the splits: a model would be tested on what it was trained on.",
    ),
    "copies-across-patients": (
        Severity.ERROR,
        "{n} films are copies of another patient's films",
        "Find out whose they are, or leave them out: a split by patient would not keep them together.",
    ),
    "copies-of-one-patient": (
        Severity.INFO,
        "{n} films are copies of another film of the same patient",
        "Keep one of each: the others count the same evidence again.",
    ),
}
CONFLICTS = {
    "same-pixels-other-labels": (
        Severity.ERROR,
        "{n} films have the same pixels as another, and other labels",
        "Correct the labels, or leave these films out: they cannot both be right.",
    ),
    "copies-other-labels": (
        Severity.WARNING,
        "{n} films are altered copies of another, with other labels",
        "Correct the labels, or leave these films out.",
    ),
}


def _finding(
    id_: str, severity: Severity, title: str, advice: str, found: list[Copy], suspects: list[Suspect]
) -> Finding:
    n = len({copy.film for copy in found})
    done = Counter("the same pixels" if copy.exact else copy.how or "altered" for copy in found)
    said = ", ".join(f"{how} {count}" for how, count in done.most_common())
    figures = {"films": n, "pairs": dict(done.most_common())}
    return Finding(id_, severity, f"{title.format(n=n)} ({said}).", advice, figures, tuple(suspects))


def _place(subject: Subject, copy: Copy) -> str:
    if subject.split is not None and subject.split[copy.film] != subject.split[copy.other]:
        return "copies-across-splits"
    patients = subject.films.patients
    return "copies-across-patients" if patients[copy.film] != patients[copy.other] else "copies-of-one-patient"


def _conflicts(subject: Subject, copy: Copy) -> list[str]:
    """The labels that both films have, and that differ."""
    ours, theirs = subject.films.targets[[copy.film, copy.other]]
    return [label for label, a, b in zip(subject.films.labels, ours, theirs, strict=True) if abs(a - b) > 0]


def _suspect(subject: Subject, copy: Copy, label: str | None = None) -> Suspect:
    films, other = subject.films, copy.other
    what = "Has the same pixels as" if copy.exact else f"Looks like a copy{copy.how and ', ' + copy.how + ','} of"
    of = (
        "the same patient" if films.patients[copy.film] == films.patients[other] else f"patient {films.patients[other]}"
    )
    reason = f"{what} {films.paths[other].name} of {of} (correlation {copy.likeness:.3f})"
    if label is not None:
        ours, theirs = films.targets[[copy.film, other], films.labels.index(label)]
        reason += f", but {label} is {ours:g} here and {theirs:g} there"
    return Suspect(copy.film, label, f"{reason}.", copy.likeness, other)


# ------------------------------------------------------------------ finding them


def find(looks: Looks) -> list[Copy]:
    """All copies, by film. Of films with the same pixels, only the first is compared with others."""
    rows = np.flatnonzero(looks.readable)
    _, firsts, group = np.unique(looks.digests[rows], return_index=True, return_inverse=True)
    exact = [Copy(int(row), int(rows[firsts[g]]), "", 1.0, True) for row, g in zip(rows, group, strict=True)]
    single = rows[np.sort(firsts)]
    near = [
        Copy(int(single[film]), int(single[other]), how, likeness, False)
        for (film, other), (likeness, how) in _altered(looks.thumbs[single]).items()
    ]
    return sorted([c for c in exact if c.film != c.other] + near, key=lambda copy: (copy.film, copy.other))


def _altered(thumbs: np.ndarray) -> dict[tuple[int, int], tuple[float, str]]:
    """Pairs (later row, earlier row) of copies -> how alike they are, and what was done."""
    ours = hashes(thumbs)
    found: dict[tuple[int, int], tuple[float, str]] = {}
    for how, undo in UNDO.items():
        pairs = candidates(ours, hashes(undo(thumbs)))
        for i, j, like in zip(*pairs.T, likeness(thumbs[pairs[:, 0]], undo(thumbs[pairs[:, 1]])), strict=True):
            if like >= LIKENESS and like > found.get((j, i), (0.0, ""))[0]:
                found[int(j), int(i)] = (float(like), how)
    return found


def hashes(thumbs: np.ndarray) -> np.ndarray:
    """Difference hashes (N, 256) bool of thumbnails: is it brighter to the right, on a grid of 16 x 17 (Krawetz 2013).

    Neither size nor compression changes much of it, and a change of contrast nothing but what it saturates.
    """
    down, across = (
        cv2.resize(np.eye(SIDE, dtype=np.float32), (SIDE, n), interpolation=cv2.INTER_AREA) for n in (16, 17)
    )
    bits = np.empty((len(thumbs), 16, 16), bool)
    for start in range(0, len(thumbs), 4096):
        block = slice(start, start + 4096)
        grid = down @ thumbs[block].astype(np.float32) @ across.T
        bits[block] = grid[:, :, 1:] > grid[:, :, :-1]
    return bits.reshape(len(thumbs), 256)


def candidates(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """All pairs (P, 2) of a row i of `ours` and a later row j of `theirs` that differ in at most MOST_BITS bits.

    Exact, by multi-index hashing (Norouzi et al. 2012): of MOST_BITS + 1 bands at least one must be equal. The
    bits are dealt to bands at random, because neighbours on a film agree, and would fill few buckets with all films.
    """
    packed, other = (np.packbits(bits, axis=1).view(np.uint16) for bits in (ours, theirs))
    found = [np.empty((0, 2), np.int64)]
    for band in np.array_split(np.random.default_rng(0).permutation(ours.shape[1]), MOST_BITS + 1):
        weights = 1 << np.arange(len(band), dtype=np.int32)
        for i, j in _equal(ours[:, band] @ weights, theirs[:, band] @ weights):
            near = ONES[packed[i] ^ other[j]].sum(1) <= MOST_BITS
            found.append(np.column_stack([i[near], j[near]]))
    return np.unique(np.concatenate(found), axis=0)


def _equal(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All i < j with a[i] == b[j], about BLOCK candidates at a time."""
    order = a.argsort(kind="stable")
    first, end = (np.searchsorted(a[order], b, side) for side in ("left", "right"))
    until = (end - first).cumsum()
    for rows in np.split(np.arange(len(b)), np.searchsorted(until, np.arange(BLOCK, until.max(initial=0), BLOCK))):
        counts = (end - first)[rows]
        j = rows.repeat(counts)
        # 0, 1, 2 ... within each row's run
        place = np.arange(len(j)) - (counts.cumsum() - counts).repeat(counts)
        i = order[first[j] + place]
        yield i[i < j], j[i < j]


def likeness(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Correlation (P,) of thumbnails (P, SIDE, SIDE), of their grey values or of their ranks, whichever is higher.

    Ranks do not change with contrast, grey values less with noise where the film is black; nan if one has no contrast.
    """
    return np.array(
        [max(_correlation(*pair), _correlation(*map(rankdata, pair))) for pair in zip(ours, theirs, strict=True)]
    )


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (x.ravel() - x.mean() for x in (a, b))
    return float(a @ b / np.sqrt(max((a @ a) * (b @ b), 1e-12)))
