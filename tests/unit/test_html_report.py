"""A film with its maps as one HTML file."""

import json
import re

import pytest

from cxr_demo.inference import engine
from tests.support import html_report
from tests.support.html_report import HOSTILE


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Made by torch alone: converting the model would take longer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "choose", lambda _: None)
        return html_report.made(tmp_path_factory.mktemp("portable"))


def test_it_names_nobody_else(made):
    path, _, _ = made
    text = path.read_text()
    assert not re.search(r"(src|href)=[\"']", text)
    addresses = set(re.findall(r"https?://([\w.]+)", text))
    assert addresses <= {"www.w3.org", "arxiv.org"}, "a name space, and papers as text"


def test_what_it_records_is_what_was_done(made):
    path, prediction, explanations = made
    data = json.loads(re.search(r'id="recorded">(.*?)</script>', path.read_text(), re.DOTALL).group(1))
    assert data["answers"]["film"]["probabilities"] == pytest.approx(prediction.probabilities.tolist())
    assert data["name"] == HOSTILE
    (occlusion,) = (m for m in data["about"]["methods"] if m["key"] == "occlusion")
    assert {s["name"]: s["default"] for s in occlusion["settings"]} == dict(explanations[1].settings)
    assert set(data["answers"]) == {"film", "run_gradcam", "run_occlusion", "trust"}
