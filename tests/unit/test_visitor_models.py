"""Models of the Hub that a visitor names: fetched by nobody's leave, held to limits, let go of again."""

import dataclasses
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from huggingface_hub import constants

from cxr_demo.errors import BadModel, ModelUnavailable, UnknownModel
from cxr_demo.models import model_folder, registry, visitor_models
from cxr_demo.single_flight import SingleFlight
from cxr_demo.web import requests
from tests.support import hub_server, visitors
from tests.support.tiny_model import ARGUMENTS, SPEC, network
from tests.support.visitors import REPO, all_of, kept

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

hub = hub_server.hub
publish, _nobody_has_come_yet = visitors.publish, visitors.nobody_has_come_yet


def config(**changes):
    """A description with some fields changed, as the bytes of a file."""
    return json.dumps({**json.loads(model_folder.dumps(SPEC)), **changes}).encode()


def resolved(hub):
    """The files that were fetched."""
    return {line.rpartition("/")[2] for line in hub.log if line.startswith("GET") and "/resolve/" in line}


def refused(error, name=REPO, **more):
    """The sentence about a name that cannot be had; it says nothing of this machine."""
    with pytest.raises(error) as caught:
        visitor_models.load(name, **more)
    said = str(caught.value)
    assert constants.HF_HOME not in said
    assert "HF_" not in said
    assert "\n" not in said
    return said


# ------------------------------------------------------------------ who may come


@torch.no_grad()
def test_a_guest_is_what_was_published_under_its_commit(publish):
    commit = publish()
    model = visitor_models.load(REPO)
    assert model.name == f"{REPO}@{commit}"
    x = torch.randn(1, 1, 64, 64)
    torch.testing.assert_close(model.logits(x), network()(x), rtol=1e-5, atol=1e-5)
    assert visitor_models.load(model.name) is visitor_models.load(f"{REPO}@main") is model
    assert visitor_models.choice(model) == registry.Source(model.name, f"{REPO}@{commit[:7]}")


def test_a_branch_is_followed_and_a_commit_stays(publish):
    publish()
    first = visitor_models.load(REPO)
    second = publish(seed=1)
    assert visitor_models.load(REPO).name == f"{REPO}@{second}"
    assert visitor_models.load(first.name) is first


def test_a_guest_that_is_here_asks_nobody(hub, publish):
    name = visitor_models.load(f"{REPO}@{publish()}").name
    hub.log.clear()
    visitor_models.load(name)
    assert hub.log == []


@pytest.mark.parametrize(
    "name",
    [
        "tiny", "someone/tiny/more", "https://huggingface.co/someone/tiny", "someone/tiny@", "someone/tiny@a/b",
        "someone/..", "../tiny", "./tiny", "/etc/passwd", "~/tiny", "someone/tiny@..", "a..b/tiny",
        "someone/tiny@v1..2", "xrv:densenet121-res224-all", "xrv:a/b", "bundled:nih14", "bundled:a/b", "hub", "",
        " someone/tiny", "someone/tiny\n", "someone/tiny@v 1", "someone\\tiny", "sömeone/tiny",
        "someone/tiny@" + "v" * 97, "a" * 97 + "/tiny",
    ],
)  # fmt: skip
def test_other_names_are_refused_before_anybody_is_asked(hub, publish, name):
    publish()
    assert "owner/name@revision" in refused(UnknownModel, name)
    assert hub.log == []


def test_a_folder_of_this_machine_is_never_read(hub, tmp_path, monkeypatch):
    model_folder.save(tmp_path / "someone" / "tiny", SPEC, network(), "")
    monkeypatch.chdir(tmp_path)
    assert "has no public repository" in refused(UnknownModel)


def test_no_token_is_shown_and_what_needs_one_is_not_there(hub, publish, monkeypatch):
    commit = publish()
    visitor_models.load(REPO)
    assert hub.tokens == {None}
    hub.repos["models", REPO].private = True
    registry.load(f"{REPO}@{commit}")  # its owner has it
    monkeypatch.setattr(visitor_models, "_shelf", visitor_models.Shelf())
    for name in (REPO, f"{REPO}@{commit}"):
        assert f"has no public repository '{REPO}'" in refused(UnknownModel, name)


def test_what_cannot_be_had_is_a_sentence(hub, publish):
    assert f"{hub.url} has no public repository '{REPO}'; check the name." == refused(UnknownModel)
    publish()
    assert "has no revision 'v9'" in refused(UnknownModel, f"{REPO}@v9")
    hub.repos["models", REPO].gated = True
    assert f"{REPO} is gated" in refused(ModelUnavailable)
    hub.stop()
    assert f"{REPO} cannot be reached" in refused(ModelUnavailable)


# ------------------------------------------------------------------ what they may bring


