"""The Hugging Face Hub: model folders up and down, public example films. The only importer of huggingface_hub.

HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE count as in the library. Its errors become sentences of ours.
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

from cxr_demo.errors import BadModel, ModelError, ModelUnavailable, UnknownModel, UnreadableImage, remedy, sentence_of
from cxr_demo.files import sha256_of, write_whole
from cxr_demo.messages import message
from cxr_demo.models import model_folder
from cxr_demo.single_flight import SingleFlight, TooSlow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

log = logging.getLogger(__name__)

#: Seconds to wait for a first answer.
PATIENCE = 10.0

COMMIT = re.compile("[0-9a-f]{40}")

#: Example films that are on their way.
_fetching: SingleFlight[Path] = SingleFlight()

#: Guards the files of records.
_recording = threading.Lock()


@dataclass(frozen=True)
class Pulled:
    """Files of a repository at one commit, in a local folder that nobody writes to."""

    folder: Path
    commit: str  # 40 hex digits


@dataclass(frozen=True)
class ExampleFilm:
    """A public film that is fetched when somebody asks for it; the checksum decides that it is the one."""

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
    """The Hub's address: HF_ENDPOINT, or else the public one."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def pull(
    repo: str, files: Sequence[str], *, revision: str = "main", optional: Sequence[str] = (), kind: str = "model"
) -> Pulled:
    """These files of a repository, all of one commit; with a commit as the revision nothing is asked twice.

    A branch is looked up each time. While the Hub is down, offline, breaks off, or sends what it does not list, it is
    as it was when last all of it was here: a warning in the log says so.
    UnknownModel: no such repository or revision. BadModel: it has no such file, or what arrived is not what the
    Hub lists. ModelUnavailable: it cannot be fetched or kept now, and is not in the cache either.
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


def look_up(repo: str, revision: str = "main") -> tuple[str, dict[str, int]]:
    """A public repository's commit, and the bytes of each of its files, as the Hub lists them for anybody.

    UnknownModel: no such repository or revision, or not for everybody. ModelUnavailable: it cannot be asked now.
    """
    from huggingface_hub import HfApi

    with _public_sentences(repo, revision):
        api = HfApi(endpoint=endpoint(), token=False)
        info = api.repo_info(repo, revision=revision, timeout=PATIENCE, files_metadata=True)
        return str(info.sha), {file.rfilename: int(file.size) for file in info.siblings}


def pull_public(repo: str, commit: str, files: Sequence[str], folder: Path, *, optional: Sequence[str] = ()) -> Pulled:
    """What `pull` gives of a commit, fetched without any token, and kept in a folder apart from the library's cache.

    The errors are those of `pull`.
    What only the token of whoever runs this may read is found neither on the Hub nor here.
    """
    with _public_sentences(repo, commit):
        found = _cached(repo, files, commit, "model", folder) or _fetched(
            repo, [*files, *optional], commit, "model", folder, token=False
        )
    return _whole(found, repo, files, commit)


class Damaged(BadModel):
    """What arrived is not what the Hub lists."""


def _refused(error: ModelError) -> bool:
    """Whether the Hub answered that it would not give it, and not that it could not just now."""
    reason = error.__context__
    return any(_status(each) in (401, 403, 404, 410) for each in (reason, reason and reason.__cause__) if each)


def _whole(folder: Path, repo: str, files: Sequence[str], revision: str) -> Pulled:
    """A folder of the cache, if these files are there and are what the Hub lists."""
    for name in files:
        if not (folder / name).is_file():
            raise BadModel(message("error.model.no_file", repo=repo, revision=revision, file=name))
        _compare(folder / name, repo)
    return Pulled(folder, folder.name)


def _before(repo: str, files: Sequence[str], revision: str, kind: str, branch: str) -> list[Path]:
    """Folders that hold what a branch was: as the library has it, and as it was when last all of it was here.

    The library moves a branch on before it downloads; a download that is cut leaves it at a commit that is not here.
    """
    last = _records(LAST).get(branch)
    found = [_cached(repo, files, commit, kind) for commit in (revision, last) if commit]
    folders = [folder for folder in found if folder is not None]
    if folders and last is None:
        _keep_record(LAST, branch, folders[0].name)
    return folders


def _first_whole(folders: Sequence[Path], repo: str, files: Sequence[str], revision: str) -> Pulled | None:
    for folder in folders:
        with suppress(BadModel):
            return _whole(folder, repo, files, revision)
    return None


def _fetched(
    repo: str, files: Sequence[str], revision: str, kind: str, cache: Path | None = None, token: bool | None = None
) -> Path:
    """The folder of a revision with what there is of these files, now that the Hub has answered."""
    from huggingface_hub import HfApi, snapshot_download

    # asked first, because the download itself waits for an answer for ever, or tries for half a minute
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
    """The folder of a revision in the cache, if all these files are there."""
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(repo, name, cache, revision=revision, repo_type=kind) for name in files]
    if not all(isinstance(path, str) for path in found):
        return None
    return Path(str(found[0])).parents[len(Path(files[0]).parts) - 1]


def _compare(path: Path, repo: str) -> None:
    """Damaged for a file whose bytes are not those that the Hub lists; the library compares sizes only.

    The cache keeps a large file under its sha256, a small one under git's checksum of it, and links to it; where it
    cannot link, nothing is compared.
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
    """The newest commit of a repository that may be seen, None where there is none; ModelUnavailable if unreachable."""
    from huggingface_hub import HfApi

    try:
        with _sentences(repo, "main"):
            commit: str | None = HfApi(endpoint=endpoint()).repo_info(repo, timeout=PATIENCE).sha
            return commit
    except UnknownModel:
        return None


