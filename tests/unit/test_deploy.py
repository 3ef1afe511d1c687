"""A Space from this repository: what is sent to a Hub, and that it is all that a page needs."""

import re
from importlib.metadata import version

import pytest
import yaml
from huggingface_hub import SpaceCard, SpaceHardware

from cxr_demo import cli, deploy
from cxr_demo.errors import BadSetting, DataError, UnknownModel
from cxr_demo.models import hub as client
from cxr_demo.models import registry
from cxr_demo.single_flight import SingleFlight
from tests.support import hub_server
from tests.support.documents import anchors
from tests.support.library_models import save
from tests.support.serving import save_model

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
hub = hub_server.hub

SPACE = "someone/films"


@pytest.fixture(autouse=True)
def _nothing_is_loaded_yet(monkeypatch):
    monkeypatch.setattr(registry, "_loaded", SingleFlight())


@pytest.fixture
def published(hub, tmp_path):
    """A model on the Hub by its commit."""
    return client.push(save_model(tmp_path / "tiny"), "someone/tiny", private=False)


def front_matter(readme: bytes | str) -> dict:
    text = readme.decode() if isinstance(readme, bytes) else readme
    return yaml.safe_load(text.split("---\n")[1])


def test_a_space_is_made_with_its_model(hub, published, capsys):
    assert cli.main(["deploy", SPACE, "--model", "someone/tiny"]) == 0
    said = capsys.readouterr().out
    space = hub.repos["spaces", SPACE]
    commit = space.refs["main"]
    assert len(space.commits) == 2, "one beside that of its making"
    assert space.sdk == "gradio"
    assert space.variables == {"CXR_MODEL": f"someone/tiny@{published}"}
    assert f"{hub.url}/spaces/{SPACE} is at {commit}" in said
    files = space.commits[commit]
    assert {"README.md", "app.py", "requirements.txt", "LICENSE", "cxr_demo/bundled/nih14/model.safetensors"} <= set(
        files
    )
    assert not any(re.search(r"pycache|\.pyc|^(tests|train|runs)/", name) for name in files)
    front = front_matter(files["README.md"])
    assert front["sdk"] == "gradio"
    assert front["app_file"] == "app.py"
    assert front["models"] == ["someone/tiny"]
    assert front["preload_from_hub"] == [f"someone/tiny config.json,model.safetensors,README.md {published}"]
    assert front["thumbnail"] == f"{hub.url}/spaces/{SPACE}/resolve/main/docs/page.png"
    assert "docs/page.png" in files
    assert SpaceHardware(front["suggested_hardware"])
    data = SpaceCard(files["README.md"].decode()).data
    assert (data.sdk, data.models, data.license) == ("gradio", ["someone/tiny"], "apache-2.0")
    assert "mcp-server" in data.tags


def test_a_space_is_private_until_it_is_made_public(hub, published, capsys):
    cli.main(["deploy", SPACE, "--model", "someone/tiny"])
    space = hub.repos["spaces", SPACE]
    assert space.private
    assert ", private, and starts" in capsys.readouterr().out
    assert cli.main(["deploy", SPACE, "--model", "someone/tiny", "--public"]) == 0
    assert not space.private
    assert ", for everybody to see, and starts" in capsys.readouterr().out
    cli.main(["deploy", SPACE, "--model", "someone/tiny"])
    assert not space.private, "only its settings hide it again"


def test_a_space_names_the_data_sets_of_its_model(hub, tmp_path):
    folder = save_model(tmp_path / "tiny")
    (folder / "README.md").write_text("---\ndatasets: [clinic/films]\n---\n# Tiny\n")
    client.push(folder, "someone/tiny", private=False)
    fields, _, _ = deploy._model("someone/tiny", print)
    assert fields["datasets"] == ["clinic/films"]


def test_a_private_model_is_fetched_with_the_spaces_own_token_alone(hub, tmp_path, capsys):
    client.push(save_model(tmp_path / "tiny"), "someone/tiny")
    assert cli.main(["deploy", SPACE, "--model", "someone/tiny"]) == 0
    assert "someone/tiny is not for everybody: give the Space a secret HF_TOKEN" in capsys.readouterr().out
    space = hub.repos["spaces", SPACE]
    front = front_matter(space.commits[space.refs["main"]]["README.md"])
    assert front["models"] == ["someone/tiny"]
    assert "preload_from_hub" not in front
    assert "CXR_MODEL" in space.variables


def test_a_space_is_updated_and_what_is_gone_here_goes_there(hub, published, capsys):
    cli.main(["deploy", SPACE, "--model", "someone/tiny"])
    space = hub.repos["spaces", SPACE]
    first = space.commits[space.refs["main"]]
    space.commit({**first, "cxr_demo/gone.py": b"old", "notes.txt": b"their own"})
    assert cli.main(["deploy", SPACE]) == 0
    files = space.commits[space.refs["main"]]
    assert "cxr_demo/gone.py" not in files
    assert files["notes.txt"] == b"their own"
    assert space.variables == {"CXR_MODEL": "bundled:nih14"}
    assert "models" not in front_matter(files["README.md"])


