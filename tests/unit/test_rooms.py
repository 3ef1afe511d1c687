"""The rooms of the tests: each test lies where its needs are met, and none needs another."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
ROOMS = ("browser", "server", "train", "unit")
FILES = sorted(TESTS.rglob("test_*.py"))
#: Fixtures that start a server or a browser.
SERVED = {"address", "client", "open_page", "browser"}
#: Of the tests of the whole: the shape of the program, of the project and of the tests, and another library's answers.
WHOLE = {"face", "layers", "methods", "project", "quantus", "rooms"}


def name_of(path: Path) -> str:
    return path.relative_to(TESTS).as_posix()


def imported(path: Path) -> set[str]:
    """Every module of the tests that a file imports, dotted."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom | ast.Import)]
    dotted = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            dotted |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in dotted if name.split(".")[0] == "tests"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_test_lies_in_a_room_and_imports_no_other(path):
    assert path.parent.name in ROOMS
    assert path.parent.parent == TESTS
    assert {name for name in imported(path) if name.split(".")[1] != "support"} == set()


@pytest.mark.parametrize("path", sorted((TESTS / "support").glob("*.py")), ids=name_of)
def test_support_imports_support_alone(path):
    assert {name for name in imported(path) if name.split(".")[1] != "support"} == set()


@pytest.mark.parametrize("path", sorted((TESTS / "unit").glob("test_*.py")), ids=name_of)
def test_a_unit_test_is_named_like_a_module_and_needs_no_server(path):
    modules = {each.stem for package in ("cxr_demo", "benchmarks") for each in (ROOT / package).rglob("*.py")}
    assert path.stem.removeprefix("test_") in modules | WHOLE
    taken = {
        argument.arg
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        for argument in node.args.args
    }
    assert taken & SERVED == set()
