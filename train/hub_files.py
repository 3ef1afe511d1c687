"""Files of a model's repository on the Hub beside the model: a picture of its maps, timm's description, results."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from cxr_demo.errors import DataError
from cxr_demo.films import phantom
from cxr_demo.models import hub, hub_cards, model_folder
from cxr_demo.models.classifier import MIRRORED, Classifier
from cxr_demo.output import notebook

if TYPE_CHECKING:
    from pathlib import Path

    from cxr_demo.types import ModelSpec

PICTURE = "maps.png"
#: Folder with the same weights as timm loads them; a repository has one `config.json` in its root.
TIMM = "timm"
#: timm's names of the architectures that it has under the same names of layers, and their input channels.
IN_TIMM = {"DenseNet": "densenet121", "ResNet50": "resnet50", "ResNet101": "resnet101"}
#: Finding that the picture explains, if the model has it: its phantom has the largest sign.
FINDING = "Effusion"
#: Seconds for each method's map in the picture.
PATIENCE = 60.0
#: Beginnings of the names of these files.
OWNED = (PICTURE, f"{TIMM}/", f"{hub_cards.RESULTS}/")

MAPS_HEAD, USE_HEAD = "Its maps", "Use it"
MAPS = f"""
## {MAPS_HEAD}

![A drawn film, and the maps of {{finding}} by Grad-CAM, LIME and occlusion]({PICTURE})

The film is drawn, and its maps are there to show how they look. Orange speaks for the finding, blue against it.
"""
USE = f"""
## {USE_HEAD}

```python
import cxr_demo as cxr

model = cxr.load("{{repo}}")
film = cxr.read("film.png")
print(dict(zip(model.labels, cxr.predict(model, film).probabilities)))
cxr.explain(model, film).save("maps")
```
"""
IN_TIMM_TOO = """
timm loads the same weights from the folder `{folder}`; it gives logits{apart}:

```python
import timm
from huggingface_hub import snapshot_download

model = timm.create_model("local-dir:" + snapshot_download("{repo}") + "/{folder}", pretrained=True).eval()
```
"""


def add(folder: Path, repo: str, benchmark: tuple[str, str] | None) -> None:
    """Add all of these files to a staged model folder, and sections on them and on the model's use to its card.

    `repo` is the name that the model will have. `benchmark` is a data set on the Hub with the films that the model was
    measured on, and a task of it; DataError if its name is malformed, or if the model has no AUROC over all sources.
    """
    spec = model_folder.read_spec(folder)
    if benchmark:
        _results(folder, spec, *benchmark)
    finding = _picture(folder, repo)
    sections = [_maps(finding), USE.format(repo=repo)]
    if _describe_for_timm(folder, spec):
        apart = ", without the mirrored copy that this package averages with" if spec.arguments.get(MIRRORED) else ""
        sections.append(IN_TIMM_TOO.format(repo=repo, folder=TIMM, apart=apart))
    opening, *rest = model_folder.read_card(folder).split("\n## ")
    rest = [section for section in rest if section.splitlines()[:1] not in ([MAPS_HEAD], [USE_HEAD])]  # of before
    text = "\n## ".join(["".join([opening.rstrip("\n") + "\n", *sections]), *rest])
    (folder / model_folder.CARD).write_text(text, encoding="utf-8")


def _results(folder: Path, spec: ModelSpec, benchmark: str, task: str) -> None:
    """Write the model's result on a benchmark; errors as in `add`."""
    if not (hub.is_name(benchmark) and task):
        raise DataError(f"--benchmark {benchmark} {task} should be OWNER/NAME of a data set, and a task of it.")
    results = hub_cards.results(spec, benchmark, task)
    if not results:
        raise DataError(f"{spec.name} has no AUROC over all sources that could count on {benchmark}.")
    (folder / hub_cards.RESULTS).mkdir()
    (folder / hub_cards.RESULTS / f"{benchmark.partition('/')[2]}.yaml").write_text(results, encoding="utf-8")


def _maps(finding: str) -> str:
    return MAPS.format(finding=finding.replace("_", " "))


def _picture(folder: Path, repo: str) -> str:
    """Draw a phantom and its maps by the default methods into PICTURE, and return the finding that they explain."""
    loaded = model_folder.load(folder, repo)
    model = Classifier(loaded.spec, loaded.network, repo)  # its revision there is not known yet
    planted = [one for one in phantom.PHANTOMS.values() if one.finding in model.labels]
    shown = next((one for one in planted if one.finding == FINDING), planted[0] if planted else None)
    finding = shown.finding if shown and shown.finding else model.labels[0]
    film = (shown or phantom.PHANTOMS["normal"]).film()
    notebook.explain(model, film, seconds=PATIENCE).of(finding).save_picture(folder / PICTURE)
    return finding


def _describe_for_timm(folder: Path, spec: ModelSpec) -> bool:
    """Write the folder TIMM if timm has the network of this description, and return whether it has."""
    described = _in_timm(spec)
    if described is None:
        return False
    (folder / TIMM).mkdir()
    shutil.copyfile(folder / model_folder.WEIGHTS, folder / TIMM / model_folder.WEIGHTS)
    (folder / TIMM / model_folder.CONFIG).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return True


def _in_timm(spec: ModelSpec) -> dict[str, Any] | None:
    """A network as timm's `config.json` describes it; None if timm has none with these names of layers."""
    arguments = {key: value for key, value in spec.arguments.items() if key != MIRRORED}
    if spec.architecture == "timm":
        name, mean, std = (arguments.pop(key) for key in ("name", "mean", "std"))
    elif spec.architecture in IN_TIMM:
        name, (low, high) = IN_TIMM[spec.architecture], spec.pixel_range
        mean, std = [-low / (high - low)], [1 / (high - low)]
        first, growth = arguments.pop("num_init_features", 64), arguments.get("growth_rate", 32)
        if first != 2 * growth:  # timm derives the one from the other
            return None
        arguments["in_chans"] = 1
    else:
        return None
    channels = arguments.get("in_chans", 3)
    return {
        "architecture": name,
        "num_classes": len(spec.labels),
        "label_names": list(spec.labels),
        "problem_type": "multi_label_classification",
        "model_args": arguments,
        "pretrained_cfg": {
            "input_size": [channels, spec.size, spec.size],
            "num_classes": len(spec.labels),
            "mean": list(mean),
            "std": list(std),
            "crop_pct": 1.0,
            "interpolation": "bilinear",
            "license": spec.licence.lower(),
        },
    }