def test_a_dry_run_sends_nothing(hub, published, capsys):
    hub.log.clear()
    assert cli.main(["deploy", SPACE, "--model", f"someone/tiny@{published}", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "  app.py" in said
    assert f"CXR_MODEL=someone/tiny@{published}" in said
    assert "Nothing was sent" in said
    assert not any(line.startswith("POST") for line in hub.log)
    assert ("spaces", SPACE) not in hub.repos


def test_torchxrayvisions_weights_are_fetched_before_it_starts(monkeypatch):
    name = "densenet121-res224-all"
    monkeypatch.setattr(registry, "load", lambda _: type("Loaded", (), {"name": f"xrv:{name}@588eadcc6a74"}))
    fields, variables, library = deploy._model(f"xrv:{name}", print)
    assert fields["preload_from_hub"][0].startswith(f"torchxrayvision/{name} model.pt 588eadcc6a74")
    assert fields["models"] == [f"torchxrayvision/{name}"]
    assert (variables, library) == ({"CXR_MODEL": f"xrv:{name}"}, None)


def test_a_model_of_transformers_brings_its_library(hub, tmp_path):
    save("transformers:ViT", tmp_path / "vit")
    files = {path.name: path.read_bytes() for path in (tmp_path / "vit").iterdir()}
    commit = hub.repo("someone/vit").commit(files)
    (tmp_path / "space").mkdir()
    variables = deploy.prepare(tmp_path / "space", SPACE, "transformers:someone/vit", print)
    assert variables == {"CXR_MODEL": f"transformers:someone/vit@{commit}"}
    needed = (tmp_path / "space" / "requirements.txt").read_text().split()
    assert f"transformers=={version('transformers')}" in needed
    front = yaml.safe_load((tmp_path / "space" / "README.md").read_text().split("---\n")[1])
    assert front["models"] == ["someone/vit"]
    assert front["preload_from_hub"] == [
        f"someone/vit config.json,model.safetensors,README.md,preprocessor_config.json {commit}"
    ]


def test_a_folder_of_transformers_is_not_deployed(tmp_path):
    (tmp_path / "space").mkdir()
    with pytest.raises(BadSetting, match="send it to the Hub with transformers first"):
        deploy.prepare(tmp_path / "space", SPACE, f"transformers:{tmp_path}", print)


def test_what_a_space_cannot_have_is_said(hub, tmp_path, monkeypatch):
    folder = save_model(tmp_path / "own")
    with pytest.raises(
        BadSetting, match=r"cannot reach .*own on this machine; send it first: `python -m train publish"
    ):
        deploy.deploy(SPACE, str(folder), dry_run=True)
    with pytest.raises(UnknownModel, match="has no repository 'someone/other'"):
        deploy.deploy(SPACE, "someone/other", dry_run=True)
    with pytest.raises(UnknownModel, match="There is no model 'hub'"):
        deploy.deploy(SPACE, registry.HUB, dry_run=True)
    for name in ("films", "a/b/c", "/films", "someone/"):
        with pytest.raises(BadSetting, match="give OWNER/SPACE"):
            deploy.deploy(name, None, dry_run=True)
    monkeypatch.setattr(deploy.cxr_demo, "__file__", str(tmp_path / "installed" / "cxr_demo" / "__init__.py"))
    with pytest.raises(DataError, match=r"is no copy of the repository: .*app\.py.* missing"):
        deploy.deploy(SPACE, None, dry_run=True)


def test_no_link_in_the_prepared_folder_leads_nowhere(tmp_path):
    deploy.prepare(tmp_path, SPACE, "bundled:nih14")
    pages = list(tmp_path.rglob("*.md"))
    links = [(page, to) for page in pages for to in re.findall(r"\]\(([^)\s]+)", page.read_text()) if "://" not in to]
    assert len(links) > 10
    for page, to in links:
        name, _, anchor = to.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), (page.name, to)
        assert not anchor or anchor in anchors(target), (page.name, to)


@pytest.mark.parametrize(("status", "sentence"), [(402, "ZeroGPU"), (403, "Set HF_TOKEN")])
def test_a_refusal_says_what_to_do(hub, status, sentence, capsys):
    hub.refuses = status
    assert cli.main(["deploy", SPACE]) == 2
    assert sentence in capsys.readouterr().err


def test_a_copy_of_a_space_says_that_it_is_no_copy_of_the_repository(tmp_path, monkeypatch):
    """It lacks the README of Spaces, whose place the Space's own has taken."""
    monkeypatch.setattr(deploy, "TEMPLATE", "gone.md")
    with pytest.raises(DataError, match=r"no copy of the repository: cxr_demo/gone\.md missing"):
        deploy.prepare(tmp_path, SPACE, "bundled:nih14")
