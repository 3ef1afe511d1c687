"""From a run to the Hub and back: what goes up, who is asked, and the same probabilities at the other end."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from cxr_demo.errors import DataError, ModelUnavailable
from cxr_demo.films import image, label_tables
from cxr_demo.models import hub as client
from cxr_demo.models import model_folder, registry
from tests.support import hub_server
from tests.support.training import LABELS, TINY, plant
from train import backbones, cache, card, cli, publish, runs

# huggingface_hub 2.4 sends large files with an argument that its own HTTP library calls old
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

hub = hub_server.hub

REPO = "someone/planted"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of planted films, with the report of an audit."""
    folder = tmp_path_factory.mktemp("publish")
    films = label_tables.read_tables([plant(folder / "films", 120)], LABELS)
    recipe = dataclasses.replace(TINY, epochs=2, coarse_epochs=1)
    table = str(folder / "films" / "labels.csv")
    command = f"python -m train fit {table} --out {folder}/run --cache '{folder}/a secret'"
    told = {
        "licence": "cc-by-nc-4.0",
        "datasets": ("clinic/films",),
        "notes": ("Labels by two readers.",),
        "cache": f"{folder}/a secret",
    }
    plan = runs.Plan("planted", (table,), LABELS, recipe, folds=2, command=command, **told)
    decoded = cache.decode(films, 32, folder / "cache")
    runs.Run(folder / "run", plan, films, decoded.views(), decoded.checksums.tolist(), lambda _: None).fit()
    suspects = [{"file": "patient-name.png"}]
    told = {"title": "A patient has two names, e.g. MRN15719.", "advice": "", "figures": {"patients": ["MRN15719"]}}
    finding = {"id": "x", "severity": "warning", "accepted": False, "suspects": suspects, **told}
    (folder / "run" / "audit.json").write_text(json.dumps({"findings": [finding]}))
    return folder


def answers(*words: str):
    """Says yes or no, and remembers what it was asked."""
    asked: list[str] = []

    def may(question: str) -> bool:
        asked.append(question)
        return words[len(asked) - 1] == "y"

    return may, asked


def staged(run: Path, folder: Path) -> Path:
    return publish.stage(run / "run", folder / "staged", REPO)


