"""What the page tells a browser, and the endpoints as programs call them."""

import base64
import errno
import gc
import json
import shutil
import threading
import weakref
import zipfile
import zlib
from contextlib import closing
from types import SimpleNamespace

import gradio_client
import httpx
import numpy as np
import pytest
from gradio_client.exceptions import AppError

from benchmarks.visitor import Visitor
from cxr_demo import messages, methods
from cxr_demo.case import Case
from cxr_demo.errors import Cancelled, DeadlinePassed, UnreadableImage
from cxr_demo.evaluation import trust
from cxr_demo.films import image, label_tables
from cxr_demo.models import registry
from cxr_demo.output import export, render, report, viewer_data
from cxr_demo.types import Crop, Explanation, Radiograph, Unit
from cxr_demo.web import api, exports, handlers, mcp, requests, uploads, zerogpu
from cxr_demo.web.sessions import Sessions
from tests import planted
from tests.serving import Corners, served

KEYS = ["gradcam", "lime", "occlusion"]


@pytest.fixture(scope="module")
def film_file(folder):
    path = folder / "noise.png"
    render_noise(path)
    return path


def render_noise(path, shape=(150, 120)):
    import cv2

    pixels = np.random.default_rng(0).integers(0, 255, (15, 12), np.uint8)
    cv2.imwrite(str(path), cv2.resize(pixels, shape[::-1], interpolation=cv2.INTER_CUBIC))


def an_explanation(values, **more):
    known = {"seconds": 1.234, "forwards": 7, "steps": (3, 9), "settings": {}, "model": "m", "precision": "float32"}
    return Explanation("lime", tuple("abc"), values, Unit.LOGIT, **{**known, **more})


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
        packed = httpx.get(f"{address.rstrip('/')}/gradio_api/file={where[0]}").content
        gone = one.answer("pixels", told | {"run": 4, "source": {"kind": "phantom", "key": "none"}})
    assert where[0] == where[1] != turned
    high, low = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(2, *levels.shape)
    np.testing.assert_array_equal(np.cumsum(high.astype(np.uint16) * 256 + low, axis=1, dtype=np.uint16), levels)
    assert "send the file again" in gone["error"]


class TestNumbers:
    """viewer_data.py"""

    def test_maps_come_back_to_half_a_step_and_keep_their_order(self):
        values = np.random.default_rng(1).normal(size=(3, 8, 8)).astype(np.float32) * np.float32([[[0]], [[2]], [[30]]])
        told = viewer_data.map_fields(an_explanation(values))
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
        told = viewer_data.progress_fields(an_explanation(np.zeros((3, 4, 4)), fidelity=np.array([0.5, np.nan, 1])))
        assert told["fidelity"] == [0.5, None, 1]
        assert json.loads(json.dumps(told, allow_nan=False))["steps"] == [3, 9]

    def test_cards_show_every_setting_of_a_method(self):
        told = viewer_data.method_fields(Corners, on=False)
        assert [s["name"] for s in told["settings"]] == ["strength"]
        assert (told["comparable"], told["on"], told["unit"]) == (True, False, Unit.LOGIT.value)


