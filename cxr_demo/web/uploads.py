"""The folder of visitors' files, private to this process: old files are swept, and the folder is deleted at exit.

The folder of a killed process is deleted by the next process that starts.
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
except ImportError:  # without flock, folders of killed processes stay
    fcntl = None  # type: ignore[assignment]

#: Age at which a file is deleted and interval between sweeps, in seconds; first sight and deletion each lag by a sweep.
KEPT, SWEPT = 2700.0, 300.0
#: Maximum size of an uploaded file in megabytes; a request carries one file.
MEGABYTES = 100
#: Bytes of an upload request beyond the file itself, and bytes kept free on the disk.
AROUND, MARGIN = 2**20, 2**14
TOO_LARGE = f"Files up to {MEGABYTES} MB are accepted, one at a time."
#: Closed routes of Gradio: those that take files of any size for components that the page lacks, and its old MCP.
CLOSED = ("/component_server", "/component_server/", "/process_recording", "/mcp/sse", "/mcp/messages/")
PREFIX = "cxr_demo-"
LOCK = ".in-use"

#: When a file or folder was first seen, by its path, its inode and when it was written.
Seen = dict[tuple[Path, int, int], float]

_OWN: list[tuple[Path, IO[bytes]]] = []  # the folder, and the file whose lock shows that its process runs


def claim() -> Path:
    """The folder of this process for uploads and results; created, locked and swept from the first call on."""
    if not _OWN:
        root = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
        root.mkdir(parents=True, exist_ok=True)
        _clear_away(root)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root)).resolve()
        lock = (folder / LOCK).open("wb")
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX)
        _OWN.append((folder, lock))
        os.environ["GRADIO_TEMP_DIR"] = str(folder)  # Gradio's variable for its upload folder
        atexit.register(release)
        threading.Thread(target=_keep_swept, args=(folder,), name="uploads", daemon=True).start()
    return _OWN[0][0]


def release() -> None:
    """Delete the folder with its contents."""
    for folder, _ in _OWN:
        shutil.rmtree(folder, ignore_errors=True)


def _clear_away(root: Path) -> None:
    """Delete folders of processes that have ended."""
    for folder in root.glob(f"{PREFIX}*"):
        with suppress(OSError), (folder / LOCK).open("rb") as lock:
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises if a running process holds it
                shutil.rmtree(folder, ignore_errors=True)


def _keep_swept(folder: Path) -> None:
    seen: Seen = {}
    while True:
        time.sleep(SWEPT)
        seen = sweep(folder, KEPT, seen)


def sweep(folder: Path, kept: float, seen: Seen) -> Seen:
    """Delete files first seen more than `kept` seconds ago, and folders that are old and empty.

    Returns when each remaining path was first seen, for the next sweep. Ages come from the monotonic clock, since the
    time of day may be set at any moment.
    """
    now, still = time.monotonic(), {}
    for path in sorted(folder.rglob("*"), reverse=True):  # contents before their folder
        with suppress(OSError):  # already deleted, or a folder that is not empty
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
    """Write a file whole or not at all, and create its folder; OSError if the disk is full."""
    path.parent.mkdir(exist_ok=True)
    write_whole(path, data)


@contextmanager
def new_folder() -> Iterator[Path]:
    """Create a new folder for results; it is deleted if the context raises."""
    folder = Path(tempfile.mkdtemp(dir=claim()))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class Refused(Exception):
    """A refused request; its arguments are the HTTP status and the sentence of the answer."""


class Uploading:
    """ASGI middleware that limits the size of requests, checks free disk space, and deletes partial uploads.

    Gradio limits each file, but not a request of many files, nor any other request; it answers a full disk with a
    traceback, and leaves partial files behind when the disk fills up or the sender disconnects. Use one instance per
    process: partial files are deleted whenever no upload is in progress.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._under_way: list[int] = []  # declared bytes of each upload in progress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the app within the limits, or answer 400, 404, 413 or 507 with a sentence."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            if scope["path"].endswith(CLOSED) or "://" in scope["path"]:  # Gradio would fetch a URL in a path
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
            pass  # the sender is gone, so there is no answer to send

    async def _let_in(self, passed: Awaitable[None], size: int) -> None:
        """Pass an upload on; Refused if the disk lacks room or the request holds no file."""
        folder = claim()
        self._under_way.append(size)
        try:
            folder.mkdir(exist_ok=True)  # a cleaner of temporary files may have deleted it
            if sum(self._under_way) > shutil.disk_usage(folder).free - MARGIN:
                raise Refused(507, messages.NO_DISK)
            await passed
        except (TypeError, AttributeError):  # raised by Gradio for a part that is no file
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
    """Read a whole request and return a `receive` that replays it; Refused if Gradio would fetch a URL in it."""
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
    """Whether any `path` in a JSON body is a URL."""
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
    """Sends an answer and records whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send, self._begun = send, False

    async def __call__(self, message: Message) -> None:
        self._begun = True
        await self._send(message)

    async def instead(self, scope: Scope, receive: Receive, status: int, sentence: str) -> None:
        """Send a sentence as the answer, unless another answer has begun."""
        if not self._begun:
            await PlainTextResponse(sentence, status)(scope, receive, self._send)


def _bounded(receive: Receive, most: int) -> Receive:
    """Wrap `receive` so that it raises Refused beyond `most` bytes of body, whatever length the header declares."""
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
    """Delete partial files: complete uploads lie in subfolders, so files directly in the folder are leftovers."""
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.is_file() and path.name != LOCK:
                path.unlink(missing_ok=True)
