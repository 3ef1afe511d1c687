"""Load models of timm from a folder as its `push_to_hf_hub` and `save_for_hf` write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cxr_demo.errors import BadModel
from cxr_demo.imports import import_library
from cxr_demo.models import foreign, model_folder

if TYPE_CHECKING:
    from pathlib import Path

    from cxr_demo.models.classifier import Classifier


def load(folder: Path, name: str, licence: str) -> Classifier:
    """Load the model of a folder as `name`; BadModel names the problem if its files are invalid."""
    timm = import_library("timm")
    config = _config(folder)
    labels = _labels(config)
    try:
        model = timm.create_model(f"local-dir:{folder}", pretrained=False, num_classes=len(labels))
        data = import_library("timm.data").resolve_model_data_config(model)
        model.load_state_dict(model_folder.tensors(folder / model_folder.WEIGHTS))
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise BadModel(f"{folder}: timm cannot build this model: {error}") from None
    channels, rows, columns = data["input_size"]
    if rows != columns:
        raise BadModel(f"{folder} takes films of {columns} x {rows} pixels; only square ones can be shown.")
    cut = int(rows / data["crop_pct"]) - rows
    before = round(cut / 2)  # to even, as torchvision's crop
    takes = foreign.Input(rows, (before, cut - before), data["mean"][:channels], data["std"][:channels], channels)
    return foreign.classifier(
        model,
        takes,
        labels,
        name,
        exclusive=config.get("problem_type") != "multi_label_classification" and len(labels) > 1,
        library=f"timm {timm.__version__}",
        licence=licence,
    )


def _config(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / model_folder.CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadModel(f"{folder / model_folder.CONFIG} cannot be read: {error}.") from None
    if not isinstance(found, dict) or "architecture" not in found:
        raise BadModel(f"{folder / model_folder.CONFIG} is not the description of a model of timm.")
    return found


def _labels(config: dict[str, Any]) -> list[str]:
    """The names of the outputs in their order."""
    named = config.get("label_names") or config.get("pretrained_cfg", {}).get("label_names")
    if not named:
        raise BadModel("config.json does not name the outputs of this model; add label_names, a list in their order.")
    if isinstance(named, dict):
        named = [named[key] for key in sorted(named, key=int)]
    return [str(label) for label in named]
