"""What the page tells the browser before any film."""

import pytest

from cxr_demo.models import model_folder
from cxr_demo.web import layout
from tests.support.serving import save_model


@pytest.mark.parametrize(("listed", "welcome"), [("bundled:nih14,hub", True), ("bundled:nih14", False)])
def test_the_viewer_is_told_whether_a_model_may_be_named(tmp_path, monkeypatch, listed, welcome):
    monkeypatch.setenv("CXR_MODELS", listed)
    told = layout._about(model_folder.load(save_model(tmp_path), "visitor/model", revision="main"))
    assert told["guests"] == welcome
    assert [choice["name"] for choice in told["models"]] == ["bundled:nih14"]