def test_only_a_model_folders_files_are_fetched(hub, publish):
    publish(app_py=b"print()", model_bin=b"pickled")
    visitor_models.load(REPO)
    assert resolved(hub) == {"config.json", "model.safetensors", "README.md"}


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_repository_without_its_files_is_no_model_folder(hub, publish, name):
    commit = publish()
    del hub.repo(REPO).commits[commit][name]
    assert f"{REPO} is not a model folder of this program: it has no {name}." == refused(BadModel)
    assert resolved(hub) == set()


@pytest.mark.parametrize(
    ("limit", "words"), [("LARGEST", "the limit for a visitor's model is 0.0 MB"), ("LONGEST", "config.json of")]
)
def test_sizes_are_held_to_limits_before_anything_is_fetched(hub, publish, monkeypatch, limit, words):
    publish()
    monkeypatch.setattr(visitor_models, limit, 100)
    assert words in refused(BadModel)
    assert resolved(hub) == set()
    assert kept() == set()


def test_the_limits_are_on_what_is_fetched_alone(publish, monkeypatch):
    publish(model_bin=b"0" * 10**6)
    monkeypatch.setattr(visitor_models, "LARGEST", 900_000)
    visitor_models.load(REPO)


NESTED = config(arguments="here").replace(b'"here"', b'{"a":' * 900 + b"1" + b"}" * 900)


@pytest.mark.parametrize(
    ("description", "words"),
    [
        (b'{"model_type": "vit"}', "config.json: this is not the description of a model: it has no `format`"),
        (config(architecture="VGG"), "Unknown architecture 'VGG'; known are DenseNet"),
        (config(size=2048), "it has 2 findings and an input of 2048 pixels; the limits are 100 and 1024"),
        (
            config(labels=list(map(str, range(101))), calibration=None, thresholds=None),
            "it has 101 findings and an input of 64 pixels",
        ),
        (config(arguments={"block_config": [10**9]}), "numbers in its arguments add up to more than 512"),
        (config(arguments={"block_config": {"a": [-513]}}), "numbers in its arguments add up to more than 512"),
        (config(arguments={**ARGUMENTS, "depth": 3}), "does not take these arguments"),
        (config(arguments={"growth_rate": 100, "block_config": [100]}, size=224), "billion operations"),
        (config(arguments={**ARGUMENTS, "num_init_features": 128}, size=1024), "34 million values; the limits"),
        (NESTED, ""),
    ],
    ids=["format", "architecture", "size", "labels", "endless", "negative", "arguments", "slow", "large", "nested"],
)
def test_a_description_is_checked_before_the_weights_are_fetched(hub, publish, description, words):
    commit = publish(config_json=description)
    said = refused(BadModel)
    assert said.startswith(f"{REPO}@{commit} cannot be used here: ")
    assert words in said
    assert resolved(hub) == {"config.json"}
    assert kept() == set()


def test_other_weights_than_described_are_refused_and_thrown_away(publish):
    publish(config_json=config(arguments={**ARGUMENTS, "growth_rate": 8}))
    assert "model.safetensors" in refused(BadModel)
    publish(model_safetensors=b"no weights")
    assert "cannot be used here: model.safetensors is not a whole safetensors file" in refused(BadModel)
    assert kept() == set()


@pytest.mark.parametrize(
    ("architecture", "size"), [("DenseNet", 1024), ("ResNet101", 512), ("EfficientNetLite0", 1024)]
)
def test_common_networks_are_within_the_limits(architecture, size):
    visitor_models._hold_to_cost(dataclasses.replace(SPEC, architecture=architecture, arguments={}, size=size))


def test_a_cut_download_goes_on_where_it_stopped(hub, publish):
    publish()
    hub.cut["model.safetensors"] = 2
    visitor_models.load(REPO)
    assert sum("GET" in line and "model.safetensors" in line for line in hub.log) == 3


# ------------------------------------------------------------------ how many, and how long


def test_one_that_is_in_use_is_not_let_go_of(publish):
    used, _ = all_of(publish, "a", "b")
    del _
    all_of(publish, "c")
    all_of(publish, "d")
    assert visitor_models.load(used.name) is used


def test_where_all_are_in_use_nothing_is_taken_from_anybody(publish):
    used = all_of(publish, "a", "b", "c")
    publish("someone/d")
    assert "places for visitors' models are in use. Please try again" in refused(ModelUnavailable, "someone/d")
    assert [visitor_models.load(model.name) is model for model in used] == [True] * 3
    used.clear()
    visitor_models.load("someone/d")


def test_files_that_are_here_are_not_fetched_again(hub, publish, monkeypatch):
    publish()
    visitor_models.load(REPO)
    monkeypatch.setattr(visitor_models, "_shelf", visitor_models.Shelf())  # as after a restart
    hub.log.clear()
    visitor_models.load(REPO)
    assert resolved(hub) == set()


