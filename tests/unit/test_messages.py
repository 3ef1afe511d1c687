"""The page in other languages: catalogues that lack nothing, and a page that uses them."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import cxr_demo
from cxr_demo import errors, messages, methods
from cxr_demo.evaluation import randomisation
from cxr_demo.films import image, phantom
from cxr_demo.methods.base import settings_of
from cxr_demo.models import failure_cases, registry
from cxr_demo.output import render, viewer_data
from cxr_demo.types import NIH_FINDINGS

OTHERS = sorted(code for code in messages.languages() if code != "en")
ROOT = Path(cxr_demo.__file__).parent

#: What no visitor of the page reads: sentences of the command line, and what is wrong inside a model's files.
COMMANDS = {"cli.py", "deploy.py", "run.py", "label_tables.py", "folds.py", "notebook.py"}
INSIDES = {"model_folder.py", "xrv_weights.py", "classifier.py", "explain.py", "mcp.py"}
#: Asks a deployer to do something.
FOR_DEPLOYERS = re.compile("HF_|bundled:|sha256|its authors|no model \\{0\\}|Leave out @|cannot be read \\(|refused")
REFUSALS = {name for name, kind in vars(errors).items() if inspect.isclass(kind)} | {"Damaged"}
PLACE = re.compile(r"\{[^{}]*\}")


def keys_of(catalogue: dict) -> dict[str, list[str]]:
    """The English sentence, with all forms in which it is said."""
    return {k: [said] if isinstance(said, str) else list(said.values()) for k, said in catalogue["texts"].items()}


def said_by_scripts() -> set[str]:
    """Every sentence that the viewer's program says itself, and the file that it can be."""
    scripts = "".join(
        path.read_text(encoding="utf-8")
        for path in (*(viewer_data.ASSETS / name for name in viewer_data.SCRIPTS), ROOT / "output" / "html_report.py")
    )
    found = re.findall(r"\btr\('((?:[^'\\]|\\.)*)'", scripts)
    assert len(found) > 250
    return {re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), one).replace("\\'", "'") for one in found}


def template(node: ast.expr) -> str | None:
    """A sentence in Python; what stands for a value is {0}, {1} ... in order."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        parts = [node.value]
    elif isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
    else:
        return None
    numbers = iter(range(100))
    return PLACE.sub(lambda _: f"{{{next(numbers)}}}", "".join(parts))


def python_files():
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in ROOT.rglob("*.py")]


def refusals() -> set[str]:
    """Every sentence with which a visitor is refused something."""
    found = {page for name, page in vars(messages).items() if name.isupper() and isinstance(page, str)}
    for path, tree in python_files():
        if path.name in COMMANDS | INSIDES:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and getattr(node.func, "id", None) in REFUSALS:
                first = node.args[0]
                ways = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                found |= {said for way in ways if (said := template(way)) and not FOR_DEPLOYERS.search(said)}
    return found - {messages.BAD_CALL, messages.TOOL_FILM, messages.NOT_FETCHED}  # said to programs


def shown() -> set[str]:
    """What records of the engine have to say, and names that are shown."""
    found = {label.replace("_", " ") for label in NIH_FINDINGS}
    for kind in methods.METHODS:
        found |= {kind.reading, kind.unit.value}
        for setting in settings_of(kind):
            found |= {setting.name.replace("_", " "), setting.help, *setting.choices} - {"slic", "quickshift"}
    for one in phantom.PHANTOMS.values():
        found |= {one.title, one.planted}
    found.add(failure_cases.LABEL)
    for lesson in failure_cases.LESSONS.values():
        found |= {lesson.name, lesson.truth, lesson.see}
    found |= {choice.title for choice in registry.choices()}
    return found | set(randomisation.DEPTHS) | set(render.PALETTES) | set(image.CORRECTIONS)


def test_there_is_norwegian():
    assert OTHERS == ["nb"]
    assert messages.languages()["nb"]["name"] == "Norsk bokmål"
    assert set(messages.languages()["nb"]["also"]) == {"no", "nn"}


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_lacks_nothing(code):
    lacking = (said_by_scripts() | refusals() | shown()) - set(messages.languages()[code]["texts"])
    assert sorted(lacking) == []


@pytest.mark.parametrize("code", messages.languages())
def test_a_catalogue_has_nothing_that_is_never_said(code):
    """Else a sentence that was changed keeps the words for what it was."""
    known = said_by_scripts() | shown()
    for _, tree in python_files():
        known |= {said.strip() for node in ast.walk(tree) if (said := template(node))}
    known |= {
        label.replace("_", " ") for label in ("Enlarged_Cardiomediastinum", "Fracture", "Lung_Lesion", "Lung_Opacity")
    }
    known |= {"Grad-CAM pointing", "films with boxes", "all sources", "average precision"}  # of the models' own scores
    assert sorted(set(messages.languages()[code]["texts"]) - known) == []


@pytest.mark.parametrize("code", messages.languages())
def test_what_is_filled_in_is_the_same_in_every_language(code):
    for key, forms in keys_of(messages.languages()[code]).items():
        for said in forms:
            assert sorted(PLACE.findall(said)) == sorted(PLACE.findall(key)), key
            assert said.strip(), key


@pytest.mark.parametrize("code", OTHERS)
def test_the_chapters_under_the_viewer_are_there(code):
    assert len(messages.chapters(code)) == len(messages.chapters("en")) == 3
    assert [not body for body in messages.chapters(code).values()] == [False, True, False]
