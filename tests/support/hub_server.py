"""A fake Hugging Face Hub on loopback: the protocol of huggingface_hub 2.4 without Xet, with faults on demand.

`HubServer` keeps repositories in memory and logs every request; the `hub` fixture points huggingface_hub to a new
server with an empty cache. It speaks HTTP/1.0, which closes each connection, so that a stopped server is unreachable.
"""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

#: Suffixes of files in large file storage, as on the Hub.
LARGE = (".safetensors", ".pt", ".jpg", ".bin")


def git_sha1(data: bytes) -> str:
    """Git's blob identifier of a file's content."""
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


@dataclass
class Repo:
    """A repository: files by commit, commits by branch, and access settings."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False
    variables: dict[str, str] = field(default_factory=dict)  # of a Space
    sdk: str = ""

    def commit(self, files: Mapping[str, bytes], name: str | None = None) -> str:
        tree = {path: git_sha1(data) for path, data in sorted(files.items())}
        seed = json.dumps([self.refs.get("main"), tree])
        name = name or hashlib.sha1(seed.encode()).hexdigest()
        self.commits[name] = dict(files)
        self.refs["main"] = name
        return name

    def resolve(self, revision: str) -> str | None:
        revision = self.refs.get(revision, revision)
        return revision if revision in self.commits else None


class HubServer:
    """A running Hub at `url`; faults are attributes that tests set and reset."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.stored: dict[str, bytes] = {}  # large files by sha256
        self.log: list[str] = []
        self.tokens: set[str | None] = set()  # tokens of all requests; None for a request without one
        self.cut: dict[str, int] = {}  # file -> number of further downloads that break off half way
        self.damaged: set[str] = set()  # files whose body has a wrong byte
        self.broken = False  # answer 500 to everything
        self.portal = False  # answer every request with HTML, as a captive portal does
        self.refuses = 0  # status of answers to requests that create a repository; 0 for none
        self.slow = 0.0  # seconds before each answer
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.hub = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def repo(self, name: str, kind: str = "models") -> Repo:
        return self.repos.setdefault((kind, name), Repo())

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class RefusalError(Exception):
    """An error answer: HTTP status and the Hub's error code."""

    def __init__(self, status: int, code: str = "", body: object = ()) -> None:
        self.status, self.code, self.body = status, code, body or {}


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    @property
    def hub(self) -> HubServer:
        return self.server.hub  # type: ignore[attr-defined, no-any-return]

    def _serve(self) -> None:
        parts = [unquote(p) for p in urlsplit(self.path).path.strip("/").split("/")]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.log.append(f"{self.command} {'/'.join(parts)}")
        self.hub.tokens.add(self.headers.get("Authorization"))
        time.sleep(self.hub.slow)
        try:
            if self.hub.broken:
                raise RefusalError(500)
            if self.hub.portal:
                self._send(200, b"<html>Welcome!</html>", {"Content-Type": "text/html"})
            elif parts[0] == "api":
                self._answer(self._api(parts[1:], body))
            elif parts[0] == "stored":
                self._answer(self._store(parts[1], body))
            elif parts[-3:] == ["lfs", "objects", "batch"]:
                self._answer(self._batch(json.loads(body)))
            elif "resolve" in parts:
                self._file(parts)
            else:
                raise RefusalError(404)
        except RefusalError as refusal:
            self._send(
                refusal.status,
                json.dumps(refusal.body).encode(),
                {"X-Error-Code": refusal.code} if refusal.code else {},
            )

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815 - http.server looks for these names

    # ------------------------------------------------------------------ the API

    def _api(self, parts: list[str], body: bytes) -> object:
        match parts:
            case ["repos", "create"]:
                return self._create(json.loads(body))
            case ["validate-yaml"]:
                return {"errors": [], "warnings": []}
            case [kind, owner, name, *rest]:
                name = f"{owner}/{name}"
                match rest:
                    case ["preupload", _]:
                        return self._preupload(json.loads(body))
                    case ["commit", _]:
                        return self._commit(kind, name, body)
                    case ["variables"]:
                        asked = json.loads(body)
                        self._repo(kind, name).variables[asked["key"]] = asked["value"]
                        return {key: {"key": key, "value": v} for key, v in self._repo(kind, name).variables.items()}
                    case ["settings"]:
                        self._repo(kind, name).private = json.loads(body)["visibility"] == "private"
                        return {"private": self._repo(kind, name).private}
                    case ["tree", revision]:
                        return self._tree(*self._at(kind, name, revision))
                    case ["revision", revision]:
                        return self._info(kind, name, *self._at(kind, name, revision))
                    case []:
                        return self._info(kind, name, *self._at(kind, name, "main"))
        raise RefusalError(404)

    def _create(self, asked: dict[str, str]) -> object:
        if self.headers.get("Authorization") != "Bearer hf_test":
            raise RefusalError(401)
        if self.hub.refuses:
            raise RefusalError(self.hub.refuses)
        name = f"{asked['organization']}/{asked['name']}"
        kind = f"{asked.get('type') or 'model'}s"
        made = {"url": f"{self.hub.url}/{name}"}
        if (kind, name) in self.hub.repos:
            raise RefusalError(409, body=made)
        repo = self.hub.repo(name, kind)
        repo.private = asked.get("visibility") == "private"
        if kind == "spaces":
            repo.sdk = asked["sdk"]
        repo.commit({".gitattributes": b""})
        return made

    def _preupload(self, asked: dict[str, list[dict[str, str]]]) -> object:
        mode = {True: "lfs", False: "regular"}
        return {
            "files": [
                {"path": f["path"], "uploadMode": mode[f["path"].endswith(LARGE)], "shouldIgnore": False, "oid": None}
                for f in asked["files"]
            ]
        }

    def _batch(self, asked: dict[str, list[dict[str, str]]]) -> object:
        def entry(wanted: dict[str, str]) -> dict[str, object]:
            if wanted["oid"] in self.hub.stored:
                return wanted  # type: ignore[return-value]
            href = f"{self.hub.url}/stored/{wanted['oid']}"
            return {**wanted, "actions": {"upload": {"href": href}, "verify": {"href": href}}}

        return {"transfer": "basic", "objects": [entry(o) for o in asked["objects"]]}

    def _store(self, oid: str, body: bytes) -> object:
        if self.command == "PUT":
            if hashlib.sha256(body).hexdigest() != oid:
                raise RefusalError(400)
            self.hub.stored[oid] = body
        elif oid not in self.hub.stored:
            raise RefusalError(404)
        return {}

    def _commit(self, kind: str, name: str, body: bytes) -> object:
        if self.headers.get("Authorization") != "Bearer hf_test":
            raise RefusalError(403)
        repo = self._repo(kind, name)
        files = dict(repo.commits.get(repo.refs.get("main", ""), {}))
        for line in body.splitlines():
            value = json.loads(line)["value"]
            match json.loads(line)["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "deletedFile":
                    del files[value["path"]]
                case "lfsFile":
                    files[value["path"]] = self.hub.stored[value["oid"]]
        commit = repo.commit(files)
        return {"commitUrl": f"{self.hub.url}/{name}/commit/{commit}", "commitOid": commit}

    def _repo(self, kind: str, name: str) -> Repo:
        repo = self.hub.repos.get((kind, name))
        if repo is None or (repo.private and self.headers.get("Authorization") != "Bearer hf_test"):
            raise RefusalError(404, "RepoNotFound")
        if repo.gated:
            raise RefusalError(403, "GatedRepo")
        return repo

    def _at(self, kind: str, name: str, revision: str) -> tuple[str, dict[str, bytes]]:
        repo = self._repo(kind, name)
        commit = repo.resolve(revision)
        if commit is None:
            raise RefusalError(404, "RevisionNotFound")
        return commit, repo.commits[commit]

    def _info(self, kind: str, name: str, commit: str, files: dict[str, bytes]) -> object:
        siblings = [{"rfilename": path, "size": len(data)} for path, data in files.items()]
        return {"id": name, "sha": commit, "private": self._repo(kind, name).private, "siblings": siblings}

    def _tree(self, _: str, files: dict[str, bytes]) -> object:
        return [self._listed(path, data) for path, data in files.items()]

    def _listed(self, path: str, data: bytes) -> dict[str, object]:
        entry: dict[str, object] = {"type": "file", "path": path, "size": len(data)}
        entry["oid"] = git_sha1(data)
        if path.endswith(LARGE):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        return entry

    # ------------------------------------------------------------------ files

    def _file(self, parts: list[str]) -> None:
        kind = parts.pop(0) if parts[0] in ("spaces", "datasets") else "models"
        name, revision, path = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        commit, files = self._at(kind, name, revision)
        if path not in files:
            raise RefusalError(404, "EntryNotFound")
        data = files[path]
        digest = hashlib.sha256(data).hexdigest() if path.endswith(LARGE) else git_sha1(data)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
        if path in self.hub.damaged:
            data = data[:-1] + bytes([data[-1] ^ 1])
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(206 if start else 200, data[start:], headers, whole=self.command == "HEAD" or not self._cuts(path))

    def _cuts(self, path: str) -> bool:
        left = self.hub.cut.get(path, 0)
        self.hub.cut[path] = max(0, left - 1)
        return left > 0

    def _answer(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], *, whole: bool = True) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if whole else body[: len(body) // 2])


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A new Hub with an empty cache; retries follow without delay."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    hurried = _Hurried()
    for module in (file_download, _http):
        monkeypatch.setattr(module, "time", hurried)
    yield server
    server.stop()


class _Hurried:
    """Replacement of the module `time` for huggingface_hub, whose `sleep` returns at once."""

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)

    def sleep(self, _: float) -> None:
        pass
