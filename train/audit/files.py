"""Files that cannot be read, hold next to nothing, or are stored unlike the others."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.films.image import DETAILED_SIDE
from train.audit.base import Check, Finding, Severity, Subject, Suspect
from train.audit.thumbs import look

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Standard deviation of a thumbnail's grey values (0 to 255) below which nothing is seen; films have 24 and more.
FLAT = 8.0
#: How many times the median width or height is out of the ordinary.
UNUSUAL = 2.0


def unreadable(subject: Subject) -> Iterator[Finding]:
    """Files that the reader refuses: cut off, damaged, empty, no film at all."""
    if not subject.has_files:
        return
    faults = look(subject.films).faults
    suspects = tuple(Suspect(int(i), None, str(faults[i])) for i in np.flatnonzero(faults != ""))
    if suspects:
        title = f"{len(suspects)} of {len(faults)} files cannot be read, first: {suspects[0].reason}"
        advice = "Fetch these files again, or take their lines out of the table."
        yield Finding("unreadable-files", Severity.ERROR, title, advice, {"films": len(suspects)}, suspects)


def flat(subject: Subject) -> Iterator[Finding]:
    """Films that are nearly of one grey."""
    if not subject.has_files:
        return
    looks = look(subject.films)
    spread = looks.thumbs.std((1, 2), dtype=np.float32)
    suspects = tuple(
        Suspect(int(i), None, f"Its grey values spread by {spread[i]:.1f} of 255 only.", FLAT - float(spread[i]))
        for i in np.flatnonzero(looks.readable & (spread < FLAT))
    )
    if suspects:
        title = f"{len(suspects)} films are nearly of one grey."
        advice = "Look whether they are films at all, and leave out those that are not."
        yield Finding("flat-films", Severity.WARNING, title, advice, {"films": len(suspects)}, suspects)


def kinds(subject: Subject) -> Iterator[Finding]:
    """Formats, colours and depths, where they are mixed: a model learns which collection a film came from."""
    if not subject.has_files:
        return
    looks = look(subject.films)
    counts = dict(Counter(looks.kinds[looks.readable].tolist()).most_common())
    if len(counts) < 2:
        return
    usual = next(iter(counts))
    suspects = tuple(
        Suspect(int(i), None, f"It is stored as {looks.kinds[i]}, most as {usual}.")
        for i in np.flatnonzero(looks.readable & (looks.kinds != usual))
    )
    said = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    # what is not plain grey of 8 bits is converted, and conversions leave traces
    severity = Severity.WARNING if any(kind.split()[-1] != "L" for kind in counts) else Severity.INFO
    title = f"Files are stored in {len(counts)} ways: {said}."
    advice = "See that labels do not go with the way of storing; save all alike if they do."
    yield Finding("mixed-files", severity, title, advice, {"kinds": counts}, suspects)


def small(subject: Subject) -> Iterator[Finding]:
    """Films with less detail than models are trained on, by the collection they come from."""
    if not subject.has_files:
        return
    looks, sources = look(subject.films), subject.films.sources
    side = looks.sizes.min(1)
    rows = np.flatnonzero(looks.readable & (side < DETAILED_SIDE))
    if not len(rows):
        return
    by_source = [
        {"source": str(source), "small": int((sources[rows] == source).sum()), "films": int((sources == source).sum())}
        for source in np.unique(sources[rows])
    ]
    said = ", ".join(f"{row['small']} of {row['films']} of {row['source'] or 'no named source'}" for row in by_source)
    title = f"{len(rows)} films have fewer than {DETAILED_SIDE} pixels on a side: {said}."
    advice = "Leave them out, or report figures without them: small findings are lost, and blur tells the source."
    suspects = tuple(
        Suspect(int(i), None, f"It has {looks.sizes[i, 1]} x {looks.sizes[i, 0]} pixels.", 1 / float(side[i]))
        for i in rows
    )
    figures = {"films": len(rows), "sources": by_source}
    yield Finding("small-films", Severity.WARNING, title, advice, figures, suspects)


def unusual(subject: Subject) -> Iterator[Finding]:
    """Films of another size or shape than the rest; small ones are told of by themselves."""
    if not subject.has_files:
        return
    looks = look(subject.films)
    sizes = looks.sizes[looks.readable]
    if not len(sizes):
        return
    median = np.median(sizes, axis=0)
    times = np.abs(np.log(np.maximum(looks.sizes, 1) / median)).max(1)
    odd = looks.readable & (times > np.log(UNUSUAL)) & (looks.sizes.min(1) >= DETAILED_SIDE)
    suspects = tuple(
        Suspect(int(i), None, f"It has {looks.sizes[i, 1]} x {looks.sizes[i, 0]} pixels.", float(times[i]))
        for i in np.flatnonzero(odd)
    )
    if suspects:
        usual = f"{median[1]:g} x {median[0]:g}"
        title = f"{len(suspects)} films are over {UNUSUAL:g} times as large or small as the usual {usual} pixels."
        advice = "Look at a few: another size often means another origin, or no film at all."
        yield Finding("unusual-sizes", Severity.INFO, title, advice, {"films": len(suspects), "usual": usual}, suspects)


CHECKS: tuple[Check, ...] = (unreadable, flat, kinds, small, unusual)
