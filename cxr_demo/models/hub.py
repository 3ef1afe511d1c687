"""Download and publish model folders and example films on the Hugging Face Hub.

HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE work as in the library, whose errors become ModelError classes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cxr_demo.errors import (
    BadModel,
    BadSetting,
    ModelError,
    ModelUnavailable,
    UnknownModel,
    UnreadableImage,
    remedy,
    sentence_of,
)
from cxr_demo.files import sha256_of, write_whole
from cxr_demo.messages import message
from cxr_demo.models import model_folder
from cxr_demo.single_flight import SingleFlight, TooSlow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

log = logging.getLogger(__name__)

#: Seconds to wait for the Hub's first response.
PATIENCE = 10.0

COMMIT = re.compile("[0-9a-f]{40}")

#: Address of a data set, or of a folder or file in it, as in huggingface_hub's file system; pathlib makes "//" one "/".
DATA_SET = re.compile(r"hf:/{1,2}datasets/(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?(/(?P<within>.*))?")

#: Downloads of example films in progress.
_fetching: SingleFlight[Path] = SingleFlight()

#: Lock for the record files.
_recording = threading.Lock()


@dataclass(frozen=True)
class Pulled:
    """Files of a repository at one commit, in a local folder to be treated as read-only."""

    folder: Path
    commit: str  # 40 hex digits


@dataclass(frozen=True)
class DataSet(Pulled):
    """A data set, or the part of it that was asked for."""

    repo: str  # OWNER/NAME
    within: str  # path of the folder or file that was asked for; "" for all of it


@dataclass(frozen=True)
class ExampleFilm:
    """A public film, downloaded on request and verified by its sha256."""

    name: str
    title: str
    credit: str
    space: str
    path: str
    sha256: str


EXAMPLES = (
    ExampleFilm(
        name="16747_3_1.jpg",
        title=message("example.title"),
        credit="16747_3_1.jpg, the example film of torchxrayvision (Cohen et al.), Apache-2.0",
        space="torchxrayvision/torchxrayvision-classifier",
        path="16747_3_1.jpg",
        sha256="17dae3a0d41049d5582fb3c05fddaf57a854839f58bb89f55e888be262659d34",
    ),
)


def endpoint() -> str:
    """Return the Hub's URL: HF_ENDPOINT, by default the public Hub."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def pull(
    repo: str, files: Sequence[str], *, revision: str = "main", optional: Sequence[str] = (), kind: str = "model"
) -> Pulled:
    """Download files of a repository, all of one commit, or return them from the cache.

    A full commit hash as `revision` uses the cache without a request; a branch is looked up at each call. If that fails
    (no connection, server error or damaged download), the last complete commit is used, with a warning in the log.
    Raises UnknownModel if the repository or revision does not exist, BadModel if a file is missing or its bytes differ
    from the Hub's checksum, and ModelUnavailable if the files are neither available nor in the cache.
    """
    if COMMIT.fullmatch(revision):
        with _sentences(repo, revision):
            folder = _cached(repo, files, revision, kind) or _fetched(repo, [*files, *optional], revision, kind)
        return _whole(folder, repo, files, revision)
    branch = f"{kind} {repo}@{revision}"
    with _sentences(repo, revision):
        before = _before(repo, files, revision, kind, branch)
    try:
        with _sentences(repo, revision):
            folder = _fetched(repo, [*files, *optional], revision, kind)
        pulled = _whole(folder, repo, files, revision)
    except (ModelUnavailable, Damaged) as error:
        last = _first_whole(before, repo, files, revision)
        if last is None or _refused(error):
            raise
        pulled = last
        log.warning("%s Commit %s, which was fetched before, serves instead.", error, pulled.commit)
    _keep_record(LAST, branch, pulled.commit)
    return pulled


