"""The endpoints as tools of assistants, over MCP: the same answers, and no promise less."""

import asyncio
import json
import time

import gradio_client
import httpx
import numpy as np
import pytest

from cxr_demo import messages
from cxr_demo.films import phantom
from cxr_demo.types import Unit
from cxr_demo.web import uploads
from tests.support.serving import OUTSIDE, PATIENCE, client_of, listening, patient, served

pytest.importorskip("mcp", reason="gradio[mcp] is not installed")
from tests.support.assistants import FILM, as_data, call, refused, session

FILE_DATA = {"meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def hub():
    """Where this page's libraries take the Hub to be, which they also report to, and what it was asked."""
    with listening() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tools")


@pytest.fixture(scope="module")
def address(folder, hub):
    with served(folder, HF_ENDPOINT=hub[0]) as url:
        yield url


@pytest.fixture(scope="module")
def client(address):
    return client_of(address)


@pytest.fixture
def log(folder):
    return folder / "server.log"


@pytest.fixture(scope="module")
def sent(address):
    """What the page answers when a film is sent to it."""
    answer = patient.post(f"{address}gradio_api/upload", files={"files": ("film.png", FILM)})
    return answer.json()[0]


def test_the_page_says_that_it_serves_tools(address):
    """By this the Hub gives a Space its badge."""
    assert patient.get(f"{address}config").json()["mcp_server"] is True


def cached(folder):
    return {path for path in (folder / "cache").rglob("*") if path.is_file()}


# ------------------------------------------------------------------ what the tools are and give


def test_the_tools_are_the_two_endpoints(address):
    tools = {tool.name: tool for tool in session(address, lambda opened: opened.list_tools()).tools}
    assert set(tools) == {"predict", "explain"}
    taken = tools["explain"].inputSchema
    assert list(taken["properties"]) == ["file", "method_keys", "settings", "model"]
    assert taken["required"] == ["file"]
    assert taken["properties"]["file"] == {"type": "string", "description": messages.TOOL_FILM}
    assert "maps.npz" in tools["explain"].description
    told = patient.get(f"{address}gradio_api/mcp/schema").json()
    assert [each["name"] for each in told] == ["predict", "explain"]


@pytest.mark.parametrize("tool", ["film", "run_lime", "trust", "export", "stop", "leave", "open_film", "run"])
def test_events_of_the_page_are_no_tools(address, sent, tool):
    assert "Unknown tool" in refused(address, tool, file=sent)


def test_a_film_can_be_named_in_three_ways(address, client, sent, tmp_path):
    path = tmp_path / "film.png"
    path.write_bytes(FILM)
    expected = client.predict(gradio_client.handle_file(path), api_name="/predict")
    for given in (sent, f"{address}gradio_api/file={sent}", as_data(FILM)):
        done, (said,) = call(address, "predict", file=given)
        assert done, said
        told = json.loads(said)
        assert told.pop("file") == ("file.png" if given.startswith("data:") else "film.png")
        assert told.pop("logits") == pytest.approx(expected["logits"], abs=1e-3)
        assert told.pop("probabilities") == pytest.approx(expected["probabilities"], abs=1e-3)
        assert told == {name: expected[name] for name in told}
        assert len(told) == len(expected) - 3


def test_another_offered_model_can_be_asked(address, folder, sent):
    done, _ = call(address, "explain", file=sent, method_keys=["lime"], settings={"lime.samples": 100})
    assert done
    _, (said,) = call(address, "predict", file=sent, model=str(folder / "one"))
    assert json.loads(said)["labels"] == ["Pneumothorax"]
    assert "is not offered here" in refused(address, file=sent, model=str(folder / "secret"))


@pytest.mark.parametrize("watched", [False, True], ids=["", "with progress"])
def test_maps_can_be_had_from_the_address_that_is_given(address, sent, tmp_path, watched):
    told = []

    async def progress(*said):
        told.append(said)

    arguments = {"file": sent, "method_keys": ["gradcam", "corners"], "settings": {"corners.strength": 0.25}}
    answer = session(
        address,
        lambda opened: opened.call_tool("explain", arguments, progress_callback=progress if watched else None),
    )
    fields, where = (each.text for each in answer.content)
    assert json.loads(fields)["methods"]["gradcam"]["unit"] == Unit.LOGIT.value
    (tmp_path / "maps.npz").write_bytes(patient.get(where).content)
    with np.load(tmp_path / "maps.npz") as maps:
        assert set(maps) == {"gradcam", "corners", "labels"}
        assert maps["corners"][4, 0, 0] == pytest.approx(1.0)
    assert bool(told) == watched


def test_behind_a_proxy_the_address_is_the_visitors(address, sent):
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "explain", "arguments": {"file": sent, "method_keys": ["corners"]}},
    }
    headers = {"Accept": "application/json, text/event-stream", "X-Forwarded-Host": "films.example"}
    answer = patient.post(f"{address}gradio_api/mcp/", json=body, headers={**headers, "X-Forwarded-Proto": "https"})
    told = next(line.removeprefix("data:") for line in answer.text.splitlines() if line.startswith("data:"))
    assert json.loads(told)["result"]["content"][1]["text"].startswith("https://films.example/gradio_api/file=")


