"""The notebook cell of docs/python.md, run as it stands there."""

import ast
import re
from pathlib import Path

from cxr_demo.films import phantom
from tests.support.notebook import Seen

ROOT = Path(__file__).parents[2]


def run_cell(source, names):
    """What IPython does with a cell: run it, and display the value of its last line by its own HTML."""
    *statements, last = ast.parse(source).body
    assert isinstance(last, ast.Expr), "the last line has a value"
    exec(compile(ast.Module(statements, []), "cell", "exec"), names)
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    try:
        from IPython.core.formatters import DisplayFormatter
    except ImportError:
        return value._repr_html_()
    return DisplayFormatter().format(value)[0]["text/html"]


def test_the_cell_shows_what_it_says(tmp_path, monkeypatch):
    _, section = (ROOT / "docs" / "python.md").read_text().split("## In a notebook\n")
    cell = re.findall(r"```python\n([^`]*)```", section)[0]
    (tmp_path / "film.png").write_bytes(phantom.png("effusion"))
    monkeypatch.chdir(tmp_path)
    seen = Seen(run_cell(cell, {}))
    assert len(seen.maps) == 2 * (1 + 2)
    for said in ("film.png", "bundled:nih14@", "Grad-CAM", "Occlusion", "window 48", "Effusion", "Cardiomegaly"):
        assert said in seen.text
