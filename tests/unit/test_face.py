"""The public face: its names, their documentation, and the examples that use them."""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from weakref import WeakKeyDictionary

import pytest

import cxr_demo as cxr
from cxr_demo.films import phantom
from cxr_demo.inference import engine

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PYTHON = (ROOT / "docs" / "python.md").read_text()


@pytest.fixture
def unconverted(monkeypatch):
    """Models run in torch alone: converting the bundled one would take longer than the examples."""
    monkeypatch.setattr(engine, "choose", lambda _: None)
    monkeypatch.setattr(engine, "_ENGINES", WeakKeyDictionary())


def examples(text):
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


def test_the_documentation_lists_every_name_and_no_other():
    rows = dict(re.findall(r"^\| `(\w+)(\(.*?\))?` \|", PYTHON, re.M))
    assert sorted(rows) == sorted(cxr.__all__)
    assert set(cxr.__all__) <= set(dir(cxr))
    for name, arguments in rows.items():
        value = getattr(cxr, name)
        assert callable(value) == bool(arguments)
        if arguments:
            known = list(inspect.signature(value).parameters)
            named = re.findall(r"(\w+)(?:=\w+)?", arguments.replace("=None", ""))
            assert named == known[: len(named)], name


def test_another_name_is_an_error_as_in_any_module():
    with pytest.raises(AttributeError, match="'cxr_demo' has no attribute 'explian'"):
        cxr.explian  # noqa: B018


def test_a_name_brings_torch_only_when_it_is_used():
    code = (
        "import sys, cxr_demo\n"
        "dir(cxr_demo), cxr_demo.read, cxr_demo.save_phantom\n"
        "assert 'torch' not in sys.modules\n"
        "cxr_demo.explain\n"
        "assert 'torch' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_documentation_uses_the_face_alone(path):
    text = path.read_text()
    assert not re.findall(r"from cxr_demo|import cxr_demo\.", text)
    assert set(re.findall(r"\b(?:cxr|cxr_demo)\.(\w+)\(", text)) <= set(cxr.__all__)


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