def front(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def push(folder: Path, *words: str) -> str | None:
    may, _ = answers(*words)
    return publish.publish(folder, REPO, private=True, message="m", may=may, say=lambda _: None)


def test_fit_publish_pull_gives_the_same_probabilities(hub, run, tmp_path):
    commit = push(staged(run, tmp_path))
    pulled = registry.load(f"{REPO}@{commit}")
    here = registry.load(str(run / "run" / "all"))
    film = image.read(run / "films" / "images" / "003.png")
    x = pytest.importorskip("torch").from_numpy(image.model_input(film, 32))
    assert (
        np.abs(pulled.probabilities(pulled.logits(x).numpy()) - here.probabilities(here.logits(x).numpy())).max()
        <= 1e-6
    )
    assert pulled.name == f"{REPO}@{commit}"


def test_the_page_serves_it_by_name_and_offline_once_cached(hub, run, tmp_path):
    commit = push(staged(run, tmp_path))
    film = str(run / "films" / "images" / "003.png")
    env = {**os.environ, "CXR_MODEL": f"{REPO}@{commit}", "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "cxr_demo", "predict", film, "--json"]
    root = Path(__file__).parents[2]
    online = subprocess.run(command, env=env, cwd=root, check=True, capture_output=True, text=True).stdout
    hub.stop()
    offline = subprocess.run(
        command, env={**env, "HF_HUB_OFFLINE": "1"}, cwd=root, check=True, capture_output=True, text=True
    ).stdout
    assert json.loads(online) == json.loads(offline)
    assert json.loads(online)["model"] == f"{REPO}@{commit}"


def test_what_goes_up_tells_how_good_and_how_made_but_names_no_film(hub, run, tmp_path):
    commit = push(staged(run, tmp_path))
    files = hub.repos["models", REPO].commits[commit]
    assert set(files) == {
        ".gitattributes", "config.json", "model.safetensors", "README.md", "thresholds.json", "evaluation.json",
        "audit.json", "training.json", "maps.png", "timm/config.json", "timm/model.safetensors",
    }  # fmt: skip
    assert files["timm/model.safetensors"] == files["model.safetensors"], "stored once"
    assert set(json.loads(files["thresholds.json"])) == {"specificity", "youden", "max_f1", "sensitivity"}
    assert len(json.loads(files["training.json"])["split_sha256"]) == 64
    assert json.loads(files["audit.json"])["findings"] == [
        {"id": "x", "severity": "warning", "accepted": False, "suspects": 1}
    ]
    assert json.loads(files["training.json"])["films"] == ["labels.csv"]
    assert b"python -m train fit labels.csv --out run\n" in files["README.md"]
    for told in (b"patient-name", b"MRN15719", b"a secret", str(run).encode()):
        assert all(told not in content for content in files.values())


@pytest.mark.parametrize("told", ["Films of MRN-0007 and others", "See /data/clinic/films for more"])
def test_nothing_is_sent_that_names_a_patient_or_a_folder(run, tmp_path, told):
    copy = tmp_path / "run"
    shutil.copytree(run / "run", copy)
    rows = (copy / "folds.csv").read_text().splitlines()
    (copy / "folds.csv").write_text("\n".join([*rows, "a.png,MRN-0007,0"]))
    publish.stage(copy, tmp_path / "sound", REPO)
    path = copy / "all" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "trained_on": told}))
    with pytest.raises(DataError) as refused:
        publish.stage(copy, tmp_path / "staged", REPO)
    named = "MRN-0007" if "MRN" in told else "/data/clinic/films"
    assert f"- {named}, in {path}" in str(refused.value), "where the user can change it"
    with pytest.raises(DataError, match=named):
        publish.stage(copy / "all", tmp_path / "model", REPO)


def test_a_new_version_leaves_no_results_or_weights_of_the_one_before(hub, run, tmp_path):
    folder = staged(run, tmp_path)
    (folder / ".eval_results").mkdir()
    (folder / ".eval_results" / "films.yaml").write_text("[]")
    push(folder)
    repo = hub.repos["models", REPO]
    repo.commit({**repo.commits[repo.refs["main"]], "notes.txt": b"their own"})
    shutil.rmtree(folder / ".eval_results")
    shutil.rmtree(folder / "timm")
    (folder / "audit.json").unlink()
    files = repo.commits[push(folder, "y")]
    assert "notes.txt" in files
    assert not [name for name in files if name.startswith((".eval", "timm", "audit"))]
    assert "maps.png" in files


def test_a_card_that_was_published_before_has_each_section_once(run, tmp_path):
    folder = staged(run, tmp_path)
    again = publish.stage(folder, tmp_path / "again", "someone/else")
    text = (again / "README.md").read_text()
    assert [text.count(f"## {head}\n") for head in ("Its maps", "Use it", "How good it is", "Limits")] == [1] * 4
    assert text.count("someone/else") == 2
    assert REPO not in text


def test_words_of_the_card_may_be_names_of_films(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run / "run", copy)
    rows = (copy / "folds.csv").read_text().splitlines()
    (copy / "folds.csv").write_text("\n".join([*rows, "film.png,P-1,0", "maps.png,P-1,0"]))
    publish.stage(copy, tmp_path / "staged", REPO)


@pytest.mark.parametrize("benchmark", [("films", "auroc"), ("clinic/", "auroc"), ("clinic/films", "")])
def test_a_benchmark_that_is_none_is_refused(run, tmp_path, benchmark):
    with pytest.raises(DataError, match="--benchmark"):
        publish.stage(run / "run", tmp_path / "staged", REPO, benchmark=benchmark)


