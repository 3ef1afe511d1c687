"""Full and read-only disks: real file systems in memory, visible to one process only."""

import subprocess
from pathlib import Path

import pytest


def on_disk(folder: Path, kilobytes: int, *, read_only: bool = False) -> tuple[str, ...]:
    """The prefix of a command line that runs the command with an empty disk of this size mounted on `folder`.

    Skips the test on systems where users cannot mount file systems.
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
