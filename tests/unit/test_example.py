"""The example on the empty page is what the bundled model answers."""

import base64
import json
import zlib
from dataclasses import replace
from types import SimpleNamespace
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.films import phantom
from cxr_demo.models import registry
from cxr_demo.output import viewer_data
from cxr_demo.web import example

AGAIN = "the record is out of date: run `make example` and commit cxr_demo/web/example.json"


@pytest.fixture(scope="module")
def model():
    return registry.load("bundled:nih14")


@pytest.fixture(scope="module")
def answers(model):
    told = example.fields(model)
    assert told is not None, AGAIN
    assert told["key"] == "effusion"
    return told["answers"]


@pytest.fixture(scope="module")
def case(model):
    return Case(model, phantom.PHANTOMS["effusion"].film())


def values_of(packed):
    """Maps (L, S, S) in logits."""
    shape = (len(packed["labels"]), packed["side"], packed["side"])
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.int8).reshape(shape)
    return planes * np.array(packed["scale"], np.float32)[:, None, None]


def test_it_holds_the_models_prediction(answers, model, case):
    film = answers["film"]
    fresh = viewer_data.case_fields(case.film, case.predict())
    for name in ("labels", "thresholds", "warnings", "doubted", "correction"):
        assert film[name] == fresh[name], AGAIN
    # other processors and versions of torch round differently
    np.testing.assert_allclose(film["probabilities"], fresh["probabilities"], atol=0.005, err_msg=AGAIN)
    assert film["spec"] == viewer_data.spec_fields(model.spec, model.name), AGAIN


def test_it_holds_the_maps_of_the_default_methods_with_their_default_settings(answers, case):
    assert set(answers) == {"film", "trust", *map(viewer_data.run_event, methods.DEFAULTS)}, AGAIN
    for kind in methods.DEFAULTS:
        answer = answers[viewer_data.run_event(kind)]
        assert answer["complete"]
        assert answer["steps"][0] == answer["steps"][1]
    fresh = viewer_data.map_fields(case.last_explanation(methods.GradCAM()))
    kept, made = values_of(answers["run_gradcam"]["maps"]), values_of(fresh)
    np.testing.assert_allclose(kept, made, atol=0.05 * float(np.abs(made).max()), err_msg=AGAIN)


def test_its_measures_are_of_the_planted_finding(answers):
    trust = answers["trust"]
    assert answers["film"]["labels"][trust["finding"]] == "Effusion"
    assert list(trust["methods"]) == [kind.key for kind in methods.DEFAULTS]


def test_it_is_small(model):
    assert len(json.dumps(example.fields(model))) < 250_000


def test_the_phantoms_are_shown_as_they_are_drawn():
    assert list(json.loads(example.FILE.read_text(encoding="utf-8"))["drawings"]) == list(phantom.PHANTOMS), AGAIN
    for recorded in example.phantoms():
        drawn = viewer_data.drawing_fields(recorded["key"])
        assert recorded["edges"] == drawn["edges"], AGAIN
        kept, made = (np.int16(Image.open(urlopen(one["picture"]))) for one in (recorded, drawn))
        np.testing.assert_allclose(kept, made, atol=2, err_msg=AGAIN)


def test_another_model_or_description_has_none(model):
    assert example.fields(registry.load("bundled:pneumothorax")) is None
    strict = SimpleNamespace(name=model.name, spec=replace(model.spec, thresholds=(0.9,) * len(model.labels)))
    assert example.fields(strict) is None
