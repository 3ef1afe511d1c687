"""Duplicate films, found by pixels, perceptual hashes and correlation of thumbnails.

It finds equal pixels and copies that were recompressed, resized, mirrored, inverted, rotated by quarter turns or
changed in contrast. It misses copies cropped by more than about 1 % or rotated by a degree, which change too many bits
of the hash.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.stats import rankdata

from cxr_demo.films.gate import SIDE
from train.audit.base import Check, Finding, Severity, Subject, Suspect
from train.audit.thumbs import TURNED, inverted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from train.audit.thumbs import Undo
    from train.cache import Decoded

#: Most bits of 256 by which hashes of copies differ. Copies differ by up to 12, films of two patients by 17 or more (4
#: million pairs of ChestX-ray14); hashes of 64 bits do not separate the two.
MOST_BITS = 12
#: Least correlation of copies: copies reach 0.99, films of different patients 0.95.
LIKENESS = 0.98


def _inverting(undo: Undo) -> Undo:
    """The transform followed by an inversion."""
    return lambda thumbs: inverted(undo(thumbs))


#: Alterations of a copy, each with the transform of thumbnails that undoes it.
UNDO: dict[str, Undo] = {"": lambda thumbs: thumbs, **TURNED, "inverted": inverted}
UNDO |= {f"{name} and inverted": _inverting(undo) for name, undo in TURNED.items()}

#: Number of set bits of each 16-bit number; numpy 1 has no function for it.
ONES = np.unpackbits(np.arange(1 << 16, dtype=">u2").view(np.uint8)).reshape(-1, 16).sum(1, dtype=np.uint8)
#: Number of pairs compared at a time.
BLOCK = 1 << 20


@dataclass(frozen=True)
class Copy:
    """A film and the film that it duplicates."""

    film: int  # index of the film to leave out: the smaller one, or else the later one
    other: int  # index of the film to keep
    how: str  # a key of UNDO
    likeness: float  # see `likeness`
    exact: bool  # equal pixels


def copies(subject: Subject) -> Iterator[Finding]:
    """Copies across splits, across patients and within a patient, then copies with different labels."""
    if subject.decoded is None:
        return
    found = find(subject.decoded)
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

#: Findings by the place of a copy, the most severe first.
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
        "Keep the larger of each, and leave out those listed: they count the same evidence again.",
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
    """A finding about copies, with counts by kind of alteration."""
    n = len({copy.film for copy in found})
    done = Counter("the same pixels" if copy.exact else copy.how or "altered" for copy in found)
    said = ", ".join(f"{how} {count}" for how, count in done.most_common())
    figures = {"films": n, "pairs": dict(done.most_common())}
    return Finding(id_, severity, f"{title.format(n=n)} ({said}).", advice, figures, tuple(suspects))


def _place(subject: Subject, copy: Copy) -> str:
    """A key of PLACES for a copy: across splits, across patients, or of one patient."""
    if subject.split is not None and subject.split[copy.film] != subject.split[copy.other]:
        return "copies-across-splits"
    patients = subject.films.patients
    return "copies-across-patients" if patients[copy.film] != patients[copy.other] else "copies-of-one-patient"


def _conflicts(subject: Subject, copy: Copy) -> list[str]:
    """Labels that are known for both films and differ."""
    ours, theirs = subject.films.targets[[copy.film, copy.other]]
    return [label for label, a, b in zip(subject.films.labels, ours, theirs, strict=True) if abs(a - b) > 0]


def _suspect(subject: Subject, copy: Copy, label: str | None = None) -> Suspect:
    """The film to leave out as suspect, or one of its labels."""
    films, other = subject.films, copy.other
    what = "Has the same pixels as" if copy.exact else f"Looks like a copy{copy.how and ', ' + copy.how + ','} of"
    of = (
        "the same patient" if films.patients[copy.film] == films.patients[other] else f"patient {films.patients[other]}"
    )
    reason = f"{what} {films.names[other]} of {of} (correlation {copy.likeness:.3f})"
    if label is not None:
        ours, theirs = films.targets[[copy.film, other], films.labels.index(label)]
        reason += f", but {label} is {ours:g} here and {theirs:g} there"
    return Suspect(copy.film, label, f"{reason}.", copy.likeness, other)


# ------------------------------------------------------------------ search


def find(decoded: Decoded) -> list[Copy]:
    """All copies, sorted by film; of films with equal pixels only the first is compared with the others."""
    rows = np.flatnonzero(decoded.readable)
    _, firsts, group = np.unique(decoded.digests[rows], return_index=True, return_inverse=True)
    exact = [Copy(int(row), int(rows[firsts[g]]), "", 1.0, True) for row, g in zip(rows, group, strict=True)]
    single = rows[np.sort(firsts)]
    near = [
        Copy(int(single[film]), int(single[other]), how, likeness, False)
        for (film, other), (likeness, how) in _altered(decoded.thumbs[single]).items()
    ]
    found = [c for c in exact if c.film != c.other] + [_larger_kept(copy, decoded.sizes) for copy in near]
    return sorted(found, key=lambda copy: (copy.film, copy.other))


def _larger_kept(copy: Copy, sizes: np.ndarray) -> Copy:
    """The copy with the larger film as the one to keep, unless one is turned against the other."""
    ours, theirs = sizes[[copy.film, copy.other]].astype(np.int64).prod(1)
    swap = not copy.how and ours > theirs
    return replace(copy, film=copy.other, other=copy.film) if swap else copy


def _altered(thumbs: np.ndarray) -> dict[tuple[int, int], tuple[float, str]]:
    """Altered copies among thumbnails: (later row, earlier row) -> (correlation, key of UNDO)."""
    ours = hashes(thumbs)
    found: dict[tuple[int, int], tuple[float, str]] = {}
    for how, undo in UNDO.items():
        pairs = candidates(ours, hashes(undo(thumbs)))
        for i, j, like in zip(*pairs.T, likeness(thumbs[pairs[:, 0]], undo(thumbs[pairs[:, 1]])), strict=True):
            if like >= LIKENESS and like > found.get((j, i), (0.0, ""))[0]:
                found[int(j), int(i)] = (float(like), how)
    return found


def hashes(thumbs: np.ndarray) -> np.ndarray:
    """Difference hashes (N, 256) bool of thumbnails (N, SIDE, SIDE), on a grid of 16 x 17 (Krawetz 2013).

    A bit is 1 where the grey value rises to the right. Size and compression change few bits, contrast only those of
    saturated areas.
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

    Hashes (N, 256) bool. Exact, by multi-index hashing (Norouzi et al. 2012): at least one of MOST_BITS + 1 bands of
    bits must be equal. Bits are assigned to bands at random, because neighbouring bits agree in most films and would
    put all films into a few buckets.
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
    """All i < j with a[i] == b[j], in arrays of about BLOCK candidates."""
    order = a.argsort(kind="stable")
    first, end = (np.searchsorted(a[order], b, side) for side in ("left", "right"))
    until = (end - first).cumsum()
    for rows in np.split(np.arange(len(b)), np.searchsorted(until, np.arange(BLOCK, until.max(initial=0), BLOCK))):
        counts = (end - first)[rows]
        j = rows.repeat(counts)
        # 0, 1, 2 ... within the candidates of each row
        place = np.arange(len(j)) - (counts.cumsum() - counts).repeat(counts)
        i = order[first[j] + place]
        yield i[i < j], j[i < j]


def likeness(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Correlation (P,) of pairs of thumbnails (P, SIDE, SIDE): of grey values or of ranks, whichever is higher.

    Ranks are invariant to contrast; grey values are less sensitive to noise in black areas. A constant thumbnail has 0.
    """
    return np.array(
        [max(_correlation(*pair), _correlation(*map(rankdata, pair))) for pair in zip(ours, theirs, strict=True)]
    )


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation of two arrays; 0 if one is constant."""
    a, b = (x.ravel() - x.mean() for x in (a, b))
    return float(a @ b / np.sqrt(max((a @ a) * (b @ b), 1e-12)))
