"""Cards as the Hub reads them: by huggingface_hub's own parsers."""

import dataclasses
from pathlib import Path

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard, parse_eval_result_entries

from cxr_demo.models import hub_cards, model_folder
from cxr_demo.types import Score

BUNDLED = Path(__file__).parents[2] / "cxr_demo" / "bundled"


@pytest.fixture(params=["nih14", "pneumothorax"])
def spec(request):
    return model_folder.read_spec(BUNDLED / request.param)


def test_a_models_card_reads_back_with_all_its_results(spec):
    front = hub_cards.of_model(spec, ["clinic/films"], "someone/base")
    data = ModelCard(hub_cards.joined(front, "# A card\n")).data
    assert (data.license, data.datasets, data.base_model) == ("apache-2.0", ["clinic/films"], "someone/base")
    assert (data.language, data.pipeline_tag, data.metrics) == ("en", "image-classification", ["roc_auc"])
    told = {result.dataset_config: result.metric_value for result in data.eval_results}
    assert told == {
        score.subset: round(score.value, 4)
        for score in spec.scores
        if score.metric == "AUROC" and score.finding == ("mean" if len(spec.labels) > 1 else "Pneumothorax")
    }
    assert len(told) >= 4
    assert {result.metric_type for result in data.eval_results} == {"roc_auc"}, "the Hub knows no other of ours"


@pytest.mark.parametrize("name", ["nih14", "pneumothorax", "gate"])
def test_bundled_cards_are_whole(name):
    data = ModelCard.load(BUNDLED / name / "README.md").data
    assert data.license == "apache-2.0"
    assert data.language == "en"
    assert data.datasets == ["alkzar90/NIH-Chest-X-ray-dataset"]
    if name != "gate":
        assert {result.metric_type for result in data.eval_results} == {"roc_auc"}


def test_a_model_without_figures_has_a_card_too(spec):
    front = hub_cards.of_model(dataclasses.replace(spec, scores=(), licence=""))
    assert not {"model-index", "metrics", "license", "base_model", "datasets"} & front.keys()
    assert ModelCard(hub_cards.joined(front, "")).data.eval_results is None


def test_results_on_a_benchmark_read_back(spec):
    (entry,) = parse_eval_result_entries(yaml.safe_load(hub_cards.results(spec, "clinic/films", "auroc")))
    (score,) = [score for score in hub_cards.headline(spec) if score.subset == "all sources"]
    assert (entry.dataset_id, entry.task_id, entry.value) == ("clinic/films", "auroc", round(score.value, 4))
    assert f"{score.films} films" in entry.notes
    one = Score("mean", "within a", "AUROC", 0.7, 0.6, 0.8, 10, 100)
    assert hub_cards.results(dataclasses.replace(spec, scores=(one,)), "clinic/films", "auroc") == ""


def test_a_data_sets_card_names_its_tables():
    front = hub_cards.of_data("Films", "mit", {"table": "table.parquet", "films": "films.parquet"})
    data = DatasetCard(hub_cards.joined(front, "# Films\n")).data
    assert [(one["config_name"], one["default"]) for one in data.configs] == [("table", True), ("films", False)]
    assert data.license == "mit"


@pytest.mark.parametrize(
    "card",
    [
        "# No front",
        "# No\n---\nfront\n---\n",
        "---\n---\n# Empty",
        "---\n[a: b\n---\n# Broken",
        "---\n- a\n---\n# A list",
    ],
)
def test_a_card_without_metadata_is_text_alone(card):
    front, text = hub_cards.split(card)
    assert front == {}
    assert text.startswith("# ")


def test_front_matter_ends_at_a_line_of_dashes_alone():
    front, text = hub_cards.split("---\n# -----\nlicense: mit\n---\n# T\n")
    assert (front, text) == ({"license": "mit"}, "# T\n")
