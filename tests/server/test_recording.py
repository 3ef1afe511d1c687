"""A recording of predictions and maps of drawn films, fields of records, the API and the command line; it must stay.

`OMP_NUM_THREADS=1 python -m tests.server.test_recording` makes `recording.json`: run it only after a change that users
are meant to see.
Maps are compared to the bit on the processor and with the libraries of the recording, elsewhere by their means on a
coarse grid: another processor computes in another precision.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio_client
import numpy as np
import pytest

from tests.support.serving import served

RECORDING = Path(__file__).with_name("recording.json")
MODELS = ("bundled:nih14", "bundled:pneumothorax")
#: Methods whose maps the suite compares by each model; `main` compares all.
COMPARED = {"bundled:nih14": ["gradcam", "layercam"], "bundled:pneumothorax": ["gradcam", "lime", "occlusion"]}
PHANTOMS = ("effusion", "heart", "nodule")
#: Cells on a side of the grid on which maps are compared by their means, and the tolerance as a share of the largest.
COARSE, TOLERANCE = 4, 0.15
PROGRAMS = {
    "cxr_demo": ("", "predict", "explain", "benchmark", "atlas", "deploy", "methods", "models"),
    "train": ("", "init", "audit", "split", "cache", "fit", "resume", "evaluate", "publish", "gate", "demo", "bench"),
}


def machine() -> str:
    """The processor, the number of threads and the libraries, which decide the last bits of a map."""
    from importlib.metadata import version

    import openvino
    import torch

    processor = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
    libraries = [f"{name} {version(name)}" for name in ("torch", "openvino", "numpy", "lime")]
    return ", ".join([processor, f"{torch.get_num_threads()} threads", *libraries])


def run(program: str, *arguments: str) -> str:
    """What a command prints, run in this process; its exit status must be 0."""
    from cxr_demo import cli
    from train import cli as train_cli

    out = StringIO()
    with redirect_stdout(out), redirect_stderr(StringIO()), suppress(SystemExit):
        assert {"cxr_demo": cli, "train": train_cli}[program].main(arguments) == 0
    return out.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


def helps() -> dict[str, str]:
    """Each command's help, without the line breaks that the width of a terminal decides."""
    return {
        f"{program} {command}".strip(): words(run(program, *filter(None, [command]), "--help"))
        for program, commands in PROGRAMS.items()
        for command in commands
    }


def shape_of(value: object) -> object:
    """A JSON value's fields and types, without its values; lists by their first item."""
    if isinstance(value, dict):
        return {name: shape_of(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape_of(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def coarse(values: np.ndarray) -> list:
    """Means of maps (L, S, S) over COARSE x COARSE blocks, as plain numbers with four significant digits."""
    side = values.shape[-1] // COARSE
    blocks = values.reshape(len(values), COARSE, side, COARSE, side).mean((2, 4))
    return [[float(f"{value:.4g}") for value in one.ravel()] for one in blocks]


def explained(model: str, folder: Path, phantoms: Sequence[str], keys: Sequence[str]) -> dict:
    """Predictions, and maps by the methods of these keys, of drawn films by a model, through the command line."""
    from cxr_demo.films import phantom

    films = [folder / f"{key}.png" for key in phantoms]
    for path in films:
        path.write_bytes(phantom.png(path.stem))
    given = [str(path) for path in films]
    lines = run("cxr_demo", "predict", "--json", "--model", model, *given).splitlines()
    chosen = [word for key in keys for word in ("--method", key)]
    run("cxr_demo", "explain", "--model", model, "--out", str(folder / "out"), *chosen, *given)
    found: dict = {"predictions": [], "films": {}}
    for line in lines:
        prediction = json.loads(line)
        prediction["file"] = Path(prediction["file"]).name
        found["predictions"].append(prediction)
    for path in films:
        result = json.loads((folder / "out" / path.stem / "result.json").read_text())
        with np.load(folder / "out" / path.stem / "maps.npz") as maps:
            found["films"][path.stem] = {
                "result": shape_of(result | {"versions": {}}),
                "settings": {key: done["settings"] for key, done in result["methods"].items()},
                "says": {key: done["trust"]["says"] for key, done in result["methods"].items()},
                "sha256": {key: hashlib.sha256(maps[key].tobytes()).hexdigest() for key in maps.files},
                "coarse": {key: coarse(maps[key]) for key in maps.files if key != "labels"},
            }
    return found


def endpoints(client) -> dict:
    """The API's endpoints: names, parameters and answers with their types."""
    info = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    return {
        name: {
            part: [[one.get("parameter_name"), one["type"], one.get("parameter_has_default")] for one in fields[part]]
            for part in ("parameters", "returns")
        }
        for name, fields in info.items()
    }


@pytest.fixture(scope="module")
def recorded() -> dict:
    return json.loads(RECORDING.read_text())


def test_the_help_of_every_command_stays(recorded):
    assert helps() == recorded["helps"]


def test_the_endpoints_of_the_api_stay(recorded, client):
    assert endpoints(client) == recorded["endpoints"]


@pytest.mark.parametrize("model", MODELS)
def test_predictions_and_maps_stay(model, recorded, tmp_path):
    """Of the first film alone, since each takes many seconds; `main` compares all of them."""
    before = recorded["models"][model]
    now = explained(model, tmp_path, PHANTOMS[:1], COMPARED[model])
    same = machine() == recorded["machine"]
    for was, is_ in zip(before["predictions"][:1], now["predictions"], strict=True):
        assert list(is_) == list(was)
        numbers = {name for name, value in was.items() if name in ("logits", "probabilities")}
        assert {k: v for k, v in is_.items() if k not in numbers} == {k: v for k, v in was.items() if k not in numbers}
        for name in numbers:
            np.testing.assert_allclose(is_[name], was[name], atol=0 if same else 2e-3)
    for stem, is_ in now["films"].items():
        was = before["films"][stem]
        parts = {"methods", "pictures"}  # which have a field per method
        assert all(is_["result"][name] == was["result"][name] for name in was["result"].keys() - parts)
        assert list(is_["result"]["methods"]) == COMPARED[model]
        for key in COMPARED[model]:
            assert is_["result"]["methods"][key] == was["result"]["methods"][key]
            assert is_["settings"][key] == was["settings"][key]
            if same:
                assert is_["sha256"][key] == was["sha256"][key]
                assert is_["says"][key] == was["says"][key]
            means = was["coarse"][key]
            largest = np.abs(means).max()
            np.testing.assert_allclose(is_["coarse"][key], means, atol=TOLERANCE * largest, err_msg=f"{stem} {key}")


def main() -> None:
    """Make the recording again, and name what has changed."""
    from cxr_demo.methods import METHODS

    made: dict = {"machine": machine(), "helps": helps(), "models": {}}
    with TemporaryDirectory() as folder, served(Path(folder)) as address:
        made["endpoints"] = endpoints(gradio_client.Client(address, verbose=False, analytics_enabled=False))
    for model in MODELS:
        with TemporaryDirectory() as folder:
            made["models"][model] = explained(model, Path(folder), PHANTOMS, [kind.key for kind in METHODS])
    before = json.loads(RECORDING.read_text())
    sys.stdout.writelines(f"changed: {name}\n" for name in made if made[name] != before[name])
    text = json.dumps(made, indent=1)
    # a row of numbers on a line
    text = re.sub(r"\[\s+(-?[\d.e-]+(?:,\s+-?[\d.e-]+)*)\s+\]", lambda m: f"[{words(m.group(1))}]", text)
    RECORDING.write_text(text + "\n")


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "100")
    main()