def pull_data_set(address: str) -> DataSet:
    """Download a data set, or a folder or file in it, whose address is hf://datasets/OWNER/NAME[@REVISION][/PATH].

    With HF_HUB_OFFLINE, the cache serves. UnknownModel if the repository, the revision or the path does not exist, or
    if the address has another form; ModelUnavailable if the Hub is unreachable.
    """
    from huggingface_hub import constants, snapshot_download

    found = DATA_SET.fullmatch(address)
    if found is None:
        raise UnknownModel(f"{address} should be hf://datasets/OWNER/NAME, with @REVISION or /FOLDER if you want.")
    repo, revision, within = found["repo"], unquote(found["revision"] or "main"), (found["within"] or "").strip("/")
    files = [within, f"{within}/*"] if within else ["*"]
    with _sentences(f"datasets/{repo}", revision):
        if constants.HF_HUB_OFFLINE:
            folder = Path(snapshot_download(repo, revision=revision, repo_type="dataset", allow_patterns=files))
        else:
            folder = _fetched(repo, files, revision, "dataset")
    if not (folder / within).exists():
        raise UnknownModel(f"The data set {repo} has no {within} at {revision}; check the path.")
    return DataSet(folder, folder.name, repo, within)


def look_up(repo: str, revision: str = "main") -> tuple[str, dict[str, int]]:
    """Return a public repository's commit and the size in bytes of each file, requested without a token.

    Raises UnknownModel if the repository or revision does not exist or is private, and ModelUnavailable if the Hub is
    unavailable.
    """
    from huggingface_hub import HfApi

    with _public_sentences(repo, revision):
        api = HfApi(endpoint=endpoint(), token=False)
        info = api.repo_info(repo, revision=revision, timeout=PATIENCE, files_metadata=True)
        return str(info.sha), {file.rfilename: int(file.size) for file in info.siblings}


def pull_public(repo: str, commit: str, files: Sequence[str], folder: Path, *, optional: Sequence[str] = ()) -> Pulled:
    """Like `pull` for one commit, but without a token, and with `folder` as the cache instead of the library's.

    Private files that only the server's token can read are therefore inaccessible. Raises the errors of `pull`.
    """
    with _public_sentences(repo, commit):
        found = _cached(repo, files, commit, "model", folder) or _fetched(
            repo, [*files, *optional], commit, "model", folder, token=False
        )
    return _whole(found, repo, files, commit)


class Damaged(BadModel):
    """A downloaded file differs from the Hub's checksum."""


def _refused(error: ModelError) -> bool:
    """Whether an error is a permanent refusal by the Hub (401, 403, 404 or 410), not a temporary failure."""
    reason = error.__context__
    return any(_status(each) in (401, 403, 404, 410) for each in (reason, reason and reason.__cause__) if each)


def _whole(folder: Path, repo: str, files: Sequence[str], revision: str) -> Pulled:
    """Verify that a cache folder has all these files with the Hub's checksums; BadModel otherwise."""
    for name in files:
        if not (folder / name).is_file():
            raise BadModel(message("error.model.no_file", repo=repo, revision=revision, file=name))
        _compare(folder / name, repo)
    return Pulled(folder, folder.name)


def _before(repo: str, files: Sequence[str], revision: str, kind: str, branch: str) -> list[Path]:
    """Cached folders of a branch: at the library's commit, and at the last complete commit on record.

    The library updates a branch's commit before it downloads, so an interrupted download leaves an incomplete commit.
    """
    last = _records(LAST).get(branch)
    found = [_cached(repo, files, commit, kind) for commit in (revision, last) if commit]
    folders = [folder for folder in found if folder is not None]
    if folders and last is None:
        _keep_record(LAST, branch, folders[0].name)
    return folders


def _first_whole(folders: Sequence[Path], repo: str, files: Sequence[str], revision: str) -> Pulled | None:
    """First of the folders that has all files undamaged; None if none has."""
    for folder in folders:
        with suppress(BadModel):
            return _whole(folder, repo, files, revision)
    return None


def _fetched(
    repo: str, files: Sequence[str], revision: str, kind: str, cache: Path | None = None, token: bool | None = None
) -> Path:
    """Download those of the files that exist at a revision; return the cache folder."""
    from huggingface_hub import HfApi, snapshot_download

    # check first with a timeout: the download itself waits without limit or retries for half a minute
    HfApi(endpoint=endpoint(), token=token).repo_info(repo, revision=revision, repo_type=kind, timeout=PATIENCE)
    return Path(
        snapshot_download(
            repo,
            revision=revision,
            repo_type=kind,
            allow_patterns=list(files),
            endpoint=endpoint(),
            cache_dir=cache,
            token=token,
        )
    )


