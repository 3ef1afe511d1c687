"""Run of all checks on a subject, and its record."""

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

#: Packages whose version may change the findings of a check.
LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "imagehash", "opencv-python-headless", "torchxrayvision")


@dataclass(frozen=True)
class Audit:
    """Findings of an audit, with the films, date and library versions that they are about.

    Reports and the review are made from it, see `report` and `page`.
    """

    findings: tuple[Finding, ...]  # the most severe first
    films: int
    patients: int
    labels: tuple[str, ...]
    fingerprint: str  # of the films, see `fingerprint`
    date: str  # ISO 8601, UTC
    versions: Mapping[str, str]
    accepted: Mapping[str, str] = field(default_factory=dict)  # id of a finding -> reason to accept it

    @property
    def status(self) -> Severity:
        """Highest severity of the findings that are not accepted: the command's exit status."""
        open_ones = [finding.severity for finding in self.findings if finding.id not in self.accepted]
        return max(open_ones, default=Severity.INFO)


def audit(
    subject: Subject, checks: Sequence[Check] = CHECKS, say: Callable[[str], None] = lambda _: None
) -> tuple[Finding, ...]:
    """Findings of the checks, the most severe first; `say` gets the name of each check before it runs."""
    found: list[Finding] = []
    for check in checks:
        say(_name(check))
        found.extend(check(subject))
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def record(subject: Subject, findings: Sequence[Finding], accept: Mapping[str, str] | None = None) -> Audit:
    """Findings with the identity of their films: counts, fingerprint, date and versions.

    `accept` maps ids of findings to reasons; DataError if no finding has one of these ids, which are probably misspelt.
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
    """sha256 of file names, patients and labels, independent of the films' order; pixels are not read."""
    lines = sorted(
        f"{name}\t{patient}\t{','.join(f'{value:g}' for value in targets)}"
        for name, patient, targets in zip(films.names, films.patients, films.targets.tolist(), strict=True)
    )
    return hashlib.sha256("\n".join(["\t".join(films.labels), *lines]).encode()).hexdigest()


def acceptance(words: Sequence[str]) -> dict[str, str]:
    """Reasons by id, from words like `ID:reason`; DataError if a reason is missing."""
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
    """Versions of this package, Python and LIBRARIES."""
    found = {"cxr_demo": cxr_demo.__version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = "not installed"
    return found
