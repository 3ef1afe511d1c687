"""Up to a Hub and down again, over its real protocol, with everything that can go wrong on the way."""

import json
import re
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants, file_download

from cxr_demo.errors import BadModel, ModelUnavailable, UnknownModel, UnreadableImage
from cxr_demo.models import hub as client
from cxr_demo.models import model_folder
from tests.support import hub_server
from tests.support import published as tiny
from tests.support.published import FILES, REPO
from tests.support.tiny_model import SPEC, network

# huggingface_hub 2.4 sends large files with an argument that its own HTTP library calls old
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

hub = hub_server.hub
folder, published, public = tiny.folder, tiny.published, tiny.public


@torch.no_grad()
def test_what_is_pushed_comes_back(hub, folder, published):
    pulled = client.pull(REPO, FILES, optional=("README.md",))
    assert pulled.commit == published
    x = torch.randn(1, 1, 64, 64)
    here, there = (model_folder.load(f, "tiny") for f in (folder, pulled.folder))
    assert torch.equal(here.logits(x), there.logits(x))
    assert model_folder.read_card(pulled.folder) == "# Card\n"


def test_a_push_is_one_commit_of_the_three_files(hub, folder, published):
    repo = hub.repos["models", REPO]
    assert list(repo.commits)[1:] == [published], "after that of its making"
    assert set(repo.commits[published]) == {".gitattributes", "config.json", "model.safetensors", "README.md"}
    assert hub.stored  # the weights went to large file storage


def test_a_second_push_goes_on_from_the_first(hub, folder, published):
    model_folder.save(folder, SPEC, network(seed=1), "# Second\n")
    second = client.push(folder, REPO)
    assert second != published
    assert client.pull(REPO, FILES).commit == second
    assert client.pull(REPO, FILES, revision=published).commit == published


def test_what_is_no_model_folder_is_not_pushed(hub, folder):
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(BadModel, match="not a whole safetensors file"):
        client.push(folder, REPO)
    assert hub.log == []


