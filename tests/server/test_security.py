"""What strangers may not do with a served page, each tried against a real one."""

import io
import json
import re
import socket
import subprocess
import sys
import time
import zipfile
from contextlib import closing
from pathlib import Path

import gradio_client
import httpx
import pytest
from gradio_client.exceptions import AppError

from benchmarks.visitor import Refused, Visitor
from cxr_demo.films import phantom
from cxr_demo.web import uploads
from tests.support import corpus
from tests.support.serving import OUTSIDE, called, patient

ROOT = Path(__file__).parents[2]


@pytest.fixture
def log(folder):
    return folder / "server.log"


@pytest.fixture
def no_traceback(log):
    """What this test does leaves none in the log."""
    before = len(log.read_text()) if log.exists() else 0
    yield
    assert "Traceback" not in log.read_text()[before:]


@pytest.fixture
def film_png(tmp_path):
    path = tmp_path / "film.png"
    path.write_bytes(phantom.png("normal", 256))
    return path


def upload(address, data, name):
    return patient.post(f"{address}gradio_api/upload", files={"files": (name, data)})


def event(address, name, told):
    """What an event of the page answers to what a browser might say, though it is in no list of endpoints."""
    with closing(Visitor(address)) as stranger:
        try:
            return json.dumps([answer for _, answer in stranger.ask((name, told))])
        except Refused as refused:
            return str(refused)


# ------------------------------------------------------------------ files of the machine


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "app.py", "cxr_demo/cli.py", "../../../../etc/passwd", "..%2f..%2fetc/passwd"]
)
@pytest.mark.parametrize("route", ["file=", "file/", "stream/", "custom_component/", ""])
def test_no_file_of_the_machine_is_given_out(address, route, path):
    for wanted in (path, str(ROOT / path)):
        answer = patient.get(f"{address}gradio_api/{route}{wanted}")
        assert answer.status_code >= 400
        assert "root:" not in answer.text
        assert "import" not in answer.text


def test_the_models_files_and_the_log_are_not_given_out(address, folder):
    for path in (folder / "server.log", folder / "one" / "config.json"):
        assert path.exists()
        assert patient.get(f"{address}gradio_api/file={path}").status_code >= 400


def test_the_folder_of_films_is_not_listed(address, folder):
    for path in (folder / "cache", *(folder / "cache").iterdir()):
        assert patient.get(f"{address}gradio_api/file={path}").status_code >= 400


@pytest.mark.parametrize("name", corpus.NAMES, ids=range(len(corpus.NAMES)))
def test_a_file_lands_among_the_uploads_whatever_it_is_called(address, folder, name):
    if not name.isprintable() or len(name) > 1000:
        name = "".join(c for c in name if c.isprintable())[:1000]
    answer = upload(address, corpus.SAME["png"][0], name)
    if answer.status_code == 200:
        (path,) = answer.json()
        assert Path(path).resolve().is_relative_to((folder / "cache").resolve())
        assert uploads.PREFIX in path
    assert not (folder / "passwd").exists()


@pytest.mark.parametrize("name", ["...png", "..png", "a/../...png"])
def test_what_is_taken_away_is_of_ones_own_film_whatever_it_is_called(address, folder, uploaded, film_png, name):
    """Of these names the stem is the folder itself, or the one above, where the films of all visitors lie."""
    with closing(Visitor(address)) as one:
        source = one.upload(name, film_png.read_bytes())
        told = {"model": str(folder / "fourteen"), "source": source, "methods": ["gradcam"], "run": 1}
        assert one.answer("run_gradcam", told)["complete"]
        before = uploaded()
        answer = one.answer("export", {**told, "run": 2})
    archive = Path(answer["path"])
    assert uploaded() - before == {archive}
    assert uploaded() >= before
    with zipfile.ZipFile(archive) as packed:
        assert "result.json" in {Path(entry).name for entry in packed.namelist()}


def test_a_page_that_somebody_sent_is_not_shown_as_one(address):
    (path,) = upload(address, b"<script>alert(1)</script>", "page.html").json()
    answer = patient.get(f"{address}gradio_api/file={path}")
    assert "html" not in answer.headers.get("content-type", "") or "attachment" in answer.headers["content-disposition"]


# ------------------------------------------------------------------ other servers


