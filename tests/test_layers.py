"""The shape of the program: imports point down only, and each library has one owner."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: Lowest first; a module may import from rows above its own, never from below.
LAYERS = [
    {"types", "errors", "metrics", "turns", "heap", "once", "files"},
    {"dicom", "render", "labelled"},
    {"decode"},
    {"image"},
    {"phantom"},
    {"efficientnet"},
    {"classifier"},
    {"modelfolder", "patches", "lungs", "sanity", "lessons"},
    {"gate"},
    {"hub", "folds"},
    {"graphs"},
    {"engine"},
    {"scoring", "zoo"},
    {"sources"},
    {"methods", "guests"},
    {"explain"},
    {"trust"},
    {"report", "benchmark", "deploy"},
    {"ui"},
    {"cli", "notebook"},
]
#: The owner of a library in each package; nothing else imports it there.
OWNERS = {
    "cxr_demo": {
        "gradio": "ui",
        "spaces": "ui",
        "huggingface_hub": "hub",
        "torchxrayvision": "classifier",
        "openvino": "graphs",
        "lime": "methods/lime",
        "pytorch_grad_cam": "methods/cam",
        "safetensors": "modelfolder",
    },
    "train": {"gradio": "audit/review", "huggingface_hub": "", "torchxrayvision": "datasets"},
}
FOR_TRAIN = {
    "types",
    "errors",
    "files",
    "image",
    "phantom",
    "classifier",
    "modelfolder",
    "sources",
    "hub",
    "scoring",
    "metrics",
    "labelled",
    "gate",
    "heap",
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path, package: str) -> str:
    return path.relative_to(ROOT / package).with_suffix("").as_posix()


def imports(path: Path) -> set[str]:
    """Every module a file imports at any depth, dotted, leaving out what only the type checker reads."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    hidden = {
        inner.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and node.lineno not in hidden:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif node.module:
                found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rank(name: str) -> int | None:
    return next((i for i, layer in enumerate(LAYERS) if name.split("/")[0] in layer), None)


@pytest.mark.parametrize("path", modules("cxr_demo"), ids=lambda p: name_of(p, "cxr_demo"))
def test_imports_point_down(path):
    name = name_of(path, "cxr_demo")
    if name in ("__init__", "__main__"):
        return
    own = rank(name)
    assert own is not None, f"{name} is in no layer: give it one"
    for module in imports(path):
        if module.startswith("cxr_demo.") and (other := rank(module.split(".")[1])) is not None:
            same = module.split(".")[1] == name.split("/")[0]
            assert other < own or same, f"{name} imports {module} from its own layer or above"
        assert not module.startswith("train"), f"{name} imports {module}"


def test_contributors_find_every_module_in_the_order_of_the_layers():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    listed = text.partition("\ncxr_demo/\n")[2].partition("\ntrain/\n")[0]
    names = re.findall(r"\w+", " ".join(line[:17] for line in listed.splitlines()))
    assert sorted(names) == sorted(name for layer in LAYERS for name in layer)
    assert [rank(name) for name in names] == sorted(rank(name) for name in names)


@pytest.mark.parametrize("path", modules("train"), ids=lambda p: name_of(p, "train"))
def test_train_uses_only_what_it_may(path):
    used = {m.split(".")[1] for m in imports(path) if m.startswith("cxr_demo.")}
    assert used <= FOR_TRAIN


@pytest.mark.parametrize("package", OWNERS)
def test_each_library_has_one_owner(package):
    for path in modules(package):
        for module in imports(path):
            owner = OWNERS[package].get(module.split(".")[0])
            if owner is not None:
                here = name_of(path, package)
                assert owner, f"{here} imports {module}, which {package} must not"
                assert here.startswith(owner), f"{here} imports {module}; its owner is {owner}"


def test_importing_the_package_needs_neither_torch_nor_the_network():
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('a socket was opened')\n"
        "socket.socket.connect = refuse\n"
        "import cxr_demo, cxr_demo.types, cxr_demo.errors, cxr_demo.image, cxr_demo.cli\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
