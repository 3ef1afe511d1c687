"""Disks that are full or cannot be written: real file systems in memory, which one process alone sees."""

import subprocess
from pathlib import Path

import pytest


def on_disk(folder: Path, kilobytes: int, *, read_only: bool = False) -> tuple[str, ...]:
    """What to write before a command, so that it finds an empty disk of this size at a folder.

    Skips by name where this system does not let its users mount anything.
    """
    folder.mkdir(exist_ok=True)
    options = f"size={kilobytes}k{',ro' if read_only else ''}"
    script = f'mount -t tmpfs -o {options} none "$0" && exec "$@"'
    before = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(folder))
    try:
        subprocess.run([*before, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("disks: this system lets nobody mount a file system of their own")
    return before
