"""Where visitors' files lie: a folder of this process alone. Swept while it runs, gone when it ends.

What a process left that was killed is cleared away by the next one that starts.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse

from cxr_demo import messages
from cxr_demo.errors import remedy
from cxr_demo.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

try:
    import fcntl
except ImportError:  # another system: what a killed process left then stays
    fcntl = None  # type: ignore[assignment]

#: Seconds after which a file is deleted, and between two looks: one is seen first, and found too old, a look late.
KEPT, SWEPT = 2700.0, 300.0
#: Megabytes that one file may have; a request brings one.
MEGABYTES = 100
#: Bytes of a request that are not the file, and that are left free on the disk.
AROUND, MARGIN = 2**20, 2**14
TOO_LARGE = f"Files up to {MEGABYTES} MB are accepted, one at a time."
#: Routes of Gradio's that take files for components which are not on the page, without any bound; and the old MCP.
CLOSED = ("/component_server", "/component_server/", "/process_recording", "/mcp/sse", "/mcp/messages/")
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


def write(path: Path, data: bytes) -> None:
    """A file in the folder, whole or not at all; OSError where there is no room."""
    path.parent.mkdir(exist_ok=True)
    write_whole(path, data)


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder of its own to write into; nothing stays of it where that fails."""
    folder = Path(tempfile.mkdtemp(dir=claim()))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class Refused(Exception):
    """A request is not taken: the status and the sentence of the answer."""


class Uploading:
    """Lets in what is sent while there is room, and no more of it than is needed; keeps no parts of files.

    ASGI middleware: Gradio itself bounds each file but not a request of many, nor any other request; it answers a full
    disk with a traceback, and leaves the part that came before the disk was full or the sender was gone. One to a
    process: parts are cleared away whenever nothing is under way.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._under_way: list[int] = []  # bytes of each upload, as its sender says

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on any request, what has a body under these conditions."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            if scope["path"].endswith(CLOSED) or "://" in scope["path"]:  # the latter would be looked up and passed on
                raise Refused(404, "Not Found")
            if scope["method"] != "POST":
                await self.app(scope, receive, answer)
                return
            upload = scope["path"].endswith("/upload")
            most = MEGABYTES * 2**20 + AROUND if upload else AROUND
            size = int(dict(scope["headers"]).get(b"content-length", b"0"))
            if size > most:
                raise Refused(413, TOO_LARGE)
            bounded = _bounded(receive, most)
            if upload:
                await self._let_in(self.app(scope, bounded, answer), size)
            else:
                await self.app(scope, await _without_addresses(bounded), answer)
        except Refused as refused:
            status, sentence = refused.args
            await answer.instead(scope, receive, status, sentence)
        except ClientDisconnect:
            pass  # nobody is left to answer

    async def _let_in(self, passed: Awaitable[None], size: int) -> None:
        """An upload; Refused where it finds no room or is none."""
        folder = claim()
        self._under_way.append(size)
        try:
            folder.mkdir(exist_ok=True)  # a cleaner of temporary files may have been here
            if sum(self._under_way) > shutil.disk_usage(folder).free - MARGIN:
                raise Refused(507, messages.NO_DISK)
            await passed
        except (TypeError, AttributeError):  # how Gradio finds that a part is no file
            raise Refused(400, "Send files in the field `files`, each with a name.") from None
        except OSError as error:
            if not remedy(error):
                raise
            raise Refused(507, messages.NO_DISK) from None
        finally:
            self._under_way.remove(size)
            if not self._under_way:
                _tidy(folder)


async def _without_addresses(receive: Receive) -> Receive:
    """Receives the same request again; Refused where it names an address that Gradio would fetch a file from."""
    parts = [await receive()]
    while parts[-1].get("more_body"):
        parts.append(await receive())
    if _names_address(b"".join(part.get("body", b"") for part in parts)):
        raise Refused(400, messages.NOT_FETCHED)
    waiting = iter(parts)

    async def again() -> Message:
        return next(waiting, None) or await receive()

    return again


def _names_address(body: bytes) -> bool:
    """Whether there is an address in the place of a file's path anywhere in a JSON body."""
    try:
        left = [json.loads(body)]
    except (ValueError, RecursionError):  # Gradio cannot read it either
        return False
    while left:
        value = left.pop()
        if isinstance(value, dict):
            path = value.get("path")
            if isinstance(path, str) and "://" in path:
                return True
            left += value.values()
        elif isinstance(value, list):
            left += value
    return False


class _Answer:
    """Sends an answer, and knows whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send, self._begun = send, False

    async def __call__(self, message: Message) -> None:
        self._begun = True
        await self._send(message)

    async def instead(self, scope: Scope, receive: Receive, status: int, sentence: str) -> None:
        """A sentence, where nothing has been sent yet."""
        if not self._begun:
            await PlainTextResponse(sentence, status)(scope, receive, self._send)


def _bounded(receive: Receive, most: int) -> Receive:
    """Receives a request until it is longer than it may be, whatever length it had said."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise Refused(413, TOO_LARGE)
        return message

    return bounded


def _tidy(folder: Path) -> None:
    """Delete parts of files: while nothing is being sent, all that arrived whole lies in folders."""
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.is_file() and path.name != LOCK:
                path.unlink(missing_ok=True)
