"""Served page in a subprocess."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A subprocess that serves a page, terminated on exit; `log` collects its standard error."""
    with (
        log.open("a", encoding="utf-8") as complaints,
        subprocess.Popen(
            command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=complaints, text=True
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def address_of(process: subprocess.Popen[str]) -> str:
    """The URL that the page prints as soon as it serves; RuntimeError if the process ends before that."""
    for line in process.stdout or ():
        found = re.search(r"http://127\.0\.0\.1:\d+/?", line)
        if found:
            return found.group()
    raise RuntimeError(f"The page ended with status {process.wait()}; its log says why.")
