"""The examples of the public face, run as they stand, and what importing it takes."""

import re
import subprocess
import sys
from pathlib import Path
from weakref import WeakKeyDictionary

import pytest

from cxr_demo.films import phantom
from cxr_demo.inference import engine

ROOT = Path(__file__).parents[2]

PYTHON = (ROOT / "docs" / "python.md").read_text()


@pytest.fixture
def unconverted(monkeypatch):
    """Models run in torch alone: converting the bundled one would take longer than the examples."""
    monkeypatch.setattr(engine, "choose", lambda _: None)
    monkeypatch.setattr(engine, "_ENGINES", WeakKeyDictionary())


def examples(text):
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


def test_a_name_brings_torch_only_when_it_is_used():
    code = (
        "import sys, cxr_demo\n"
        "dir(cxr_demo), cxr_demo.read, cxr_demo.save_phantom\n"
        "assert 'torch' not in sys.modules\n"
        "cxr_demo.explain\n"
        "assert 'torch' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_examples_of_the_page_run(tmp_path, monkeypatch, capsys, unconverted):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in examples(PYTHON):
        exec(compile(code, "docs/python.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert any(line.startswith("Effusion") for line in printed[:3])
    assert printed[3:] == [
        "gradcam (14, 224, 224) logits per 1/49 of the view True",
        "occlusion (14, 224, 224) logits per 1/49 of the view True",
    ]
    assert (tmp_path / "results" / "report.html").exists()


def test_the_readmes_examples_run(tmp_path, monkeypatch, unconverted):
    """The last one, which shows itself in a notebook, runs in test_notebook.py."""
    text = (ROOT / "README.md").read_text()
    monkeypatch.chdir(tmp_path)
    Path("film.png").write_bytes(phantom.png("effusion"))
    names = {}
    code, *_ = examples(text)
    exec(compile(code, "README.md", "exec"), names)
    assert names["occlusion"].values.shape == (14, 224, 224)
    (command,) = re.findall(r'^python -c "(.*?)"', text, re.M)
    exec(command, {})
    assert Path("phantom-effusion.png").exists()