class TestSessions:
    def test_a_new_run_of_a_method_ends_its_earlier_one_only(self):
        sessions = Sessions()
        lime, occlusion = sessions.begin("a", "lime", 1), sessions.begin("a", "occ", 2)
        other, again = sessions.begin("b", "lime", 1), sessions.begin("a", "lime", 3)
        assert [f.is_set() for f in (lime, occlusion, other, again)] == [True, False, False, False]
        sessions.end("a", 3, "occ")
        assert [f.is_set() for f in (occlusion, other, again)] == [True, False, False]
        sessions.forget("a")
        assert [f.is_set() for f in (other, again)] == [False, True]

    def test_what_is_kept_is_hatched_as_it_was(self):
        """Also where as many refits agree as it takes, of ten or of any other number."""
        sure = np.array([[k / n for k in range(11)] for n in range(10, 21)], np.float32)[None].clip(0, 1)
        values = np.ones_like(sure)
        made = an_explanation(values, sure=sure)
        sessions = Sessions()
        sessions.keep("a", "film", made)
        again = sessions.kept("a", "film")["lime"]
        hatched = render.unsteady(values, sure)
        assert hatched[0, 0].tolist() == [True] * 8 + [False] * 3
        np.testing.assert_array_equal(render.unsteady(again.values, again.sure), hatched)

    def test_requests_may_overtake_one_another(self):
        sessions = Sessions()
        second = sessions.begin("a", "lime", 2)
        late = sessions.begin("a", "lime", 1)
        assert (late.is_set(), second.is_set()) == (True, False)
        sessions.end("a", 1)
        assert not second.is_set(), "what ends the first does not end the second"
        sessions.end("a", 4, "lime")
        assert second.is_set()
        assert sessions.begin("a", "lime", 4).is_set(), "stopped before it began"
        assert not sessions.begin("a", "occ", 4).is_set()
        sessions.end("a", 6)
        assert sessions.begin("a", "occ", 6).is_set()
        assert not sessions.begin("a", "occ", 7).is_set()

    def test_a_film_is_read_once_and_never_given_to_another(self):
        sessions, read = Sessions(), []
        film = Radiograph(np.zeros((2, 2)), Crop(0, 0, 2), "a", "0")

        def reading():
            read.append(1)
            return film

        assert sessions.film("a", "x", reading) is sessions.film("a", "x", reading) is film
        assert len(read) == 1
        sessions.film("b", "x", reading)
        assert len(read) == 2
        sessions.film("a", "y", reading)
        sessions.film("a", "x", reading)
        assert len(read) == 4

    def test_what_a_visitors_case_knows_is_kept_with_the_film_for_each_model(self):
        sessions, read = Sessions(), [planted.film(), planted.film(), planted.film()]
        models = one, other = planted.classifier(), planted.classifier()

        def predict(visitor, model, key="x"):
            sessions.case(visitor, key, model, read.pop).predict()
            return [model.images() for model in models]

        assert predict("a", one) == [1, 0]
        assert predict("a", one) == [1, 0]
        assert predict("a", other) == [1, 1]
        assert predict("a", one) == [1, 1], "and what the first model made of it is still there"
        assert len(read) == 2
        assert predict("b", one) == [2, 1], "nothing is shared with another visitor"
        assert predict("a", one, "y") == [3, 1], "nor between two films"

    def test_a_visitors_film_keeps_no_model_alive(self):
        """A visitor may name one of 500 MB; others then push it out."""
        sessions, model = Sessions(), planted.classifier()
        trust.controls(sessions.case("a", "x", model, planted.film))
        list(sessions.case("a", "x", model, planted.film).explain(methods.Occlusion()))
        gone = weakref.ref(model)
        del model
        gc.collect()
        assert gone() is None

    def test_a_film_that_its_visitor_leaves_takes_what_was_computed_along(self):
        sessions, model = Sessions(), planted.classifier()
        features = weakref.ref(sessions.case("a", "x", model, planted.film).first.features)
        assert features() is not None
        sessions.film("a", "y", planted.film)
        gc.collect()
        assert features() is None

    def test_a_crowd_stops_nobody_and_only_the_film_of_the_visitor_away_longest_is_dropped(self):
        sessions, read = Sessions(most=2), []
        film = Radiograph(np.zeros((2, 2)), Crop(0, 0, 2), "a", "0")

        def reading():
            read.append(1)
            return film

        flags = [sessions.begin(f"v{i}", "lime", 1) for i in range(200)]
        for visitor in ("v0", "v1", "v2"):
            sessions.film(visitor, "x", reading)
            sessions.end(f"{visitor} left", 1)
        assert not any(flag.is_set() for flag in flags)
        assert len(read) == 3
        sessions.film("v2", "x", reading)
        sessions.film("v1", "x", reading)
        assert len(read) == 3, "the two who came last are remembered"
        sessions.film("v0", "x", reading)
        assert len(read) == 4, "the one away longest costs one more reading"


