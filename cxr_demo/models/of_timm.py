"""Load models of timm from a folder as its `push_to_hf_hub` and `save_for_hf` write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cxr_demo.errors import BadModel
from cxr_demo.imports import import_library
from cxr_demo.models import foreign, model_folder

if TYPE_CHECKING:
    from cxr_demo.models.classifier import Classifier
    from cxr_demo.models.library_folders import Found


def load(found: Found, name: str, licence: str) -> Classifier:
    """Load the model of a folder as `name`; BadModel if it does not name its outputs, and timm's own errors."""
    timm, data = import_library("timm"), import_library("timm.data")
    config = json.loads((found.folder / model_folder.CONFIG).read_text(encoding="utf-8"))
    labels = _labels(config)
    model = timm.create_model(f"local-dir:{found.folder}", pretrained=True)
    if model.num_classes != len(labels):
        raise BadModel(f"{name} has {model.num_classes} outputs for {len(labels)} labels.")
    prepared = data.resolve_model_data_config(model)
    channels, rows, columns = prepared["input_size"]
    if rows != columns:
        raise BadModel(f"{name} takes films of {columns} x {rows} pixels; only square ones can be shown.")
    cut = int(rows / prepared["crop_pct"]) - rows
    before = round(cut / 2)  # to even, as torchvision's crop
    takes = foreign.Input(
        rows, (before, cut - before), prepared["mean"][:channels], prepared["std"][:channels], channels
    )
    if not foreign.agrees(takes, data.create_transform(**prepared, is_training=False)):
        raise BadModel(f"{name} prepares pictures by more than a crop and a normalisation, which is not known here.")
    return foreign.classifier(
        model,
        takes,
        labels,
        name,
        exclusive=config.get("problem_type") != "multi_label_classification" and len(labels) > 1,
        library=f"timm {timm.__version__}",
        described=found.described,
        licence=licence,
    )


def _labels(config: dict[str, Any]) -> list[str]:
    """The names of the outputs in their order."""
    named = config.get("label_names") or (config.get("pretrained_cfg") or {}).get("label_names")
    if isinstance(named, dict) and all(str(key).isdecimal() for key in named):
        named = [named[key] for key in sorted(named, key=int)]
    if not named or not isinstance(named, list):
        raise BadModel("config.json does not name the outputs of this model; add label_names, a list in their order.")
    return [str(label) for label in named]