def _cached(repo: str, files: Sequence[str], revision: str, kind: str, cache: Path | None = None) -> Path | None:
    """Cache folder of a revision; None unless the cache has all these files."""
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(repo, name, cache, revision=revision, repo_type=kind) for name in files]
    if not all(isinstance(path, str) for path in found):
        return None
    return Path(str(found[0])).parents[len(Path(files[0]).parts) - 1]


def _compare(path: Path, repo: str) -> None:
    """Raise Damaged, and delete the file, if its bytes differ from the Hub's checksum; the library compares sizes only.

    The cache stores a large file under its sha256 and a small one under its git checksum, and links to it. Without
    links the checksum is unknown, and the file is not verified.
    """
    blob = path.resolve()
    large, small = (re.fullmatch(f"[0-9a-f]{{{digits}}}", blob.name) for digits in (64, 40))
    if (large and sha256_of(blob) != blob.name) or (small and _git_sha1(blob.read_bytes()) != blob.name):
        with suppress(OSError):
            blob.unlink()
            path.unlink()
        raise Damaged(message("error.model.damaged", file=path.name, repo=repo))


def _git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def head(repo: str) -> str | None:
    """Return a repository's newest commit, None without a visible repository; ModelUnavailable if unreachable."""
    from huggingface_hub import HfApi

    try:
        with _sentences(repo, "main"):
            commit: str | None = HfApi(endpoint=endpoint()).repo_info(repo, timeout=PATIENCE).sha
            return commit
    except UnknownModel:
        return None


def is_name(text: str) -> bool:
    """Whether a text has the form OWNER/NAME of a repository."""
    return text.count("/") == 1 and all(text.split("/"))


def is_private(repo: str, kind: str = "model") -> bool:
    """Whether a repository, a "model", "dataset" or "space", is private; errors as for `pull`."""
    from huggingface_hub import HfApi

    with _sentences(repo, "main"):
        return bool(HfApi(endpoint=endpoint()).repo_info(repo, repo_type=kind, timeout=PATIENCE).private)


def is_open(repo: str, kind: str = "model") -> bool:
    """Whether a repository can be downloaded without a token, being neither private nor gated; errors as for `pull`.

    The kinds are those of `is_private`.
    """
    from huggingface_hub import HfApi

    with _sentences(repo, "main"):
        info = HfApi(endpoint=endpoint()).repo_info(repo, repo_type=kind, timeout=PATIENCE)
        return not (info.private or getattr(info, "gated", False))  # a Space cannot be gated


def push(
    folder: Path,
    repo: str,
    *,
    along: Sequence[str] = (),
    replaced: tuple[str, ...] = (),
    private: bool = True,
    message: str = "Publish a model",
) -> str:
    """Publish a model folder as one commit of a repository, created if missing; return the commit.

    Uploads the model's own files and those in `along`; other files of the folder are not uploaded. Files of the
    repository whose names start with one of `replaced` are deleted unless they are uploaded.
    Raises BadModel if the folder does not load, and ModelUnavailable if the Hub refuses or is unreachable.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    folder = Path(folder)
    model_folder.load(folder, repo)
    api = HfApi(endpoint=endpoint())
    with _sentences(repo, "main"):
        api.create_repo(repo, private=private, exist_ok=True)
        names = dict.fromkeys((model_folder.CONFIG, model_folder.WEIGHTS, model_folder.CARD, *along))
        files = [CommitOperationAdd(name, folder / name) for name in names if (folder / name).is_file()]
        old = [name for name in api.list_repo_files(repo) if name.startswith(replaced) and name not in names]
        gone = [CommitOperationDelete(name) for name in old]
        commit: str = api.create_commit(repo, [*files, *gone], commit_message=message).oid
    return commit


def make_data_set(repo: str, *, public: bool) -> None:
    """Make a private data set if there is none, so that it can be filled later.

    Raises BadSetting if there is one that is public, unless `public`, and ModelUnavailable if the Hub refuses or is
    unreachable.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint())
    with _sentences(repo, "main"):
        api.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
    if not public and not is_private(repo, "dataset"):
        raise BadSetting(f"The data set {repo} exists and is public; allow it with --public, or choose another name.")


