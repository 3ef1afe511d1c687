"""The audit as one screen of text, and as JSON values."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from train.audit.base import Severity

if TYPE_CHECKING:
    from cxr_demo.films.label_tables import Films
    from train.audit.base import Finding, Suspect
    from train.audit.run import Audit

WIDTH, LINES = 100, 40
#: Layouts, the fullest first: least severity with its advice printed, and whether a finding gets a single line.
FORMS = (
    (Severity.INFO, False),
    (Severity.WARNING, False),
    (Severity.ERROR, False),
    (math.inf, False),
    (math.inf, True),
)


def text(audit: Audit) -> str:
    """The audit in at most LINES lines of WIDTH columns, the most severe findings first.

    The fullest of FORMS that fits is used; findings that do not fit are counted.
    """
    head = f"{audit.films:,} films of {audit.patients:,} patients, {len(audit.labels)} findings".ljust(WIDTH - 10)
    lines = [head + audit.date[:10], ""]
    room = LINES - len(lines) - 2
    for least, short in FORMS:
        blocks = [_block(audit, f, advice=f.severity >= least, short=short) for f in audit.findings]
        if sum(map(len, blocks)) <= room:
            break
    shown = 0
    while shown < len(blocks) and sum(map(len, blocks[: shown + 1])) <= room - (shown + 1 < len(blocks)):
        lines += blocks[shown]
        shown += 1
    if shown < len(blocks):
        lines.append(f"... and {len(blocks) - shown} more, see audit.json.")
    return "\n".join(line.rstrip() for line in [*lines, "", verdict(audit)])


def _block(audit: Audit, finding: Finding, *, advice: bool, short: bool) -> list[str]:
    """Lines of a finding: id and title, then the advice or the reason for accepting it.

    `advice` False drops the latter, `short` cuts the block to one line.
    """
    name = "accepted" if finding.id in audit.accepted else finding.severity.name.lower()
    body = f"{name:<9}{finding.id}: {finding.title}"
    if short:
        return [textwrap.shorten(body, WIDTH, placeholder=" ...")] if len(body) > WIDTH else [body]
    lines = textwrap.wrap(body, WIDTH, subsequent_indent=" " * 9)
    said = f"Accepted: {audit.accepted[finding.id]}" if finding.id in audit.accepted else finding.advice
    if advice and said:
        lines += textwrap.wrap(said, WIDTH, initial_indent=" " * 9 + "-> ", subsequent_indent=" " * 12)
    return lines


def verdict(audit: Audit) -> str:
    """Number of findings by severity, number of accepted ones, and the exit status, in a sentence."""
    counts = {level: sum(f.severity is level for f in audit.findings) for level in Severity}
    accepted = sum(f.id in audit.accepted for f in audit.findings)
    return (
        f"{count(counts[Severity.ERROR], 'error')}, {count(counts[Severity.WARNING], 'warning')}, "
        f"{count(counts[Severity.INFO], 'note')}; {accepted} accepted. Exit status {int(audit.status)}."
    )


def count(number: int, what: str) -> str:
    """A number with its noun, e.g. "1 error", "2 errors"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def fields(audit: Audit, films: Films) -> dict[str, Any]:
    """The audit as JSON values, the content of audit.json; null if undefined.

    Films are named as in the file of corrections, see `film_names`.
    """
    names = films.names.tolist()
    return {
        "format": 1,
        "date": audit.date,
        "films": audit.films,
        "patients": audit.patients,
        "labels": list(audit.labels),
        "fingerprint": audit.fingerprint,
        "versions": dict(audit.versions),
        "status": int(audit.status),
        "accepted": dict(audit.accepted),
        "findings": [
            {
                "id": finding.id,
                "severity": finding.severity.name.lower(),
                "title": finding.title,
                "advice": finding.advice,
                "accepted": finding.id in audit.accepted,
                "figures": plain(finding.figures),
                "suspects": [_suspect(suspect, names) for suspect in finding.suspects],
            }
            for finding in audit.findings
        ],
    }


def _suspect(suspect: Suspect, names: Sequence[str]) -> dict[str, Any]:
    """A suspect as JSON values; `names` are those of the films."""
    return {
        "file": names[suspect.film],
        "label": suspect.label,
        "reason": suspect.reason,
        "score": plain(suspect.score),
        "other": None if suspect.other is None else names[suspect.other],
    }


def plain(value: Any) -> Any:
    """Any value as JSON values: arrays become lists, and numbers that are not finite become None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(part) for key, part in value.items()}
    if isinstance(value, Sequence | np.ndarray | set | frozenset):
        return [plain(part) for part in value]
    return str(value)