def test_without_zero_gpu_functions_stay_as_they_are():
    def function():
        pass

    assert zerogpu.gpu(seconds=3)(function) is function
    assert zerogpu.FORKS is False


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
            call = httpx.post(f"{address}gradio_api/call/predict", json={"data": [given, None]})
            with httpx.stream("GET", f"{address}gradio_api/call/predict/{call.json()['event_id']}") as answer:
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
            assert set(maps) == {"gradcam", "occlusion", "corners", "labels"}
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
    described = httpx.get(f"{client.src}gradio_api/info").json()["named_endpoints"]["/explain"]
    assert "maps.npz" in described["description"]
    assert [p["parameter_name"] for p in described["parameters"]] == ["file", "method_keys", "settings", "model"]


def test_without_mcp_nothing_is_asked_of_gradio(monkeypatch):
    monkeypatch.setattr(mcp, "find_spec", lambda name: None)
    assert mcp.offer(None) == {}


def test_a_version_of_mcp_that_does_not_fit_is_said_and_no_more(monkeypatch, caplog):
    def unknown(page):
        raise AttributeError("Server")

    monkeypatch.setattr(mcp, "find_spec", lambda name: name)
    monkeypatch.setattr(mcp, "Tools", unknown)
    assert mcp.offer(None) == {}
    assert "no tools over MCP" in caplog.text


def test_the_page_serves_no_tools_where_they_are_switched_off(tmp_path):
    with served(tmp_path, GRADIO_MCP_SERVER="False") as address:
        assert httpx.post(f"{address}gradio_api/mcp/", json={}).status_code in (404, 405)
        assert "mcp/" not in httpx.get(f"{address}config").text
        render_noise(tmp_path / "noise.png")
        client = gradio_client.Client(address, verbose=False, analytics_enabled=False)
        assert client.predict(gradio_client.handle_file(tmp_path / "noise.png"), api_name="/predict")["labels"]


def test_films_come_from_the_uploads_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    inside, outside = tmp_path / "cache" / "ab" / "x.png", tmp_path / "x.png"
    inside.parent.mkdir(parents=True)
    for path in (inside, outside):
        render_noise(path)
    assert requests.film_of({"kind": "file", "path": str(inside)}).name == "x.png"
    gone, names = tmp_path / "cache" / "gone.png", ("\0", "\ud800", "x" * 5000)
    for bad in (outside, tmp_path / "cache" / ".." / "x.png", gone, None, *(gone.with_name(name) for name in names)):
        with pytest.raises(UnreadableImage, match="send the file again"):
            requests.film_of({"kind": "file", "path": bad and str(bad)})


def test_of_boxes_that_are_sent_only_boxes_are_taken():
    """In shares of the film; on the film, in its pixels."""
    film = SimpleNamespace(pixels=np.zeros((50, 200), np.float32))
    no_boxes = [None, 5, "box", [0, 0, 1, 1], {}, {"label": "Mass"}, {"label": "Mass", "edges": 5}]
    no_edges = [
        [0, 0, 1],
        [0, 0, 1, 1, 1],
        ["left", 0, 1, 1],
        [0, 0, 1, float("nan")],
        [0, 0, 1, 10**400],
        [0, 0, 1, None],
    ]
    bad = no_boxes + [{"label": "Mass", "edges": edges} for edges in no_edges]
    good = {"label": "Mass", "edges": [0.25, 0.5, 1, 0.75], "given": True}
    told = requests.Request.of({"boxes": [*bad, good, *bad]})
    assert told.boxes_on(film) == [label_tables.Box("Mass", 50, 25, 150, 12.5)]
    for nothing in (None, 5, "boxes", {"0": good}):
        assert requests.Request.of({"boxes": nothing}).boxes_on(film) == []


def test_nothing_stays_of_what_could_not_be_written(tmp_path, monkeypatch):
    def full(path, explanations):
        path.write_bytes(b"part")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(report, "write_maps", full)
    monkeypatch.setattr(uploads, "claim", lambda: tmp_path)
    for module in (exports, handlers):
        monkeypatch.setattr(module, "sessions", Sessions())
    source = {"kind": "phantom", "key": "normal"}
    told = requests.Request.of({"model": registry.OFFERED[0], "source": source, "methods": ["gradcam"]})
    with pytest.raises(OSError, match="No space left"):
        api._explained(None, source, ["gradcam"], {})
    with pytest.raises(OSError, match="No space left"):
        next(exports._exported(told, "me", {}, None))
    assert not list(tmp_path.iterdir())


