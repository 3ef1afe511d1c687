"""The public face: its names, their documentation, and the examples that use them."""

import inspect
import re
from pathlib import Path

import pytest

import cxr_demo as cxr

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PYTHON = (ROOT / "docs" / "python.md").read_text()


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


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_documentation_uses_the_face_alone(path):
    text = path.read_text()
    assert not re.findall(r"from cxr_demo|import cxr_demo\.", text)
    assert set(re.findall(r"\b(?:cxr|cxr_demo)\.(\w+)\(", text)) <= set(cxr.__all__)
