"""All checks of one subject, and what they come to."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from typing import TYPE_CHECKING, Any

import cxr_demo
from cxr_demo.errors import DataError
from train.audit import confounds, duplicates, files, labels, leaks, noise, orientation, reference
from train.audit.base import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cxr_demo.films.label_tables import Films
    from train.audit.base import Check, Finding, Subject

#: Every check, in the order of the report.
CHECKS: tuple[Check, ...] = (
    *files.CHECKS,
    *duplicates.CHECKS,
    *orientation.CHECKS,
    *leaks.CHECKS,
    *labels.CHECKS,
    *confounds.CHECKS,
    *reference.CHECKS,
    *noise.CHECKS,
)

#: Packages whose version may change what a check finds.
LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "imagehash", "opencv-python-headless", "torchxrayvision")


@dataclass(frozen=True)
class Audit:
    """What was found in which films, when, and what of it was accepted as it is."""

    findings: tuple[Finding, ...]  # the gravest first
    films: int
    patients: int
    labels: tuple[str, ...]
    fingerprint: str  # see `fingerprint`
    date: str  # ISO 8601, UTC
    versions: Mapping[str, str]
    accepted: Mapping[str, str] = field(default_factory=dict)  # id of a finding -> why it may stay

    @property
    def status(self) -> Severity:
        """The highest severity of what is not accepted; it is the command's exit status."""
        open_ones = [finding.severity for finding in self.findings if finding.id not in self.accepted]
        return max(open_ones, default=Severity.INFO)


def audit(
    subject: Subject, checks: Sequence[Check] = CHECKS, say: Callable[[str], None] = lambda _: None
) -> tuple[Finding, ...]:
    """What the checks found, the gravest first; `say` hears the name of each check as it begins."""
    found: list[Finding] = []
    for check in checks:
        say(_name(check))
        found.extend(check(subject))
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def record(subject: Subject, findings: Sequence[Finding], accept: Mapping[str, str] | None = None) -> Audit:
    """The findings with everything that says later what they were about.

    `accept` maps ids to reasons; DataError for an id that was not found, since it is most often misspelt.
    """
    accept = dict(accept or {})
    unknown = sorted(set(accept) - {finding.id for finding in findings})
    if unknown:
        there = ", ".join(dict.fromkeys(finding.id for finding in findings)) or "nothing"
        raise DataError(f"Nothing by the name of {', '.join(unknown)} was found to accept; found was {there}.")
    films = subject.films
    return Audit(
        findings=tuple(findings),
        films=len(films),
        patients=len(set(films.patients)),
        labels=films.labels,
        fingerprint=fingerprint(films),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions=_versions(),
        accepted=accept,
    )


def fingerprint(films: Films) -> str:
    """The sha256 of file names, patients and labels, in whatever order the films come; pixels are not read."""
    lines = sorted(
        f"{name}\t{patient}\t{','.join(f'{value:g}' for value in targets)}"
        for name, patient, targets in zip(films.names, films.patients, films.targets.tolist(), strict=True)
    )
    return hashlib.sha256("\n".join(["\t".join(films.labels), *lines]).encode()).hexdigest()


def acceptance(words: Sequence[str]) -> dict[str, str]:
    """From `ID:reason` as the command line says it; DataError where the reason is missing."""
    accepted = {}
    for word in words:
        name, _, reason = word.partition(":")
        if not name.strip() or not reason.strip():
            raise DataError(f"--accept {word!r} has no reason; write ID:reason.")
        accepted[name.strip()] = reason.strip()
    return accepted


def _name(check: Any) -> str:
    return str(check.__name__).replace("_", " ")


def _versions() -> dict[str, str]:
    found = {"cxr_demo": cxr_demo.__version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = "not installed"
    return found
