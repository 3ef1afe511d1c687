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
from typing import IO, TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse

from cxr_demo.errors import out_of_room
from cxr_demo.ui import text

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

try:
    import fcntl
except ImportError:  # another system: what a killed process left then stays
    fcntl = None  # type: ignore[assignment]

#: Seconds after which a file is deleted, and between two looks: one is seen first, and found too old, a look late.
KEPT, SWEPT = 2700.0, 300.0
#: Megabytes that one file may have; a request brings one.
MEGABYTES = 100
#: Bytes of a request that are not the file.
AROUND = 2**20
PREFIX = "cxr_demo-"
LOCK = ".in-use"

#: When a file or folder was first seen, by its path, its inode and when it was written.
Seen = dict[tuple[Path, int, int], float]

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
    seen: Seen = {}
    while True:
        time.sleep(SWEPT)
        seen = sweep(folder, KEPT, seen)


def sweep(folder: Path, kept: float, seen: Seen) -> Seen:
    """Delete files that were first seen more than so many seconds ago, and folders that are then empty.

    Gives what was seen and when, for the next time. The time of day may be set at any moment, and says nothing.
    """
    now, still = time.monotonic(), {}
    for path in sorted(folder.rglob("*"), reverse=True):  # what lies in a folder before the folder
        with suppress(OSError):  # somebody else was quicker, or it is not empty
            found = path.stat()
            which = path, found.st_ino, 0 if path.is_dir() else found.st_mtime_ns
            still[which] = since = seen.get(which, now)
            if now - since <= kept or path.name == LOCK:
                continue
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
    return still


class Refused(Exception):
    """A request is not taken: the status and the sentence of the answer."""


class Uploading:
    """What is sent is let in while there is room, and nothing stays of what did not arrive whole.

    ASGI middleware: Gradio itself bounds each file but not a request of many, answers a full disk with a traceback,
    and leaves the part that came before the disk was full or the sender was gone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on any request, uploads under these conditions."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].endswith("/upload"):
            await self.app(scope, receive, send)
            return
        self._under_way += 1
        try:
            _let_in(int(dict(scope["headers"]).get(b"content-length", b"0")))
            await self.app(scope, _bounded(receive), send)
        except Refused as refused:
            status, sentence = refused.args
            await PlainTextResponse(sentence, status)(scope, receive, send)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except TypeError:  # how Gradio finds that a part is no file
            await PlainTextResponse("Send files in the field `files`, each with a name.", 400)(scope, receive, send)
        except OSError as error:
            if not out_of_room(error):
                raise
            await PlainTextResponse(text.NO_ROOM, 507)(scope, receive, send)
        finally:
            self._under_way -= 1
            if not self._under_way:
                _tidy(claim())


def _let_in(size: int) -> None:
    if size > MEGABYTES * 2**20 + AROUND:
        raise Refused(413, f"Files up to {MEGABYTES} MB are accepted, one at a time.")
    if size > shutil.disk_usage(claim()).free:
        raise Refused(507, text.NO_ROOM)


def _bounded(receive: Receive) -> Receive:
    """Receives a request until it is longer than it may be, whatever length it had said."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MEGABYTES * 2**20 + AROUND:
            raise Refused(413, f"Files up to {MEGABYTES} MB are accepted, one at a time.")
        return message

    return bounded


def _tidy(folder: Path) -> None:
    """Delete parts of files: while nothing is being sent, all that arrived whole lies in folders."""
    for path in folder.iterdir():
        if path.is_file() and path.name != LOCK:
            path.unlink(missing_ok=True)
