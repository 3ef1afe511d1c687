"""The examples of docs/api.md, run as they stand there against a served page."""

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from cxr_demo.films import formats, phantom
from cxr_demo.types import Unit
from cxr_demo.web import api, uploads
from tests.support.serving import PATIENCE

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
#: What the examples take for granted, here under another name.
PAGE, MODEL = "http://127.0.0.1:7860", "bundled:pneumothorax"


@pytest.fixture
def blocks(address, folder, tmp_path, monkeypatch):
    """The code of a section in a language, for this page; run where the film lies."""
    (tmp_path / "film.png").write_bytes(phantom.png("normal", 256))
    monkeypatch.chdir(tmp_path)

    def section(title, language):
        (found,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
        code = re.findall(rf"^```{language}\n(.*?)^```", found, re.M | re.S)
        return [each.replace(PAGE, address.rstrip("/")).replace(MODEL, str(folder / "one")) for each in code]

    return section


def run(code):
    """What the examples have defined, run in a thread of their own: the browser's driver has a loop in this one."""
    names = {"__name__": "docs"}
    with ThreadPoolExecutor(1) as other:
        for each in code:
            other.submit(exec, compile(each, "docs/api.md", "exec"), names).result()
    return names


def test_every_example_is_in_a_section_that_is_run():
    assert re.findall(r"^## (.*)|^```(\w+)", TEXT, re.M) == [
        ("Python", ""), *[("", "python")] * 4, ("curl", ""), *[("", "sh")] * 2,
        ("Assistants (MCP)", ""), ("", "python"), ("Limits", ""),
    ]  # fmt: skip


def test_python(blocks, capsys, folder):
    told = run(blocks("Python", "python")[:1])["told"]
    table = capsys.readouterr().out.splitlines()[-len(told["labels"]) :]
    above = [p > t for p, t in zip(told["probabilities"], told["thresholds"], strict=True)]
    assert [line.split()[0] for line in table] == told["labels"]
    assert [line.endswith("above") for line in table] == above
    run(blocks("Python", "python"))
    maps, one, error = capsys.readouterr().out.splitlines()[-3:]
    assert maps.startswith("(96, 96) {'window': 48, 'stride': 24")
    assert one.startswith(f"{folder / 'one'}@")
    assert error == re.findall(r"# (samples=7.*)", TEXT)[0]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not there")
def test_curl(blocks, tmp_path):
    code = "set -euo pipefail\n" + "\n".join(blocks("curl", "sh"))
    done = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("event: complete") == 2
    assert done.stdout.count("event: error") == 1
    assert re.findall(r'"error": *"([^"]*)"', done.stdout) == re.findall(r"# (samples=7.*)", TEXT)
    with np.load(tmp_path / "maps.npz") as maps:
        assert set(maps) == {"occlusion", "occlusion_error", "labels"}


@pytest.mark.skipif(not find_spec("mcp"), reason="gradio[mcp] is not installed")
def test_mcp(blocks, capsys, address):
    run(blocks("Assistants (MCP)", "python"))
    assert re.fullmatch(rf"{Unit.LOGIT.value} {address}gradio_api/file=\S+maps.npz", capsys.readouterr().out.strip())


def test_what_it_says_of_limits():
    assert (uploads.MEGABYTES, uploads.AROUND, api.DEADLINE, formats.MOST_PIXELS) == (100, 2**20, 120, 50_000_000)
