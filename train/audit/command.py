"""The audit as a command: what it is told, what it prints and writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from train.audit import page, report, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from train.audit.base import Subject
    from train.audit.run import Audit


def audit(
    subject: Subject,
    out: Path | None,
    accept: Mapping[str, str],
    say: Callable[[str], None],
    tell: Callable[[str], None],
) -> Audit:
    """Run all checks, `say` one screen of text, write the files into `out`; `tell` hears of progress."""
    result = run.record(subject, run.audit(subject, say=tell), accept)
    say(report.text(result))
    if out:
        for path in write(result, subject, out):
            tell(f"wrote {path}")
    return result


def write(result: Audit, subject: Subject, folder: Path) -> tuple[Path, ...]:
    """`audit.json` and `audit.html` in a folder, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "audit.json": json.dumps(report.fields(result, subject.films), indent=1, allow_nan=False) + "\n",
        "audit.html": page.write(result, subject.films, pictures=subject.has_files),
    }
    for name, content in made.items():
        partial = folder / f"{name}.partial"
        partial.write_text(content, encoding="utf-8")
        partial.replace(folder / name)
    return tuple(folder / name for name in made)
