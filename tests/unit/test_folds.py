"""A run of folds as one model: who speaks about which film, and that the mean is a mean."""

import cv2
import numpy as np
import pytest
import torch

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.errors import BadModel
from cxr_demo.films import image
from cxr_demo.inference import engine
from cxr_demo.models import classifier, folds, model_folder, registry
from cxr_demo.output.result import complete
from cxr_demo.types import ModelSpec, Radiograph

LABELS = ("Effusion", "Mass")
ARGUMENTS = {"growth_rate": 4, "block_config": (2, 2), "num_init_features": 8}


def write(folder, count=3):
    """A run of tiny models with random weights."""
    for k in range(count):
        torch.manual_seed(k)
        network = classifier.build("DenseNet", ARGUMENTS, 2).eval()
        calibration = ((1.0 + k, 0.5 * k), (2.0, -1.0))
        spec = ModelSpec(
            f"tiny-fold-{k}", "DenseNet", ARGUMENTS, LABELS, 64, "", "Apache-2.0",
            calibration=calibration, thresholds=(0.1 * (k + 1), 0.5),
        )  # fmt: skip
        model_folder.save(folder / f"fold-{k}", spec, network, "")
    lines = [f"film{k}.png,p{k},{k}" for k in range(count)]
    (folder / "folds.csv").write_text("\n".join(["file,patient,fold", *lines]))
    return folder


def film_of(name: str) -> Radiograph:
    pixels = np.random.default_rng(0).integers(0, 256, (80, 64), np.uint8)
    return image.decode(cv2.imencode(".png", pixels)[1].tobytes(), name)


def test_a_known_film_is_explained_by_the_fold_that_never_saw_it(tmp_path):
    run = registry.load(str(write(tmp_path / "run")))
    for k in range(3):
        alone = model_folder.load(tmp_path / "run" / f"fold-{k}", "alone")
        known = Case(run, film_of(f"film{k}.jpg")).predict()
        assert np.array_equal(known.logits, Case(alone, film_of("x.png")).predict().logits)
        assert known.model.startswith(f"{tmp_path}/run/fold-{k}@")
        # what a result names can be loaded again
        assert registry.load(known.model).name == known.model


def test_a_result_names_the_run_and_the_fold(tmp_path):
    run = registry.load(str(write(tmp_path / "run")))
    result = complete(Case(run, film_of("film1.png")), [])
    assert (result.model, result.spec.name) == (run.name, "tiny")
    assert result.prediction.model.startswith(f"{tmp_path}/run/fold-1@")


def test_an_unknown_film_gets_the_mean_of_logits_and_of_maps(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "choose", lambda _: None)  # rounding is not the same for each and for all
    run = registry.load(str(write(tmp_path / "run")))
    alone = [model_folder.load(tmp_path / "run" / f"fold-{k}", f"fold-{k}") for k in range(3)]
    stranger = film_of("stranger.png")
    said = Case(run, stranger).predict()
    assert said.model == run.name
    assert np.allclose(said.logits, np.mean([Case(m, stranger).predict().logits for m in alone], 0), atol=1e-5)
    # of all windows: a budget would be spent in other places for each
    for key, settings in (("gradcam", {}), ("occlusion", {"scored": 100})):
        chosen = methods.method(key, settings)
        *_, together = Case(run, stranger).explain(chosen)
        each = [list(Case(m, stranger).explain(chosen))[-1].values for m in alone]
        assert np.allclose(together.values, np.mean(each, 0), rtol=1e-5, atol=1e-4)
    assert run.spec.calibration[0] == (2.0, 0.5)
    assert run.spec.name == "tiny"


def test_a_run_that_is_not_whole_is_refused_in_words(tmp_path):
    run = write(tmp_path / "run", 2)
    (run / "folds.csv").write_text("file,patient,fold\na.png,1,0\nb.png,2,2\n")
    with pytest.raises(BadModel, match="without gaps"):
        folds.load(run, "run")
    (run / "folds.csv").write_text("file,patient\na.png,1\n")
    with pytest.raises(BadModel, match="no table of file, patient and fold"):
        folds.load(run, "run")
    (run / "folds.csv").write_text("file,patient,fold\na.png,1,0\nb.png,2,1\nc.png,3,2\n")
    with pytest.raises(BadModel, match="fold-2"):
        folds.load(run, "run")