@pytest.fixture
def slow(hub, publish, monkeypatch):
    """Two models, of which reading the first takes until this is set."""
    publish("someone/a")
    publish("someone/b")
    may, read = threading.Event(), model_folder.load
    monkeypatch.setattr(
        model_folder, "load", lambda *args, **more: (args[1] != "someone/a" or may.wait(20)) and read(*args, **more)
    )
    yield may
    may.set()


def test_one_is_fetched_at_a_time_and_others_wait_or_are_told(slow, monkeypatch):
    assert "someone/a is still being fetched" in refused(ModelUnavailable, "someone/a", patience=2)
    monkeypatch.setattr(visitor_models, "PATIENCE", 0.1)
    assert "Another model is being fetched" in refused(ModelUnavailable, "someone/b")
    monkeypatch.setattr(visitor_models, "PATIENCE", 20)
    with ThreadPoolExecutor(1) as other:
        waits = other.submit(visitor_models.load, "someone/b")
        slow.set()
        assert waits.result(20).name.startswith("someone/b@")
    assert visitor_models.load("someone/a", 20).name.startswith("someone/a@")


def test_two_names_of_one_model_are_fetched_once(hub, slow):
    hub.log.clear()
    with ThreadPoolExecutor(2) as others:
        both = [others.submit(visitor_models.load, name) for name in ("someone/a", "someone/a@main")]
        while sum(line.endswith("/revision/main") for line in hub.log) < 2:
            time.sleep(0.01)
        slow.set()
        assert both[0].result(20) is both[1].result(20)


def test_who_waits_is_counted(slow, monkeypatch):
    monkeypatch.setattr(visitor_models, "_waiting", threading.BoundedSemaphore(1))
    with ThreadPoolExecutor(1) as other:
        waits = other.submit(visitor_models.load, "someone/a")
        while visitor_models._waiting._value:
            time.sleep(0.01)
        assert "Too many visitors are waiting" in refused(ModelUnavailable, "someone/b")
        slow.set()
        waits.result(20)
    visitor_models.load("someone/b")


# ------------------------------------------------------------------ what the page says of them


def test_a_card_is_shown_without_what_a_browser_would_fetch(publish):
    publish(
        card="---\nlicense: x\n---\n# Card\n\n![a](http://a.example) \\![b](http://b.example) <img src=//c.example>\n"
    )
    card = visitor_models.card(visitor_models.load(REPO))
    assert card.startswith("# Card")
    assert "![" not in card
    assert "<" not in card
    assert "http://a.example" in card


def test_without_a_card_it_says_what_it_is(hub, publish):
    commit = publish()
    del hub.repo(REPO).commits[commit]["README.md"]
    assert f"`{REPO}@{commit}`" in visitor_models.card(visitor_models.load(REPO))


# ------------------------------------------------------------------ whether the page takes them


def test_where_the_list_is_open_a_guest_may_be_asked_for(publish, monkeypatch):
    commit = publish()
    for listed in (None, "hub", "bundled:nih14, hub"):
        if listed is not None:
            monkeypatch.setenv("CXR_MODELS", listed)
        assert requests.offered(REPO).name == f"{REPO}@{commit}"
    assert requests.choice_of(REPO) == visitor_models.choice(visitor_models.load(REPO))
    assert requests.card_of(REPO) == "# Card"
    with pytest.raises(UnknownModel, match=r"'tiny' is not offered here; choose one of .*, or a public model folder"):
        requests.offered("tiny")


def test_where_the_list_is_closed_nobody_is_asked(hub, publish, monkeypatch):
    publish()
    monkeypatch.setenv("CXR_MODELS", "bundled:nih14")
    for ask in (requests.offered, requests.choice_of, requests.card_of):
        with pytest.raises(UnknownModel, match=f"'{REPO}' is not offered here; choose one of bundled:nih14\\.$"):
            ask(REPO)
    assert hub.log == []


def test_what_is_on_the_list_is_its_owners_and_no_guest(hub, publish, monkeypatch):
    monkeypatch.setattr(registry, "_loaded", SingleFlight())  # another test may have loaded a model of this name
    commit = publish()
    hub.repos["models", REPO].private = True
    monkeypatch.setenv("CXR_MODELS", f"{REPO},hub")
    assert requests.offered(REPO).name == f"{REPO}@{commit}"
    assert requests.choice_of(REPO) == registry.Source(REPO, REPO)
    with pytest.raises(UnknownModel, match="has no public repository"):
        requests.offered(f"{REPO}@{commit}")


@pytest.mark.parametrize("name", [5, None, ["a/b"], {"a": "b"}])
def test_a_name_that_is_no_text_is_a_sentence(name):
    with pytest.raises(UnknownModel, match="is not offered here"):
        requests.choice_of(name)