@pytest.mark.parametrize("shape", ["path", "url", "both"])
def test_nobody_else_is_asked_for_a_film(address, folder, listener, shape):
    url, asked = listener
    given = {"path": {"path": url}, "url": {"path": "x.png", "url": url}, "both": {"path": url, "url": url}}[shape]
    for meta in ({}, {"meta": {"_type": "gradio.FileData"}}):
        assert "event: error" in called(address, "predict", {**given, **meta}, None)
    told = event(address, "film", {"model": str(folder / "fourteen"), "source": {"kind": "file", **given}})
    assert "send the file" in told or "cannot be accessed" in told
    assert asked == []


@pytest.mark.parametrize("path", ["https://example.com/film.png", "HTTP://example.com/film.png", "ftp://example.com/a"])
def test_no_address_is_even_looked_up(address, log, path):
    """Gradio would ask a name server, and fetch the file where it is not on a private network."""
    for data in ([{"path": path, "meta": {"_type": "gradio.FileData"}}, None], [[{"a": {"path": path}}], None]):
        answer = patient.post(f"{address}gradio_api/call/predict", json={"data": data})
        assert (answer.status_code, "send the file itself" in answer.text) == (400, True)
    assert OUTSIDE not in log.read_text()


def test_the_page_fetches_nothing_for_others(address, listener):
    url, asked = listener
    for route in (f"proxy={url}", f"file={url}"):
        answer = patient.get(f"{address}gradio_api/{route}", follow_redirects=False)
        assert b"PNG" not in answer.content
    assert asked == []


# ------------------------------------------------------------------ too much, and nonsense


@pytest.fixture
def uploaded(folder):
    """Lists what lies among the uploads."""
    return lambda: {p for p in (folder / "cache").rglob("*") if p.is_file()}


def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(address, uploaded):
    before = uploaded()
    answer = upload(address, io.BytesIO(bytes((uploads.MEGABYTES + 2) << 20)), "large.png")
    assert answer.status_code == 413
    assert "up to 100 MB" in answer.text
    assert uploaded() == before


@pytest.mark.parametrize("told", [True, False], ids=["length told", "length not told"])
def test_many_files_in_one_request_are_no_way_around(address, uploaded, told):
    before = uploaded()
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="%d.png"\r\n\r\n' + bytes(60 << 20) + b"\r\n"
    body = [part % n for n in range(3)]
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    if told:
        headers["Content-Length"] = str(sum(map(len, body)))
    try:
        answer = patient.post(f"{address}gradio_api/upload", content=iter(body), headers=headers)
        assert answer.status_code == 413
    except httpx.HTTPError:
        pass  # the server hung up while it was still being sent to
    eventually(lambda: uploaded() == before)


@pytest.mark.parametrize("sent", [{"data": {"files": "no file"}}, {"files": {"files": ("", b"no name")}}])
@pytest.mark.parametrize("query", ["", "?upload_id=x"])
def test_a_part_that_is_no_file_is_refused(address, uploaded, no_traceback, sent, query):
    before = uploaded()
    answer = patient.post(f"{address}gradio_api/upload{query}", **sent)
    assert answer.status_code in (400, 422)
    assert uploaded() == before


@pytest.mark.parametrize("route", ["component_server", "component_server/", "process_recording"])
def test_no_other_route_takes_files(address, route):
    assert patient.post(f"{address}gradio_api/{route}", files={"files": ("a.png", b"a")}).status_code == 404


