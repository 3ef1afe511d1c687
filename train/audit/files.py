"""Files that are unreadable, perhaps read wrongly, nearly constant, or stored unlike the others."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.films.image import DETAILED_SIDE
from train.audit.base import UNNAMED, Check, Finding, Severity, Subject, Suspect

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Least standard deviation of a thumbnail's grey values (0 to 255); films have 24 and more.
FLAT = 8.0
#: Factor to the median width or height from which a size is unusual.
UNUSUAL = 2.0


def unreadable(subject: Subject) -> Iterator[Finding]:
    """Files that the reader rejects: truncated, damaged, empty, or not a film.

    An error, with one suspect per file and the reader's message as its reason.
    """
    if subject.decoded is None:
        return
    faults = subject.decoded.faults
    suspects = _suspects(faults)
    if suspects:
        title = f"{len(suspects)} of {len(faults)} files cannot be read, first: {suspects[0].reason}"
        advice = "Fetch these files again, or take their lines out of the table."
        yield Finding("unreadable-files", Severity.ERROR, title, advice, {"films": len(suspects)}, suspects)


def doubtful(subject: Subject) -> Iterator[Finding]:
    """Films whose grey values may be wrong: the reader had to guess them, or they are unusual.

    A warning, with one suspect per film and the reader's warnings as its reason.
    """
    if subject.decoded is None:
        return
    suspects = _suspects(subject.decoded.warnings)
    if suspects:
        names = subject.films.names
        files = [{"file": str(names[suspect.film]), "warnings": suspect.reason} for suspect in suspects]
        title = f"{len(suspects)} films may have been read wrongly, first {files[0]['file']}: {suspects[0].reason}"
        advice = "Compare them with a viewer; save those that differ as PNG there, or leave them out."
        figures = {"films": len(suspects), "files": files}
        yield Finding("doubtful-films", Severity.WARNING, title, advice, figures, suspects)


def _suspects(reasons: np.ndarray) -> tuple[Suspect, ...]:
    """The films with a reason (N,) str that is not empty."""
    return tuple(Suspect(int(i), None, str(reasons[i])) for i in np.flatnonzero(reasons != ""))


def flat(subject: Subject) -> Iterator[Finding]:
    """Films whose grey values vary by less than FLAT (standard deviation).

    A warning, with the most uniform films as the most suspect.
    """
    if subject.decoded is None:
        return
    decoded = subject.decoded
    spread = decoded.thumbs.std((1, 2), dtype=np.float32)
    suspects = tuple(
        Suspect(int(i), None, f"Its grey values spread by {spread[i]:.1f} of 255 only.", FLAT - float(spread[i]))
        for i in np.flatnonzero(decoded.readable & (spread < FLAT))
    )
    if suspects:
        title = f"{len(suspects)} films are nearly of one grey."
        advice = "Look whether they are films at all, and leave out those that are not."
        yield Finding("flat-films", Severity.WARNING, title, advice, {"films": len(suspects)}, suspects)


def kinds(subject: Subject) -> Iterator[Finding]:
    """Mixed formats, colour modes and bit depths, from which a model can learn a film's source.

    A warning if any file is not an 8-bit grey picture, otherwise a note. Suspects are the files of all kinds but the
    most frequent one.
    """
    if subject.decoded is None:
        return
    decoded = subject.decoded
    counts = dict(Counter(decoded.kinds[decoded.readable].tolist()).most_common())
    if len(counts) < 2:
        return
    usual = next(iter(counts))
    suspects = tuple(
        Suspect(int(i), None, f"It is stored as {decoded.kinds[i]}, most as {usual}.")
        for i in np.flatnonzero(decoded.readable & (decoded.kinds != usual))
    )
    said = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    # other modes than 8-bit grey are converted, and conversion leaves traces
    severity = Severity.WARNING if any(kind.split()[-1] != "L" for kind in counts) else Severity.INFO
    title = f"Files are stored in {len(counts)} ways: {said}."
    advice = "See that labels do not go with the way of storing; save all alike if they do."
    yield Finding("mixed-files", severity, title, advice, {"kinds": counts}, suspects)


def small(subject: Subject) -> Iterator[Finding]:
    """Films with less detail than models are trained on, counted by source.

    A warning about films with fewer than DETAILED_SIDE pixels on their shorter side.
    """
    if subject.decoded is None:
        return
    decoded, sources = subject.decoded, subject.films.sources
    side = decoded.sizes.min(1)
    rows = np.flatnonzero(decoded.readable & (side < DETAILED_SIDE))
    if not len(rows):
        return
    by_source = [
        {"source": str(source), "small": int((sources[rows] == source).sum()), "films": int((sources == source).sum())}
        for source in np.unique(sources[rows])
    ]
    said = ", ".join(f"{row['small']} of {row['films']} of {row['source'] or UNNAMED}" for row in by_source)
    title = f"{len(rows)} films have fewer than {DETAILED_SIDE} pixels on a side: {said}."
    advice = "Leave them out, or report figures without them: small findings are lost, and blur tells the source."
    suspects = tuple(
        Suspect(int(i), None, f"It has {decoded.sizes[i, 1]} x {decoded.sizes[i, 0]} pixels.", 1 / float(side[i]))
        for i in rows
    )
    figures = {"films": len(rows), "sources": by_source}
    yield Finding("small-films", Severity.WARNING, title, advice, figures, suspects)


def unusual(subject: Subject) -> Iterator[Finding]:
    """Films whose width or height differs from the median by more than the factor UNUSUAL.

    A note; `small` reports the films below DETAILED_SIDE.
    """
    if subject.decoded is None:
        return
    decoded = subject.decoded
    sizes = decoded.sizes[decoded.readable]
    if not len(sizes):
        return
    median = np.median(sizes, axis=0)
    times = np.abs(np.log(np.maximum(decoded.sizes, 1) / median)).max(1)
    odd = decoded.readable & (times > np.log(UNUSUAL)) & (decoded.sizes.min(1) >= DETAILED_SIDE)
    suspects = tuple(
        Suspect(int(i), None, f"It has {decoded.sizes[i, 1]} x {decoded.sizes[i, 0]} pixels.", float(times[i]))
        for i in np.flatnonzero(odd)
    )
    if suspects:
        usual = f"{median[1]:g} x {median[0]:g}"
        title = f"{len(suspects)} films are over {UNUSUAL:g} times as large or small as the usual {usual} pixels."
        advice = "Look at a few: another size often means another origin, or no film at all."
        yield Finding("unusual-sizes", Severity.INFO, title, advice, {"films": len(suspects), "usual": usual}, suspects)


CHECKS: tuple[Check, ...] = (unreadable, doubtful, flat, kinds, small, unusual)