def is_open(repo: str) -> bool:
    """Whether anybody may fetch a repository, without a token; the errors of `pull` where it cannot be asked."""
    from huggingface_hub import HfApi

    with _sentences(repo, "main"):
        info = HfApi(endpoint=endpoint()).repo_info(repo, timeout=PATIENCE)
        return not (info.private or info.gated)


def push(
    folder: Path, repo: str, *, along: Sequence[str] = (), private: bool = True, message: str = "Publish a model"
) -> str:
    """Publish a model folder as one commit of a repository, made where it is missing; the commit.

    Of other files in it only those in `along`: what lies there by chance stays at home.

    BadModel where the folder would not load; ModelUnavailable where the Hub refuses or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    folder = Path(folder)
    model_folder.load(folder, repo)
    api = HfApi(endpoint=endpoint())
    with _sentences(repo, "main"):
        api.create_repo(repo, private=private, exist_ok=True)
        names = (model_folder.CONFIG, model_folder.WEIGHTS, model_folder.CARD, *along)
        files = [CommitOperationAdd(name, folder / name) for name in names if (folder / name).is_file()]
        commit: str = api.create_commit(repo, files, commit_message=message).oid
    return commit


def send_space(folder: Path, repo: str, variables: Mapping[str, str], *, replaced: str) -> str:
    """Send a folder to a Space as one commit, and set its variables; made, private, where it is missing; the commit.

    Files there that match `replaced` and are not in the folder are deleted, others stay.
    ModelUnavailable where the Hub refuses or cannot be reached.
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
        commit: str = sent.oid
    return commit


def example_films() -> tuple[ExampleFilm, ...]:
    """The public films a visitor may ask for."""
    return EXAMPLES


def fetch_example(name: str, patience: float | None = None) -> Path:
    """A public example film by its name, from the cache where it is there; UnreadableImage where it cannot be had.

    That is also where it takes more than so many seconds; it is fetched all the same, for the next one who asks.
    """
    try:
        return _fetching.get(name, lambda: _example(name), patience, keep=False)
    except TooSlow:
        raise UnreadableImage(message("error.example.fetching", name=name)) from None


def _example(name: str) -> Path:
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
    """BadModel unless a file has this checksum; without one, unless it has that of the first file under this key.

    The first is recorded in the Hub's cache, so that weights nobody published a checksum of cannot change unseen.
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
    """Where the project keeps what it may make again, beside the Hub's own cache; it need not exist."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME, "cxr_demo")


#: Records beside the cache: checksums of first downloads, and the last commits of branches that were here whole.
CHECKSUMS, LAST = "checksums.json", "branches.json"


def _recorded(key: str, found: str) -> tuple[str, Path]:
    """The checksum recorded for a key, this one if there is none yet; and the file of records."""
    path = own_cache() / CHECKSUMS
    with _recording:
        try:
            known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (OSError, ValueError) as error:
            # what cannot be read must not be taken for nothing: all would be trusted anew
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
    """What is recorded under a name; nothing where that cannot be read."""
    try:
        found = json.loads((own_cache() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep_record(name: str, key: str, value: str) -> None:
    """Record a value where that can be written."""
    with _recording:
        known = _records(name)
        if known.get(key) != value:
            _write(own_cache() / name, {**known, key: value})


def _write(path: Path, records: dict[str, str]) -> bool:
    """All of a file of records or nothing; whether it could be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(records, indent=2, sort_keys=True))
    except OSError:
        return False
    return True


@contextmanager
def _sentences(repo: str, revision: str) -> Iterator[None]:
    """The library's errors about a repository as ours."""
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
        # RuntimeError: an upload, with the reason behind it; from ValueError on: an answer that is not the Hub's
        reason = _reason(error.__cause__ or error, hub)
        raise ModelUnavailable(message("error.model.unreachable", repo=repo, reason=reason)) from None


@contextmanager
def _public_sentences(repo: str, revision: str) -> Iterator[None]:
    """The same for a visitor, who can neither set a variable here nor make room."""
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
    """The status that the Hub answered with; 599 where it did not answer."""
    response = getattr(error, "response", None)
    return 599 if response is None else response.status_code


def _reason(error: BaseException, hub: str) -> str:
    """What came back from the Hub, and what to do about it."""
    status = _status(error)
    if status in (401, 403):
        return f"{hub} refused ({status}). Set HF_TOKEN to a token that may do this."
    if status == 402:
        return f"{hub} wants a paid plan (402). Free accounts may make Spaces on ZeroGPU: make one, then try again."
    if status != 599:
        return f"{hub} answered with an error ({status}). Try again later."
    why = str(error) or type(error).__name__
    return f"the connection to {hub} failed or broke off ({why}). Check the network and try again."
