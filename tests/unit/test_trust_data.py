"""The measures of trust as the browser gets them."""

import base64
import json
import zlib
from types import NoneType

import numpy as np
import pytest

from cxr_demo.case import Case
from cxr_demo.evaluation import trust
from cxr_demo.evaluation.covering import GRID
from cxr_demo.films import phantom
from cxr_demo.films.label_tables import Box
from cxr_demo.methods import GradCAM, Occlusion
from cxr_demo.output import trust_data
from tests.support import planted

#: A model that sees a box over the lower heart, and one over the apex of a lung.
SPOTS = {"Cardiomegaly": planted.Spot(60, 60, 5.0), "Nodule": planted.Spot(16, 16, 1.0)}


@pytest.fixture(scope="module")
def made():
    case = Case(planted.classifier(SPOTS), phantom.PHANTOMS["heart"].film())
    explanations = {kind.key: case.last_explanation(kind()) for kind in (GradCAM, Occlusion)}
    return case, trust.assess(case, explanations, 0), explanations


def test_it_says_by_how_much_planting_moved_the_score(made):
    case, assessment, explanations = made
    fields = trust_data.assessment_fields(assessment, explanations, case.film, [])
    scores = [Case(case.model, phantom.PHANTOMS[key].film()).predict().logits[0] for key in ("heart", "normal")]
    moved = f"{scores[0] - scores[1]:+.2f}".replace("-", "\N{MINUS SIGN}")
    assert moved not in ("+0.00", "\N{MINUS SIGN}0.00")
    assert fields["planted"]["text"] == f"Planting Cardiomegaly in this phantom moved the score by {moved} logits."


def test_another_film_says_nothing_of_planting(made):
    _, _, explanations = made
    case = Case(planted.classifier(SPOTS), planted.film())
    fields = trust_data.assessment_fields(trust.assess(case, explanations, 0), explanations, case.film, [])
    assert fields["planted"] is None


def test_the_origin_of_the_highest_cell_is_a_plane_with_a_level(made):
    case, assessment, explanations = made
    sent = trust_data.assessment_fields(assessment, explanations, case.film, [])["origin"]
    values = np.frombuffer(zlib.decompress(base64.b64decode(sent["data"])), np.int8).reshape(GRID, GRID)
    assert (sent["method"], sent["side"], values.max()) == ("gradcam", GRID, 127)
    drops = assessment.origin.drops
    np.testing.assert_allclose(values * drops.max() / 127, drops, atol=drops.max() / 250)
    assert sent["level"] == pytest.approx(assessment.origin.level * 127 / drops.max(), abs=0.06)
    alone = {"occlusion": explanations["occlusion"]}
    assert trust.assess(case, alone, 0).origin is None


def test_everything_is_valid_json(made):
    """Gradio writes numbers of numpy's types as texts, which json.dumps would hide."""
    case, assessment, explanations = made
    boxes = [Box("Cardiomegaly", 40, 50, 30, 30)]
    fields = trust_data.assessment_fields(assessment, explanations, case.film, boxes)
    json.dumps(fields["methods"], allow_nan=False)
    assert fields["boxes"]
    assert types_in(fields) == {dict, list, str, float, int, NoneType}


def types_in(value):
    """The exact types of a value and of all values in it."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {type(value)}.union(*map(types_in, inner))