# ------------------------------------------------------------------ what they do not do


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lime.samples": 10**9}, "samples=1000000000"),
        ({"lime.samples": "many"}, "not a number"),
        ({"lime.size": 7}, "no setting 'size'"),
        ({"samples": 300}, "method.setting"),
    ],
)
def test_settings_are_held_to_their_range(address, sent, settings, words):
    assert words in refused(address, "explain", file=sent, method_keys=["lime"], settings=settings)


def test_no_address_is_fetched_or_looked_up(address, listener, log, sent):
    url, asked = listener
    for given in (url, "https://example.com/film.png", "HTTP://example.com/a", "ftp://example.com/a.png"):
        assert messages.NOT_FETCHED in refused(address, file=given)
    for given in (f"{url}/gradio_api/file=/etc/passwd", "https://example.com/gradio_api/file=/etc/passwd"):
        assert "send the file again" in refused(address, file=given)
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    for place in ({"file": {"path": url}}, {"file": sent, "settings": {"a": {"path": url, **FILE_DATA}}}):
        answer = patient.post(
            f"{address}gradio_api/mcp/", json={**body, "params": {"name": "explain", "arguments": place}}
        )
        assert (answer.status_code, answer.text) == (400, messages.NOT_FETCHED)
    assert asked == []
    assert OUTSIDE not in log.read_text()


def test_no_file_of_the_machine_is_read(address, folder, tmp_path):
    film = tmp_path / "film.png"
    film.write_bytes(FILM)
    before = cached(folder)
    for path in ("/etc/passwd", str(film), "app.py", f"{folder}/cache/../server.log"):
        for given in (path, f"{address}gradio_api/file={path}", f"x/gradio_api/file={path}", f"file={path}"):
            assert "send the file again" in refused(address, file=given)
    assert cached(folder) == before


@pytest.mark.parametrize("path", ["/etc/passwd", "app.py"])
def test_no_argument_takes_a_file_of_the_machine_along(address, folder, sent, path):
    """Gradio's own client sends it to the page, and the error about the setting says where it then lies."""
    file = {"path": path, **FILE_DATA}
    before = cached(folder)
    for given in (
        {"file": file}, {"file": [file]}, {"model": file}, {"method_keys": [file]}, {"settings": file},
        {"settings": {"lime.samples": file}}, {"settings": {"lime.samples": [{"a": file}]}}, {"more": file},
    ):  # fmt: skip
        said = refused(address, "explain", **{"file": sent, "method_keys": ["lime"], **given})
        assert uploads.PREFIX not in said
    assert cached(folder) == before


@pytest.mark.parametrize("given", ["data:", "data:image/png;base64,", "data:image/png;base64,*", "data:,a", "", "a\0b"])
def test_what_is_no_film_gets_a_sentence(address, log, given):
    before = len(log.read_text())
    said = refused(address, file=given)
    assert "file" in said
    assert "Traceback" not in said + log.read_text()[before:]


def test_films_lie_in_the_folder_that_is_swept_and_never_in_the_log(address, folder, log):
    film, before = phantom.png("effusion", 256), len(log.read_text())
    done, (said,) = call(address, "predict", file=as_data(film))
    assert done, said
    assert [path for path in cached(folder) if path.read_bytes() == film]
    assert all(path.relative_to(folder / "cache").parts[0].startswith(uploads.PREFIX) for path in cached(folder))
    assert log.read_text()[before:] == ""


def test_larger_films_are_sent_first(address):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    params = {"name": "predict", "arguments": {"file": as_data(bytes(uploads.AROUND))}}
    assert patient.post(f"{address}gradio_api/mcp/", json={**body, "params": params}).status_code == 413


@pytest.mark.parametrize("route", ["", "http", "sse", "messages/", "messages/?session_id=1", "other"])
@pytest.mark.parametrize("body", [b"", b"{}", b"[[", b"null", json.dumps({"method": "tools/call", "id": {}}).encode()])
def test_nonsense_gets_a_plain_answer(address, log, route, body):
    before = len(log.read_text())
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    answer = patient.post(f"{address}gradio_api/mcp/{route}", content=body, headers=headers)
    if route.startswith(("sse", "mess")):
        assert answer.status_code == 404
    assert 400 <= answer.status_code < 500
    assert "Traceback" not in answer.text + log.read_text()[before:]


def test_calls_that_wait_do_not_keep_the_page_from_others(tmp_path):
    """They are more than the threads that give out its files, in which Gradio's own client would wait."""
    with served(tmp_path) as own:  # since the calls go on when the caller has left
        uploaded = patient.post(f"{own}gradio_api/upload", files={"files": ("film.png", FILM)}).json()[0]
        _wait_beside_others(own, uploaded)


def _wait_beside_others(address, sent):
    arguments = {"file": sent, "method_keys": ["lime"], "settings": {"lime.samples": 5000}}

    async def many(opened):
        calls = [asyncio.create_task(opened.call_tool("explain", arguments)) for _ in range(48)]
        await asyncio.sleep(3)
        async with httpx.AsyncClient(timeout=PATIENCE) as other:
            answer = await other.get(f"{address}gradio_api/file={sent}")
        assert sum(not each.done() for each in calls) > 40
        for each in calls:
            each.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        return answer

    assert session(address, many).content == FILM


def test_the_server_asks_nobody(log, address, sent, hub):
    """It is not told to be silent here; Gradio's own client would report to the Hub, and ask it for a list."""
    _, asked = hub
    assert call(address, "predict", file=sent)[0]
    time.sleep(2)  # reports are made in a thread
    assert OUTSIDE not in log.read_text()
    assert asked == []