def test_an_existing_repository_is_asked_about(hub, run, tmp_path):
    folder = staged(run, tmp_path)
    first = push(folder)
    may, asked = answers("n")
    assert publish.publish(folder, REPO, private=True, message="m", may=may, say=lambda _: None) is None
    assert REPO in asked[0]
    assert client.head(REPO) == first
    (folder / "README.md").write_text("# Second\n")
    assert push(folder, "y") == client.head(REPO) != first


def test_a_repository_stays_public_or_private_as_it_is(hub, run, tmp_path):
    folder, said = staged(run, tmp_path), []
    first = push(folder)
    hub.repos["models", REPO].private = False
    may, asked = answers("y", "y")
    with pytest.raises(DataError, match=r"exists and is public, .* allow it with --public"):
        publish.publish(folder, REPO, private=True, message="m", may=may, say=said.append)
    assert client.head(REPO) == first
    assert not asked
    (folder / "README.md").write_text("# Second\n")
    publish.publish(folder, REPO, private=False, message="m", may=may, say=said.append)
    assert "is public. Publish" in asked[0]
    assert ", public." in said[-1]
    hub.repos["models", REPO].private = True
    (folder / "README.md").write_text("# Third\n")
    publish.publish(folder, REPO, private=False, message="m", may=may, say=said.append)
    assert "is private, and stays so" in asked[1]
    assert ", private." in said[-1]
    assert hub.repos["models", REPO].private


def test_the_licence_is_that_of_the_base_or_given_and_never_invented(run, tmp_path):
    folder = staged(run, tmp_path)
    assert front(folder)["license"] == "cc-by-nc-4.0"
    assert front(folder)["datasets"] == ["clinic/films"]
    given = publish.stage(run / "run", tmp_path / "given", REPO, licence="MIT", datasets=["a/b"])
    assert (front(given)["license"], front(given)["datasets"]) == ("mit", ["a/b"])
    assert model_folder.read_spec(given).licence == "MIT"
    assert "## How good it is" in (given / "README.md").read_text()
    model = tmp_path / "unknown"
    shutil.copytree(run / "run" / "all", model)
    spec = dataclasses.replace(model_folder.read_spec(model), licence="")
    model_folder.describe(model, spec, card.write(spec, "train"))
    assert "license" not in front(model)
    with pytest.raises(DataError, match=r"The licence of .* is unknown.* give --licence"):
        publish.stage(model, tmp_path / "refused", REPO)
    publish.stage(model, tmp_path / "stated", REPO, licence="apache-2.0")
    base = backbones.of_model(registry.load(str(run / "run" / "all")))
    assert base.licence == "cc-by-nc-4.0"


def test_the_card_says_only_what_is_known_of_the_films(run):
    text = (run / "run" / "all" / "README.md").read_text()
    assert "- Labels by two readers." in text
    for claim in ("mined from reports", "adults", "radiologist", "than in a hospital", "boxes"):
        assert claim not in text


def test_a_dry_run_shows_everything_and_needs_no_network(hub, run, capsys):
    hub.stop()
    assert cli.main(["publish", str(run / "run"), REPO, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "model.safetensors" in shown
    assert "Not a medical device" in shown
    assert f"Would be published as {REPO}, private, under the licence cc-by-nc-4.0." in shown
    assert "No file was found to name one of the 60 patients or 120 films" in shown
    assert "names of yours are published: planted, labels.csv." in shown
    assert "quotes the command: python -m train fit labels.csv --out run\n" in shown
    assert not hub.log


def test_a_hub_that_breaks_off_leaves_what_was_there(hub, run, tmp_path):
    folder = staged(run, tmp_path)
    first = push(folder)
    hub.broken = True
    with pytest.raises(ModelUnavailable):
        push(folder, "y")
    hub.broken = False
    assert client.head(REPO) == first


def test_an_unfinished_run_is_not_published(run, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(DataError, match="no finished model"):
        publish.stage(tmp_path, tmp_path / "staged", REPO)