def test_a_request_that_is_no_upload_is_small(address):
    answer = patient.post(f"{address}gradio_api/queue/join", json={"data": ["x" * (2 << 20)]})
    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"data":' * 100_000, b'{"data": [', b"\xff"])
def test_a_body_that_cannot_be_read_is_refused(address, no_traceback, body):
    answer = patient.post(
        f"{address}gradio_api/call/predict", content=body, headers={"Content-Type": "application/json"}
    )
    assert 400 <= answer.status_code < 500


def test_a_sender_who_hangs_up_leaves_nothing(address, uploaded, no_traceback):
    before = uploaded()
    host, port = re.findall(r"//(.*):(\d+)", address)[0]
    with socket.create_connection((host, int(port))) as line:
        head = "POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n"
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode())
        line.sendall(
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="half.png"\r\n\r\n' + bytes(9 << 20)
        )
        eventually(lambda: uploaded() != before)
    eventually(lambda: uploaded() == before)


def eventually(holds, seconds=10.0):
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    "told",
    [
        {}, {"source": {"kind": "file"}}, {"source": {"kind": "file", "path": ["a"]}},
        {"source": {"kind": "phantom", "key": {}}},
        {"source": {"kind": "phantom", "key": "normal", "correction": "__class__"}}, {"model": {"a": 1}},
        {"model": "../../etc", "source": {"kind": "phantom", "key": "normal"}}, {"run": "x", "turn": None, "source": 7},
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["film", "run_lime", "pixels", "trust", "scramble", "named"])
def test_nonsense_gets_a_sentence_or_a_plain_answer(address, log, name, told):
    before = len(log.read_text())
    answer = event(address, name, told)
    assert answer != "[]"
    assert str(ROOT) not in answer
    assert "Traceback" not in answer + log.read_text()[before:]


def test_values_that_an_endpoint_cannot_have_get_a_sentence(address, folder, film_png, log, no_traceback):
    (path,) = upload(address, film_png.read_bytes(), "Secret^Caller.png").json()
    meta = {"meta": {"_type": "gradio.FileData"}}
    not_sent = str(folder / "Secret^Place" / "film.png")
    for values in ([], [{"path": path, **meta}], [{"path": not_sent, **meta}, None]):
        assert "Give one for each parameter" in called(address, "predict", *values), values
    assert "Secret" not in log.read_text()


@pytest.mark.parametrize(
    "settings",
    [
        {"lime.samples": 10**9},
        {"lime.samples": -1},
        {"lime.samples": "many"},
        {"occlusion.stride": 0.1},
        {"lime.fill": "x"},
    ],
)
def test_settings_are_held_to_their_range_on_the_server(client, tmp_path, settings):
    film = tmp_path / "film.png"
    film.write_bytes(corpus.SAME["png"][0])
    with pytest.raises(AppError, match=r"is needed|choose|not a number"):
        client.predict(
            gradio_client.handle_file(film), [next(iter(settings)).split(".")[0]], settings, api_name="/explain"
        )


@pytest.mark.parametrize("route", ["vibe-code", "vibe-edit", "undo-vibe-edit", "process_recording"])
def test_the_page_cannot_be_edited_by_its_visitors(address, route):
    before = (ROOT / "app.py").read_bytes()
    answer = patient.post(f"{address}gradio_api/{route}", json={"code": "import os", "prompt": "x", "hash": "x"})
    assert answer.status_code >= 400
    assert (ROOT / "app.py").read_bytes() == before


# ------------------------------------------------------------------ what is written down


def test_nothing_of_a_film_reaches_the_log(client, address, log, tmp_path):
    film = tmp_path / "Secret^Person.dcm"
    film.write_bytes(corpus.as_dicom(corpus.EIGHT, WindowCenter=5, WindowWidth=0))
    told = client.predict(gradio_client.handle_file(film), api_name="/predict")
    broken = tmp_path / "Secret^Other.dcm"
    broken.write_bytes(corpus.as_dicom(corpus.EIGHT, NumberOfFrames=2, PixelData=corpus.EIGHT.tobytes() * 2))
    with pytest.raises(AppError, match="several frames"):
        client.predict(gradio_client.handle_file(broken), api_name="/predict")
    written = log.read_text()
    for secret in ("Secret", "4711", told["sha256"]):
        assert secret not in written
    assert "4711" not in json.dumps(told)


# ------------------------------------------------------------------ whom the server asks


def test_the_server_asks_nobody(client, address, log, folder, film_png):
    """It is not told to be silent here: Gradio's own reports and checks for new versions must not be made either."""
    client.predict(gradio_client.handle_file(film_png), api_name="/predict")
    client.predict(gradio_client.handle_file(film_png), api_name="/explain")
    with closing(Visitor(address)) as one:
        told = {"model": str(folder / "fourteen"), "source": one.upload("a.png", film_png.read_bytes()), "run": 1}
        assert "probabilities" in one.answer("film", {**told, "run": 0})
        assert one.answer("run_occlusion", told)["complete"]
    assert OUTSIDE not in log.read_text()


def test_a_question_to_somebody_else_would_be_seen():
    """Of a program that is watched in the same way."""
    code = """
import socket, sys
from tests.support import serving
sys.addaudithook(serving.told_of_connections)
for ask in (
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: socket.getaddrinfo("nobody.invalid", 80),
    lambda: socket.create_connection(("192.0.2.1", 9), 0.1),
):
    try:
        ask()
    except OSError:
        pass
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stderr
    assert [line.split()[-1] for line in said.splitlines()] == ["'nobody.invalid'", "'192.0.2.1'", "'192.0.2.1'"]


def test_the_browser_keeps_no_history_of_runs(address):
    assert patient.get(f"{address}config").json().get("run_history") is False