@pytest.mark.parametrize("token", ["", "hf_wrong"])
def test_a_push_without_leave_says_what_to_set(hub, folder, token, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere")
    with pytest.raises(ModelUnavailable, match="HF_TOKEN"):
        client.push(folder, REPO)


def test_a_commit_in_the_cache_asks_nothing(hub, published):
    client.pull(REPO, FILES, revision=published)
    hub.log.clear()
    client.pull(REPO, FILES, revision=published)
    assert hub.log == []


def test_a_branch_follows_the_hub_and_holds_without_it(hub, folder, published):
    assert client.pull(REPO, FILES).commit == published
    model_folder.save(folder, SPEC, network(seed=1), "")
    second = client.push(folder, REPO)
    assert client.pull(REPO, FILES).commit == second
    hub.stop()
    assert client.pull(REPO, FILES).commit == second


def test_offline_serves_the_cache_and_nothing_else(hub, published, monkeypatch):
    client.pull(REPO, FILES)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.log.clear()
    assert client.pull(REPO, FILES).commit == published
    with pytest.raises(ModelUnavailable, match="someone/other is not in the cache, and HF_HUB_OFFLINE forbids"):
        client.pull("someone/other", FILES)
    assert hub.log == []


@pytest.mark.parametrize("revision", ["main", "a" * 40])
def test_a_server_that_is_gone_is_a_sentence_at_once(hub, revision, monkeypatch):
    monkeypatch.setattr(file_download.time, "sleep", lambda _: pytest.fail("it waited to try again"))
    hub.stop()
    with pytest.raises(ModelUnavailable) as refused:
        client.pull(REPO, FILES, revision=revision)
    assert f"{REPO} cannot be reached: the connection to {hub.url} failed" in str(refused.value)
    assert "Check the network" in str(refused.value)


def test_a_server_that_does_not_answer_is_a_sentence_or_the_cache(hub, published, monkeypatch):
    def answers(slow):
        hub.slow = slow
        monkeypatch.setattr(client, "PATIENCE", 0.1 if slow else 20)

    answers(slow=0.5)
    with pytest.raises(ModelUnavailable, match=f"{REPO} cannot be reached: the connection to {hub.url} failed"):
        client.pull(REPO, FILES)
    answers(slow=0)
    client.pull(REPO, FILES)
    answers(slow=0.5)
    assert client.pull(REPO, FILES).commit == published


@pytest.mark.parametrize("revision", ["main", "a" * 40])
def test_a_server_in_trouble_is_a_sentence(hub, published, revision):
    hub.broken = True
    with pytest.raises(ModelUnavailable, match=r"answered with an error \(500\). Try again later"):
        client.pull(REPO, FILES, revision=revision)


@pytest.mark.parametrize("revision", ["main", "a" * 40])
def test_an_answer_that_is_not_the_hubs_is_a_sentence(hub, revision):
    hub.portal = True
    with pytest.raises(ModelUnavailable, match="Check the network"):
        client.pull(REPO, FILES, revision=revision)


def test_a_hub_in_trouble_leaves_what_is_in_the_cache_and_a_refusal_does_not(hub, published):
    client.pull(REPO, FILES)
    hub.broken = True
    assert client.pull(REPO, FILES).commit == published
    hub.broken = False
    hub.repos["models", REPO].gated = True
    with pytest.raises(ModelUnavailable, match="is gated"):
        client.pull(REPO, FILES)


def test_names_that_do_not_exist(hub, published):
    with pytest.raises(UnknownModel, match="has no repository 'someone/other'"):
        client.pull("someone/other", FILES)
    with pytest.raises(UnknownModel, match=f"{REPO} has no revision 'v9'"):
        client.pull(REPO, FILES, revision="v9")
    with pytest.raises(UnknownModel, match="has no repository 'some--one/x'"):
        client.pull("some--one/x", FILES)
    with pytest.raises(BadModel, match=f"{REPO} at main has no model.onnx"):
        client.pull(REPO, ["model.onnx"])


def test_a_gated_repository_says_where_to_ask(hub, published):
    hub.repos["models", REPO].gated = True
    with pytest.raises(ModelUnavailable, match=f"{REPO} is gated: accept its conditions at {hub.url}/{REPO}"):
        client.pull(REPO, FILES)


def test_a_cut_download_goes_on_where_it_stopped(hub, folder, published):
    hub.cut["model.safetensors"] = 2
    pulled = client.pull(REPO, FILES)
    assert (pulled.folder / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert sum("GET" in line and "model.safetensors" in line for line in hub.log) == 3


def test_a_download_that_is_always_cut_is_a_sentence_and_leaves_no_model(hub, published):
    hub.cut["config.json"] = 1000
    with pytest.raises(ModelUnavailable, match="broke off"):
        client.pull(REPO, FILES)
    hub.cut.clear()
    client.pull(REPO, FILES)


def test_bytes_that_are_not_those_the_hub_lists_are_thrown_away(hub, published):
    hub.damaged.add("model.safetensors")
    with pytest.raises(BadModel, match=r"model\.safetensors of someone/tiny was damaged in transfer"):
        client.pull(REPO, FILES)
    hub.damaged.clear()
    model_folder.load(client.pull(REPO, FILES).folder, "tiny")


@pytest.mark.parametrize("fault", ["damaged", "cut"])
def test_the_last_good_model_stays_when_a_newer_one_does_not_arrive(hub, folder, published, fault, caplog):
    client.pull(REPO, FILES)
    model_folder.save(folder, SPEC, network(seed=1), "")
    second = client.push(folder, REPO)
    if fault == "damaged":
        hub.damaged.add("model.safetensors")
    else:
        hub.cut["model.safetensors"] = 10**6
    for _ in range(2):  # the library has moved the branch on when it is asked again
        assert client.pull(REPO, FILES).commit == published
    assert f"Commit {published}, which was fetched before, serves instead." in caplog.text
    hub.broken = True
    assert client.pull(REPO, FILES).commit == published
    hub.broken, hub.cut = False, {}
    hub.damaged.clear()
    assert client.pull(REPO, FILES).commit == second


def test_a_newer_commit_that_is_no_model_is_said(hub, published):
    """What its owner did is not the network's doing."""
    client.pull(REPO, FILES)
    hub.repos["models", REPO].commit({"notes.txt": b"away"})
    with pytest.raises(BadModel, match=r"has no config\.json"):
        client.pull(REPO, FILES)


@pytest.mark.parametrize("name", FILES)
def test_bytes_that_rot_in_the_cache_are_noticed_and_fetched_again(hub, folder, published, name):
    blob = (client.pull(REPO, FILES).folder / name).resolve()
    data = blob.read_bytes()
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BadModel, match=f"{name} of {REPO} was damaged in transfer and discarded"):
        client.pull(REPO, FILES)
    assert (client.pull(REPO, FILES).folder / name).read_bytes() == data


def test_records_that_cannot_be_read_trust_nothing_anew(hub, tmp_path):
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"weights")
    client.verify_checksum(weights, "a/w.pt", None)
    record = Path(constants.HF_HOME) / "cxr_demo" / "checksums.json"
    record.write_text("{")
    with pytest.raises(BadModel, match="cannot be read"):
        client.verify_checksum(weights, "a/w.pt", None)
    assert record.read_text() == "{"


# ---------------------------------------------------------------------- for anybody


