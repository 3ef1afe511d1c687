"""The examples of the public face, run as they stand, and what importing it takes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cxr_demo.films import phantom
from tests.support.serving import save_model

ROOT = Path(__file__).parents[2]

PYTHON = (ROOT / "docs" / "python.md").read_text()


def examples(text):
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs code as it stands, but with a small model instead of the bundled one, where the film of the README lies."""
    model = save_model(tmp_path / "model")
    (tmp_path / "film.png").write_bytes(phantom.png("effusion"))
    monkeypatch.chdir(tmp_path)

    def runs(code, names):
        assert "bundled:nih14" in code or names, "the first block of a page names its model"
        exec(compile(code.replace("bundled:nih14", str(model)), "docs", "exec"), names)

    return runs


def test_a_name_brings_torch_only_when_it_is_used():
    code = (
        "import sys, cxr_demo\n"
        "dir(cxr_demo), cxr_demo.read, cxr_demo.save_phantom\n"
        "assert 'torch' not in sys.modules\n"
        "cxr_demo.explain\n"
        "assert 'torch' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_examples_of_the_page_run(run, capsys):
    names = {}
    for code in examples(PYTHON):
        run(code, names)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[:3]] == [
        names["prediction"].labels[i] for i in names["prediction"].ranked()[:3]
    ]
    assert printed[3:] == [
        "gradcam (14, 96, 96) logits per 1/49 of the view True",
        "occlusion (14, 96, 96) logits per 1/49 of the view True",
    ]
    assert Path("results/report.html").exists()


def test_the_readmes_examples_run(run):
    text = (ROOT / "README.md").read_text()
    names = {}
    (example,) = examples(text)
    run(example, names)
    assert names["occlusion"].values.shape == (14, 96, 96)
    (command,) = re.findall(r'^python -c "(.*?)"', text, re.M)
    exec(command, {})
    assert Path("phantom-effusion.png").exists()
