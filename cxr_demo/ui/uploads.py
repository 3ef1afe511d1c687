"""Where visitors' files lie: a folder of this process alone. Swept while it runs, gone when it ends.

What a process left that was killed is cleared away by the next one that starts.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # another system: what a killed process left then stays
    fcntl = None  # type: ignore[assignment]

#: Seconds after which a file is deleted, and between two looks.
KEPT, SWEPT = 3000.0, 300.0
PREFIX = "cxr_demo-"
LOCK = ".in-use"

_OWN: list[tuple[Path, IO[bytes]]] = []  # the folder, and the file whose lock says that its process lives


def claim() -> Path:
    """Take a folder of one's own for all that is sent and made here, the same one however often it is asked for."""
    if not _OWN:
        root = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
        root.mkdir(parents=True, exist_ok=True)
        _clear_away(root)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root)).resolve()
        lock = (folder / LOCK).open("wb")
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX)
        _OWN.append((folder, lock))
        os.environ["GRADIO_TEMP_DIR"] = str(folder)  # what gradio calls its upload folder
        atexit.register(release)
        threading.Thread(target=_keep_swept, args=(folder,), name="uploads", daemon=True).start()
    return _OWN[0][0]


def release() -> None:
    """Delete the folder and all in it."""
    for folder, _ in _OWN:
        shutil.rmtree(folder, ignore_errors=True)


def _clear_away(root: Path) -> None:
    """Delete folders of processes that no longer live."""
    for folder in root.glob(f"{PREFIX}*"):
        with suppress(OSError), (folder / LOCK).open("rb") as lock:
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where another holds it
                shutil.rmtree(folder, ignore_errors=True)


def _keep_swept(folder: Path) -> None:
    while True:
        time.sleep(SWEPT)
        sweep(folder, KEPT)


def sweep(folder: Path, kept: float) -> None:
    """Delete files older than so many seconds, and folders that are then empty."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what lies in a folder before the folder
        with suppress(OSError):  # somebody else was quicker, or it is not empty
            if path.is_dir():
                path.rmdir()
            elif path.name != LOCK and time.time() - path.stat().st_mtime > kept:
                path.unlink()
