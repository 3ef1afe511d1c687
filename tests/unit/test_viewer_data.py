"""Records as the browser draws them."""

import base64
import json
import zlib

import numpy as np

from cxr_demo.output import render, viewer_data
from cxr_demo.types import Crop, Radiograph
from tests.support import planted
from tests.support.serving import Corners


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

    def test_cards_show_every_setting_of_a_method(self):
        told = viewer_data.method_fields(Corners, on=False)
        assert [s["name"] for s in told["settings"]] == ["strength"]
        assert (told["comparable"], told["on"], told["unit"]["key"]) == (True, False, "logit")