def send_data(folder: Path, repo: str, *, public: bool) -> str:
    """Upload a folder as one commit of a data set that `make_data_set` made; return the commit.

    `public` makes it public. Raises ModelUnavailable if the Hub refuses or is unreachable.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint())
    with _sentences(repo, "main"):
        commit: str = api.upload_folder(
            repo_id=repo, repo_type="dataset", folder_path=folder, commit_message="Publish figures"
        ).oid
        if public:
            api.update_repo_settings(repo, repo_type="dataset", private=False)
    return commit


def send_space(folder: Path, repo: str, variables: Mapping[str, str], *, replaced: str, public: bool) -> str:
    """Upload a folder to a Space as one commit and set the Space's variables; return the commit.

    Creates the Space, as a private one, if it is missing; `public` makes it public.
    Deletes files of the Space that match the pattern `replaced` and are not in the folder. Raises ModelUnavailable if
    the Hub refuses or is unreachable.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint())
    with _sentences(repo, "main"):
        api.create_repo(repo, repo_type="space", space_sdk="gradio", private=True, exist_ok=True)
        for name, value in variables.items():
            api.add_space_variable(repo, name, value)
        sent = api.upload_folder(
            repo_id=repo, repo_type="space", folder_path=folder, commit_message="Deploy", delete_patterns=replaced
        )
        if public:  # last, so that nothing is shown that could not be sent whole
            api.update_repo_settings(repo, repo_type="space", private=False)
        commit: str = sent.oid
    return commit


def licence(card: Path) -> str:
    """Return the licence that a card's front matter states, "" if it states none or there is no card."""
    from huggingface_hub import ModelCard

    try:
        return str(ModelCard.load(card).data.license or "")
    except Exception:  # a card may be missing, or hold any text
        return ""


def example_films() -> tuple[ExampleFilm, ...]:
    """Return the public example films offered to visitors."""
    return EXAMPLES


def fetch_example(name: str, patience: float | None = None) -> Path:
    """Return the path of a public example film, downloaded unless cached.

    Raises UnreadableImage if the film is unknown, unavailable or changed, or if the download takes longer than
    `patience` seconds; the download then continues for later calls.
    """
    try:
        return _fetching.get(name, lambda: _example(name), patience, keep=False)
    except TooSlow:
        raise UnreadableImage(message("error.example.fetching", name=name)) from None


def _example(name: str) -> Path:
    """Find an example film in the cache or download it, and verify its checksum; UnreadableImage on failure."""
    from huggingface_hub import try_to_load_from_cache

    film = next((f for f in EXAMPLES if f.name == name), None)
    if film is None:
        names = ", ".join(f.name for f in EXAMPLES)
        raise UnreadableImage(message("error.example.unknown", name=repr(name), names=names))
    cached = try_to_load_from_cache(film.space, film.path, repo_type="space")
    if isinstance(cached, str) and sha256_of(Path(cached)) == film.sha256:
        return Path(cached)
    try:
        path = pull(film.space, [film.path], kind="space").folder / film.path
    except (BadModel, ModelUnavailable, UnknownModel) as error:
        raise UnreadableImage(message("error.example.unavailable", name=name, reason=sentence_of(error))) from None
    if sha256_of(path) != film.sha256:
        raise UnreadableImage(message("error.example.changed", space=film.space, name=name))
    return path


def verify_checksum(path: Path, key: str, sha256: str | None) -> None:
    """Raise BadModel unless a file has this sha256 or, if None, the recorded sha256 of the first file under this key.

    The first download's checksum is recorded beside the Hub's cache, so that weights without a published checksum
    cannot change unnoticed. Raises ModelUnavailable if it cannot be recorded.
    """
    found = sha256_of(path)
    if sha256 is None:
        sha256, record = _recorded(key, found)
        hint = f"If its authors did publish other weights, delete the line of {key} in {record}."
    else:
        hint = f"Delete {path.resolve()} and try again; if it stays so, the file is not the one that was published."
    if found != sha256:
        raise BadModel(f"{key} has the sha256 {found[:12]}..., should have {sha256[:12]}...: refused. {hint}")


