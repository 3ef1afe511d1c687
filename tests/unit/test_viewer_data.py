"""Records as the browser draws them."""

import base64
import hashlib
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest

from cxr_demo.errors import DataError
from cxr_demo.films import label_tables
from cxr_demo.output import render, report, viewer_data
from cxr_demo.types import Crop, ModelSpec, Prediction, Radiograph, Score, Unit
from tests.support import planted
from tests.support.serving import Corners

ROOT = Path(__file__).parents[2]


def golden(name):
    """Cases that tests/viewer/golden.test.js reads too: Python and the browser give the same for each."""
    return json.loads((ROOT / "tests" / "golden" / f"{name}.json").read_text(encoding="utf-8"))


class TestTwins:
    @pytest.mark.parametrize("case", golden("numbers")["signed"], ids=lambda case: str(case["value"]))
    def test_signed_numbers(self, case):
        assert render.signed(case["value"], case["limit"]) == case["text"]

    @pytest.mark.parametrize("case", golden("numbers")["percent"], ids=lambda case: str(case["p"]))
    def test_percentages(self, case):
        assert report.percent(case["p"]) == case["text"]

    @pytest.mark.parametrize("case", golden("predictions"), ids=lambda case: case["says"])
    def test_the_first_finding(self, case):
        thresholds = np.array([np.nan if t is None else t for t in case["thresholds"]])
        p = np.array(case["probabilities"])
        labels = tuple(f"finding {i}" for i in range(len(p)))
        prediction = Prediction(labels, p, p, thresholds, "m@1")
        assert viewer_data.foremost(prediction) == case["first"]

    @pytest.mark.parametrize("case", golden("wrapping"), ids=lambda case: f"{case['text']} {case['width']}")
    def test_lines_below_a_picture(self, case):
        class Typewriter:
            """A font in which each letter is a pixel wide."""

            def getbbox(self, text):
                return 0, 0, len(text), 1

        assert render._wrapped(case["text"], Typewriter(), case["width"]) == case["lines"]

    def test_colours(self):
        told = golden("colours")
        assert [list(stop) for stop in render.STOPS[Unit.LOGIT]] == told["stops"]
        for case in told["cases"]:
            found = render.rgba(np.array(case["value"]), limit=told["limit"], unit=Unit.LOGIT)
            assert found.tolist() == case["rgba"]

    @pytest.mark.parametrize("case", golden("boxtables")["cases"], ids=lambda case: case["cell"][:40] or "empty")
    def test_boxes_of_a_table(self, case):
        if case["boxes"] is None:
            with pytest.raises(DataError):
                label_tables._boxes("line 2", case["cell"])
            return
        size = golden("boxtables")["size"]
        film = Radiograph(np.zeros((size["height"], size["width"]), np.float32), Crop(0, 0, 1), "a.png", "0")
        told = viewer_data.box_fields(film, label_tables._boxes("line 2", case["cell"]))
        assert [[box["label"], box["edges"]] for box in told] == case["boxes"]


class TestBundle:
    def test_it_is_of_the_sources_as_they_are(self):
        """By the checksum in its first line; tests/viewer/bundle.test.js builds it again."""
        digest = hashlib.sha256()
        for path in sorted(viewer_data.ASSETS.glob("*.js")):
            digest.update(f"{path.name}\n".encode() + path.read_bytes())
        first = viewer_data.BUNDLE.read_text(encoding="utf-8").partition("\n")[0]
        assert re.search(r"sources sha256:(\w+)$", first)[1] == digest.hexdigest(), "run `make viewer`"


class TestNumbers:
    def test_maps_come_back_to_half_a_step_and_keep_their_order(self):
        values = np.random.default_rng(1).normal(size=(3, 8, 8)).astype(np.float32) * np.float32([[[0]], [[2]], [[30]]])
        told = viewer_data.map_fields(planted.explanation(values))
        planes = np.frombuffer(zlib.decompress(base64.b64decode(told["data"])), np.int8).reshape(3, 8, 8)
        scale = np.array(told["scale"])[:, None, None]
        assert (np.abs(planes * scale - values) <= scale * 0.501).all()
        assert not planes[0].any()
        assert told["limit"] == [render.limit_of([v]) for v in values]

    def test_large_maps_are_sent_as_means_of_blocks(self):
        values = np.zeros((1, 512, 512), np.float32)
        values[0, 2:4, 4:6] = [[1, 2], [3, 6]]
        small = viewer_data.reduced(values)
        assert small.shape == (1, 256, 256)
        assert small[0, 1, 2] == 3
        assert small.sum() == 3
        assert viewer_data.reduced(values[:, :224, :224]).shape == (1, 224, 224)

    def test_the_film_is_shrunk_and_its_view_is_given_in_fractions(self):
        pixels = np.linspace(0, 1, 2000 * 1000, dtype=np.float32).reshape(2000, 1000)
        told = viewer_data.film_fields(Radiograph(pixels, Crop(500, 0, 1000), "a.png", "0"))
        import cv2

        png = np.frombuffer(base64.b64decode(told["png"].partition(",")[2]), np.uint8)
        sent = cv2.imdecode(png, cv2.IMREAD_UNCHANGED)
        assert sent.shape == (1024, 512)
        np.testing.assert_allclose(sent[[0, -1]].mean(1), [0, 255], atol=1)
        assert told["crop"] == {"left": 0, "top": 0.25, "width": 1, "height": 0.5}
        assert (told["width"], told["height"]) == (1000, 2000)

    def test_what_is_unknown_is_null(self):
        told = viewer_data.progress_fields(
            planted.explanation(np.zeros((3, 4, 4)), fidelity=np.array([0.5, np.nan, 1]))
        )
        assert told["fidelity"] == [0.5, None, 1]
        assert json.loads(json.dumps(told, allow_nan=False))["steps"] == [3, 9]

    def test_figures_within_a_source_come_before_those_over_all(self):
        subsets = {"all sources": (0.9, 60), "within small": (0.6, 20), "within large": (0.7, 40)}
        scores = tuple(
            Score(finding, subset, "AUROC", value, value, value, positives, 100)
            for subset, (value, positives) in subsets.items()
            for finding in ("Mass", "mean")
        )
        spec = ModelSpec("m", "DenseNet", {}, ("Mass", "Nodule"), 96, "", "", scores=scores)
        told = viewer_data.spec_fields(spec, "m@1")
        assert [mean["value"] for mean in told["means"]] == [0.7, 0.6, 0.9]
        assert {label: score["value"] for label, score in told["auroc"].items()} == {"Mass": 0.7}

    def test_cards_show_every_setting_of_a_method(self):
        told = viewer_data.method_fields(Corners, on=False)
        assert [s["name"] for s in told["settings"]] == ["strength"]
        assert (told["comparable"], told["on"], told["unit"]["key"]) == (True, False, "logit")