def test_a_public_repository_is_looked_up_and_fetched_without_a_token(hub, folder, public, tmp_path):
    commit, sizes = client.look_up(REPO)
    assert commit == public
    assert sizes == {".gitattributes": 0} | {n: (folder / n).stat().st_size for n in (*FILES, "README.md")}
    pulled = client.pull_public(REPO, commit, FILES, tmp_path / "apart")
    assert pulled.folder.is_relative_to(tmp_path / "apart")
    assert hub.tokens == {None}
    hub.log.clear()
    assert client.pull_public(REPO, commit, FILES, tmp_path / "apart") == pulled
    assert hub.log == []


def test_what_only_a_token_may_read_is_not_public_even_if_it_is_in_the_cache(hub, published, tmp_path):
    client.pull(REPO, FILES)
    client.pull(REPO, FILES, revision=published)
    with pytest.raises(UnknownModel, match=f"has no public repository '{REPO}'; check the name"):
        client.look_up(REPO)
    with pytest.raises(UnknownModel, match="has no public repository"):
        client.pull_public(REPO, published, FILES, tmp_path / "apart")


def test_public_bytes_that_are_not_those_the_hub_lists_are_thrown_away(hub, public, tmp_path):
    hub.damaged.add("model.safetensors")
    with pytest.raises(BadModel, match="damaged in transfer"):
        client.pull_public(REPO, public, FILES, tmp_path / "apart")
    hub.damaged.clear()
    client.pull_public(REPO, public, FILES, tmp_path / "apart")


def test_a_visitor_is_not_told_what_only_who_runs_this_can_do(hub, public, tmp_path, monkeypatch):
    def said(error, *revision):
        with pytest.raises(error) as refused:
            client.look_up(REPO, *revision)
        assert not re.search("HF_|token", str(refused.value))
        return str(refused.value)

    assert f"{REPO} has no revision 'v9'" in said(UnknownModel, "v9")
    hub.repos["models", REPO].gated = True
    assert f"{REPO} is gated" in said(ModelUnavailable)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "downloads nothing" in said(ModelUnavailable)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub.stop()
    assert f"{REPO} cannot be reached" in said(ModelUnavailable)


@pytest.fixture
def film(hub, monkeypatch):
    """The table's example film, here some bytes of ours."""
    import dataclasses
    import hashlib

    data = b"a film"
    example = dataclasses.replace(client.EXAMPLES[0], sha256=hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(client, "EXAMPLES", (example,))
    hub.repo(example.space, "spaces").commit({example.path: data, "app.py": b"other"})
    return example


def test_an_example_film_is_fetched_once(hub, film):
    path = client.fetch_example(film.name)
    assert path.read_bytes() == b"a film"
    assert not any("app.py" in line for line in hub.log if "resolve" in line)
    hub.log.clear()
    assert client.fetch_example(film.name) == path
    assert hub.log == []


def test_an_example_that_takes_long_is_said_and_then_is_there(hub, film):
    hub.slow = 0.3
    with pytest.raises(UnreadableImage, match="still being fetched; please try again"):
        client.fetch_example(film.name, 0.05)
    assert client.fetch_example(film.name, 20).read_bytes() == b"a film"


def test_another_film_under_the_same_name_is_not_shown(hub, film):
    hub.repo(film.space, "spaces").commit({film.path: b"other film"})
    for _ in range(2):  # not from the cache either
        with pytest.raises(UnreadableImage, match="has changed since it became an example"):
            client.fetch_example(film.name)


def test_an_example_that_cannot_be_had_is_a_sentence(hub, film):
    with pytest.raises(UnreadableImage, match="There is no example 'nothing'; there are 16747"):
        client.fetch_example("nothing")
    hub.stop()
    with pytest.raises(UnreadableImage, match=r"The example film 16747_3_1\.jpg cannot be fetched"):
        client.fetch_example(film.name)


def test_checksums_known_and_recorded(hub, tmp_path):
    import hashlib

    file, digest = tmp_path / "w.pt", hashlib.sha256(b"first").hexdigest()
    file.write_bytes(b"first")
    client.verify_checksum(file, "a/w.pt", digest)
    with pytest.raises(BadModel, match="should have 000"):
        client.verify_checksum(file, "a/w.pt", "0" * 64)
    client.verify_checksum(file, "b/w.pt", None)
    client.verify_checksum(file, "b/w.pt", None)
    record = Path(constants.HF_HOME) / "cxr_demo" / "checksums.json"
    assert json.loads(record.read_text()) == {"b/w.pt": digest}
    file.write_bytes(b"second")
    with pytest.raises(BadModel, match=r"b/w.pt has the sha256 .* delete the line of b/w.pt in .*checksums.json"):
        client.verify_checksum(file, "b/w.pt", None)
    client.verify_checksum(file, "c/w.pt", None)
    assert list(record.parent.iterdir()) == [record]