def test_only_zips_that_were_made_for_a_visitor_are_packed_together(tmp_path, monkeypatch):
    """A zip that somebody sent might unpack to anything."""
    monkeypatch.setattr(uploads, "claim", lambda: tmp_path)
    monkeypatch.setattr(exports, "sessions", Sessions())
    archive = tmp_path / "film.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("film/result.json", "{}")
    exports.sessions.packed("me").add(str(archive))

    def bundled(visitor, *paths):
        event = SimpleNamespace(_data={"run": 7, "paths": list(paths)})
        return exports.export_films(event, SimpleNamespace(session_hash=visitor))

    answer = bundled("me", str(archive), str(archive))
    assert zipfile.ZipFile(answer["path"]).namelist() == ["film/result.json"], "each once"
    for refused in (("you", str(archive)), ("me", str(archive), "/etc/passwd"), ("me",), ("me", 5)):
        assert bundled(*refused) == {"event": "bundle", "run": 7, "error": messages.NOT_PACKED}


def test_folders_in_a_zip_of_several_have_names_of_their_own(tmp_path):
    """Also where a system holds capital and small letters for the same."""
    archives = []
    for k, name in enumerate(("film", "film", "film-2", "Film")):
        (tmp_path / str(k)).mkdir()
        archives.append(tmp_path / str(k) / f"{name}.zip")
        with zipfile.ZipFile(archives[-1], "w") as packed:
            packed.writestr(f"{name}/result.json", str(k))
    together = zipfile.ZipFile(export.bundle(archives, tmp_path / "films.zip"))
    assert together.namelist() == [f"{name}/result.json" for name in ("film", "film-2", "film-2-2", "Film-3")]
    assert [together.read(name).decode() for name in together.namelist()] == ["0", "1", "2", "3"]


def test_a_deadline_is_no_stop_that_somebody_asked_for(monkeypatch):
    """Who reads "stopped" may ask again: after a deadline that would go on for ever."""
    monkeypatch.setattr(handlers, "sessions", Sessions())
    event = SimpleNamespace(_data={"run": 1, "model": registry.OFFERED[0], "settings": {"lime": {}}})
    for ended, said in (
        (DeadlinePassed("Stopped after the 1 seconds given."), {"error": "Stopped after the 1 seconds given."}),
        (Cancelled(), {"stopped": True, "error": "Stopped on request."}),
    ):

        def work(*_, ended=ended):
            raise ended
            yield

        *_, last = handlers.of_maps(exports.EXPORT, work, event, SimpleNamespace(session_hash="me"))
        assert last == {"event": "export", "run": 1, **said}


def test_a_computation_ends_when_its_card_is_closed(monkeypatch, film_file):
    """Closing the handler, as gradio does when a visitor stops or leaves, sets the flag that the engine checks."""
    seen = []

    def explaining(case, method, *, budget):
        try:
            while True:
                yield an_explanation(np.zeros((3, 4, 4), np.float32))
        finally:
            seen.append("closed")

    flags = Sessions()
    monkeypatch.setattr(handlers, "sessions", flags)
    monkeypatch.setattr(Case, "explain", explaining)
    monkeypatch.setattr(handlers, "offered", lambda name: planted.classifier())
    monkeypatch.setattr(handlers, "film_of", lambda source: planted.film())
    request = type("Request", (), {"session_hash": "me"})
    event = type("Event", (), {"_data": {"run": 3, "model": "m", "source": {}, "settings": {}}})
    answers = handlers.run_handler(methods.METHODS[0])(event, request)
    assert [next(answers)["run"] for _ in range(2)] == [3, 3]
    _, flag = flags._of("me").flags["gradcam"]
    assert isinstance(flag, threading.Event)
    assert not flag.is_set()
    answers.close()
    assert seen == ["closed"]
    assert flag.is_set()
