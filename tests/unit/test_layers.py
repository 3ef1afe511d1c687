"""The shape of the program: imports point down only, and each library has one owner."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: The rooms, lowest first, each with its modules, lowest first; a module imports only what stands before it. "" is the
#: package itself; the modules of a room without a list may import each other.
ROOMS: dict[str, list[str]] = {
    "types": [],
    "messages": [],
    "errors": [],
    "files": [],
    "imports": [],
    "tables": [],
    "single_flight": [],
    "processes": [],
    "films/dicom": ["tags", "frames", "colour", "display"],
    "films": [
        "formats",
        "film_names",
        "image_tables",
        "archives",
        "framing",
        "image",
        "phantom",
        "greys",
        "gate",
        "lungs",
        "table_columns",
        "image_files",
        "label_tables",
    ],
    "models": [
        *("efficientnet", "classifier", "model_folder", "hub", "hub_cards", "folds", "xrv_weights"),
        *("library_folders", "foreign", "of_timm", "of_transformers"),
        *("failure_cases", "registry", "visitor_models"),
    ],
    "inference": ["memory", "scheduler", "patches", "openvino", "engine", "gradients", "scoring"],
    "methods": [],
    "case": [],
    "evaluation": ["metrics", "randomisation", "covering", "origin", "regions", "clusters", "trust"],
    "evaluation/benchmark": ["statistics", "plots", "plan", "tables", "film", "run", "share"],
    "output": ["render", "report", "viewer_data", "trust_data", "result", "html_report", "export", "notebook"],
    "batch": ["films", "journal", "tables", "predict", "explain", "atlas", "atlas_page"],
    "web": [],
    "deploy": [],
    "cli": [],
}
#: The owner of a library in each package; nothing else imports it there.
OWNERS = {
    "cxr_demo": {
        "gradio": "web",
        "spaces": "web",
        "huggingface_hub": ("models/hub", "models/hub_cards"),
        "torchxrayvision": "models/classifier",
        "openvino": "inference/openvino",
        "timm": "models/",
        "transformers": "models/of_transformers",
        "lime": "methods/lime",
        "pytorch_grad_cam": "methods/cam",
        "safetensors": ("films/gate", "models/model_folder"),
    },
    "train": {"gradio": "audit/review", "huggingface_hub": "", "torchxrayvision": "datasets"},
}
FOR_TRAIN = {
    "types",
    "messages",
    "errors",
    "files",
    "tables",
    "imports",
    "films/film_names",
    "films/formats",
    "films/archives",
    "films/framing",
    "films/image",
    "films/phantom",
    "models/classifier",
    "models/model_folder",
    "models/registry",
    "models/hub",
    "models/hub_cards",
    "models/library_folders",
    "inference/scoring",
    "evaluation/metrics",
    "films/label_tables",
    "films/table_columns",
    "films/image_files",
    "films/gate",
    "films/greys",
    "inference/memory",
    "output/notebook",
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path, package: str) -> str:
    return path.relative_to(ROOT / package).with_suffix("").as_posix()


def imports(path: Path) -> set[str]:
    """Every module a file imports at any depth, dotted, also by `import_library`; not those for the type checker."""
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
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "import_library":
            found.add(ast.literal_eval(node.args[0]))
    return found


def known(name: str) -> str | None:
    """The module, or the room without a list, that a path such as "films/image" lies in; None for any other."""
    if name in ROOMS and not ROOMS[name]:
        return name
    room, _, module = name.rpartition("/")
    if room in ROOMS and not ROOMS[room]:
        return room
    return name if module in ROOMS.get(room, []) else None


def named(dotted: str) -> str | None:
    """The same of an imported name, such as "cxr_demo.films.image.read"."""
    package, *parts = dotted.split(".")
    if package != "cxr_demo":
        return None
    return next(filter(None, (known("/".join(parts[:depth])) for depth in (3, 2, 1))), None)


def rank(name: str) -> tuple[int, int]:
    """Where a known module stands, by room and within it."""
    room, _, module = ("", "", name) if name in ROOMS else name.rpartition("/")
    return list(ROOMS).index(room or name), ROOMS[room].index(module) if room else 0


@pytest.mark.parametrize("path", modules("cxr_demo"), ids=lambda p: name_of(p, "cxr_demo"))
def test_imports_point_down(path):
    name = name_of(path, "cxr_demo")
    if name.endswith(("__init__", "__main__")):
        return
    own = known(name)
    assert own is not None, f"{name} is in no room: give it one"
    for module in imports(path):
        other = named(module)
        assert other in (None, own) or rank(other) < rank(own), (
            f"{name} imports {module}, which does not stand before it"
        )
        assert not module.startswith("train"), f"{name} imports {module}"


def test_contributors_find_every_module_in_the_order_of_the_rooms():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    listed = text.partition("\ncxr_demo/\n")[2].partition("\ntrain/\n")[0]
    names: list[str] = []
    rooms: list[str] = []
    for line in listed.splitlines():
        found = re.findall(r"\w+", line[:20])
        del rooms[(len(line) - len(line.lstrip())) // 2 - 1 :]
        paths = ["/".join([*rooms, name]) for name in found]
        if any(ROOMS.get(path) for path in paths):
            rooms += found
        else:
            names += paths
    assert names == [
        f"{room}/{module}".removesuffix("/") for room, inside in ROOMS.items() for module in inside or [""]
    ]


@pytest.mark.parametrize("path", modules("train"), ids=lambda p: name_of(p, "train"))
def test_train_uses_only_what_it_may(path):
    assert set(filter(None, map(named, imports(path)))) <= FOR_TRAIN


@pytest.mark.parametrize("package", OWNERS)
def test_each_library_has_one_owner(package):
    for path in modules(package):
        for module in imports(path):
            owner = OWNERS[package].get(module.split(".")[0])
            if owner is not None:
                here = name_of(path, package)
                assert owner, f"{here} imports {module}, which {package} must not"
                assert here.startswith(owner), f"{here} imports {module}; its owner is {owner}"


def test_a_library_imported_on_first_use_counts():
    assert "torchxrayvision.datasets" in imports(ROOT / "train/datasets.py")


@pytest.mark.parametrize("name", ["cli", "output/notebook"])
def test_saving_needs_no_page(name):
    assert not [module for module in imports(ROOT / f"cxr_demo/{name}.py") if module.startswith("cxr_demo.web")]
