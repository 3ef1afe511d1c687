"""The rooms of the tests: each test lies where its needs are met, and none needs another."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOMS

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
FILES = sorted(TESTS.rglob("test_*.py"))
#: Fixtures that no unit test has: a server, a browser, real films.
LARGE = {"address", "client", "open_page", "browser", "films"}
#: Of the tests of the whole: the shape of the program, of the project and of the tests, and another library's answers.
WHOLE = {"face", "layers", "methods", "project", "quantus", "rooms"}


def name_of(path: Path) -> str:
    return path.relative_to(TESTS).as_posix()


def imported(path: Path) -> set[str]:
    """Every module that a file imports, dotted."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom | ast.Import)]
    dotted = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            dotted |= {f"{node.module}.{alias.name}" for alias in node.names}
    return dotted


def rooms_of(path: Path) -> set[str]:
    """The folders of the tests that a file imports from."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("tests.")}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_test_lies_in_a_room_and_imports_no_other(path):
    assert path.parent.name in ROOMS
    assert path.parent.parent == TESTS
    assert rooms_of(path) & set(ROOMS) == set()


@pytest.mark.parametrize("path", sorted((TESTS / "support").glob("*.py")), ids=name_of)
def test_support_imports_support_alone(path):
    assert rooms_of(path) <= {"support"}


@pytest.mark.parametrize("path", sorted((TESTS / "unit").glob("test_*.py")), ids=name_of)
def test_a_unit_test_is_named_like_a_module_and_needs_no_server_process_or_film(path):
    modules = {each.stem for package in ("cxr_demo", "benchmarks") for each in (ROOT / package).rglob("*.py")}
    assert path.stem.removeprefix("test_") in modules | WHOLE
    taken = {
        argument.arg
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        for argument in node.args.args
    }
    assert taken & LARGE == set()
    assert "subprocess" not in imported(path)