def own_cache() -> Path:
    """Return the project's cache folder, in HF_HOME beside the Hub's own cache; it may not exist yet."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME, "cxr_demo")


#: Record files in the project's cache: checksums of first downloads, and the last complete commit of each branch.
CHECKSUMS, LAST = "checksums.json", "branches.json"


def _recorded(key: str, found: str) -> tuple[str, Path]:
    """Return the recorded checksum of a key, and the record file; records `found` for a new key."""
    path = own_cache() / CHECKSUMS
    with _recording:
        try:
            known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (OSError, ValueError) as error:
            # an unreadable file must not count as empty, or every new download would be trusted
            raise BadModel(
                f"{path} cannot be read ({error}); mend it, or delete it to trust what comes next."
            ) from None
        if key not in known and not _write(path, {**known, key: found}):
            raise ModelUnavailable(
                f"The checksum of {key} cannot be recorded in {path}: make room there and let it be written, or set "
                "HF_HOME to another folder."
            )
        return known.get(key, found), path


def _records(name: str) -> dict[str, str]:
    """Read a record file; empty if it cannot be read."""
    try:
        found = json.loads((own_cache() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep_record(name: str, key: str, value: str) -> None:
    """Record a value; a failure to write is ignored."""
    with _recording:
        known = _records(name)
        if known.get(key) != value:
            _write(own_cache() / name, {**known, key: value})


def _write(path: Path, records: dict[str, str]) -> bool:
    """Write a record file atomically; return whether that succeeded."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(records, indent=2, sort_keys=True))
    except OSError:
        return False
    return True


@contextmanager
def _sentences(repo: str, revision: str) -> Iterator[None]:
    """Convert the library's errors about a repository to UnknownModel and ModelUnavailable."""
    import httpx2
    from huggingface_hub import errors

    hub = endpoint()
    try:
        yield
    except errors.GatedRepoError:
        raise ModelUnavailable(
            f"{repo} is gated: accept its conditions at {hub}/{repo}, then set HF_TOKEN to a token of that account."
        ) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise UnknownModel(
            f"{hub} has no repository {repo!r}; check the name, or set HF_TOKEN if it is a private one."
        ) from None
    except errors.RevisionNotFoundError:
        raise UnknownModel(message("error.model.no_revision", repo=repo, revision=repr(revision))) from None
    except errors.OfflineModeIsEnabled:
        raise ModelUnavailable(
            f"{repo} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it: unset it, or choose another."
        ) from None
    except errors.LocalTokenNotFoundError:
        raise ModelUnavailable(f"{hub} wants to know who writes {repo}: set HF_TOKEN.") from None
    except (httpx2.HTTPError, OSError, RuntimeError, ValueError, KeyError, TypeError, AssertionError) as error:
        if step := remedy(error):
            raise ModelUnavailable(
                f"{repo} cannot be kept here: {error}. {step}, or set HF_HOME to another folder."
            ) from None
        # RuntimeError: a failed upload, with the reason as its cause; ValueError and later: a response not from the Hub
        reason = _reason(error.__cause__ or error, hub)
        raise ModelUnavailable(message("error.model.unreachable", repo=repo, reason=reason)) from None


@contextmanager
def _public_sentences(repo: str, revision: str) -> Iterator[None]:
    """Like `_sentences`, with advice for visitors, who can neither set variables nor free disk space here."""
    from huggingface_hub import errors

    with _sentences(repo, revision):
        try:
            yield
        except errors.GatedRepoError:
            raise ModelUnavailable(message("error.model.gated", repo=repo)) from None
        except (errors.RepositoryNotFoundError, errors.HFValidationError):
            raise UnknownModel(message("error.model.no_repository", hub=endpoint(), repo=repr(repo))) from None
        except errors.OfflineModeIsEnabled:
            raise ModelUnavailable(message("error.model.offline", repo=repo)) from None
        except OSError as error:
            if remedy(error):
                raise ModelUnavailable(message("error.model.no_room", repo=repo)) from None
            raise


def _status(error: BaseException) -> int:
    """HTTP status of the Hub's response; 599 without a response."""
    response = getattr(error, "response", None)
    return 599 if response is None else response.status_code


def _reason(error: BaseException, hub: str) -> str:
    """Sentences with the Hub's response and a remedy."""
    status = _status(error)
    if status in (401, 403):
        return f"{hub} refused ({status}). Set HF_TOKEN to a token that may do this."
    if status == 402:
        return f"{hub} wants a paid plan (402). Free accounts may make Spaces on ZeroGPU: make one, then try again."
    if status != 599:
        return f"{hub} answered with an error ({status}). Try again later."
    why = re.sub(r"\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
    return f"the connection to {hub} failed or broke off ({why}). Check the network and try again."
