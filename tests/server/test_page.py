"""The endpoints of a served page as programs call them."""

import shutil
import zlib
from contextlib import closing

import gradio_client
import numpy as np
import pytest
from gradio_client.exceptions import AppError

from benchmarks.visitor import Visitor
from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.films import image
from cxr_demo.models import registry
from cxr_demo.output import report
from tests.support.serving import patient, served


@pytest.fixture(scope="module")
def film_file(folder):
    path = folder / "noise.png"
    render_noise(path)
    return path


def render_noise(path, shape=(150, 120)):
    import cv2

    pixels = np.random.default_rng(0).integers(0, 255, (15, 12), np.uint8)
    cv2.imwrite(str(path), cv2.resize(pixels, shape[::-1], interpolation=cv2.INTER_CUBIC))


def test_a_films_pixels_are_all_there_in_one_file_however_often_they_are_asked_for(address, tmp_path):
    import cv2

    levels = np.random.default_rng(3).integers(0, 65536, (61, 83)).astype(np.uint16)
    levels[0, :2] = 0, 65535  # so that the reader has nothing to stretch
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), levels)
    with closing(Visitor(address)) as one:
        source = one.upload("deep.png", path.read_bytes())
        told = {"model": "", "source": source, "run": 1}
        where = [one.answer("pixels", told | {"run": run})["path"] for run in (1, 2)]
        turned = one.answer("pixels", told | {"run": 3, "source": {**source, "correction": "turn left"}})["path"]
        packed = patient.get(f"{address.rstrip('/')}/gradio_api/file={where[0]}").content
        gone = one.answer("pixels", told | {"run": 4, "source": {"kind": "phantom", "key": "none"}})
    assert where[0] == where[1] != turned
    high, low = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(2, *levels.shape)
    np.testing.assert_array_equal(np.cumsum(high.astype(np.uint16) * 256 + low, axis=1, dtype=np.uint16), levels)
    assert gone["error"]["id"] == "error.film.gone"


class TestPredict:
    def test_gives_the_fields_of_the_command_line(self, client, film_file):
        told = client.predict(gradio_client.handle_file(film_file), api_name="/predict")
        film = image.read(film_file)
        model = registry.load(told["model"].rpartition("@")[0])
        expected = report.prediction_fields(film, Case(model, film).predict())
        assert told.keys() == expected.keys()
        np.testing.assert_allclose(told.pop("logits"), expected.pop("logits"), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(told.pop("probabilities"), expected.pop("probabilities"), rtol=1e-4)
        assert told == expected

    def test_another_offered_model_can_be_asked(self, client, film_file, folder):
        told = client.predict(gradio_client.handle_file(film_file), str(folder / "one"), api_name="/predict")
        assert told["labels"] == ["Pneumothorax"]

    def test_no_other_folder_can_be_opened_as_a_model(self, client, film_file, folder):
        shutil.copytree(folder / "one", folder / "secret", dirs_exist_ok=True)
        with pytest.raises(AppError, match="is not offered here"):
            client.predict(gradio_client.handle_file(film_file), str(folder / "secret"), api_name="/predict")

    def test_a_file_that_is_no_film_gets_our_sentence(self, client, folder):
        path = folder / "letter.png"
        path.write_text("Dear doctor, ...")
        with pytest.raises(AppError, match=r"letter\.png"):
            client.predict(gradio_client.handle_file(path), api_name="/predict")

    def test_paths_of_the_machine_are_not_read(self, address, film_file):
        """Past gradio_client, which would send the file, and in both forms that a path can take."""
        for given in ({"path": str(film_file)}, {"path": str(film_file), "meta": {"_type": "gradio.FileData"}}):
            call = patient.post(f"{address}gradio_api/call/predict", json={"data": [given, None]})
            with patient.stream("GET", f"{address}gradio_api/call/predict/{call.json()['event_id']}") as answer:
                told = answer.read().decode()
            assert "event: error" in told
            assert "sha256" not in told


class TestExplain:
    def test_gives_result_fields_and_maps(self, client, film_file):
        told, path = client.predict(
            gradio_client.handle_file(film_file), ["gradcam", "occlusion", "corners"],
            {"occlusion.window": 24, "occlusion.stride": 24, "corners.strength": 0.25}, api_name="/explain",
        )  # fmt: skip
        assert list(told["methods"]) == ["gradcam", "occlusion", "corners"]
        assert told["methods"]["occlusion"]["settings"]["window"] == 24
        assert all(done["complete"] for done in told["methods"].values())
        with np.load(path) as maps:
            assert set(maps) == {"gradcam", "occlusion", "occlusion_error", "corners", "labels"}
            assert list(maps["labels"]) == told["labels"]
            assert maps["gradcam"].shape == (14, 96, 96)
            assert maps["corners"][4, 0, 0] == pytest.approx(1.0)
            cam = 49 * maps["gradcam"].mean((1, 2))
        # what the cells do not explain is the bias, which serving.save_model sets
        assert np.array(told["logits"]) - cam == pytest.approx(np.linspace(-1, 1, 14), abs=1e-3)
        assert path.endswith("maps.npz")

    def test_the_first_three_methods_are_the_default(self, client, film_file):
        told, _ = client.predict(gradio_client.handle_file(film_file), None, {"lime.samples": 100}, api_name="/explain")
        assert list(told["methods"]) == [kind.key for kind in methods.DEFAULTS]

    @pytest.mark.parametrize(
        ("keys", "settings", "words"),
        [
            (["magic"], {}, "magic"),
            (["lime"], {"lime.samples": 7}, "samples=7"),
            (["lime"], {"lime.size": 7}, "size"),
            (["lime"], {"occlusion.window": 32}, "occlusion.window"),
            (["lime"], {"samples": 300}, "method.setting"),
        ],
    )
    def test_what_cannot_be_done_is_said(self, client, film_file, keys, settings, words):
        with pytest.raises(AppError, match=words):
            client.predict(gradio_client.handle_file(film_file), keys, settings, api_name="/explain")


def test_programs_see_two_endpoints_with_their_docs(client):
    told = client.view_api(return_format="dict", print_info=False)
    assert set(told["named_endpoints"]) == {"/predict", "/explain"}
    assert not told["unnamed_endpoints"]
    described = patient.get(f"{client.src}gradio_api/info").json()["named_endpoints"]["/explain"]
    assert "maps.npz" in described["description"]
    assert [p["parameter_name"] for p in described["parameters"]] == ["file", "method_keys", "settings", "model"]


def test_the_page_serves_no_tools_where_they_are_switched_off(tmp_path):
    with served(tmp_path, GRADIO_MCP_SERVER="False") as address:
        assert patient.post(f"{address}gradio_api/mcp/", json={}).status_code in (404, 405)
        assert "mcp/" not in patient.get(f"{address}config").text
        render_noise(tmp_path / "noise.png")
        client = gradio_client.Client(address, verbose=False, analytics_enabled=False)
        assert client.predict(gradio_client.handle_file(tmp_path / "noise.png"), api_name="/predict")["labels"]
