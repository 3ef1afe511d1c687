"""Load image classifiers of transformers from a folder as its `save_pretrained` writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cxr_demo.errors import BadModel
from cxr_demo.imports import import_library
from cxr_demo.models import foreign, model_folder
from cxr_demo.models.library_folders import PROCESSOR

if TYPE_CHECKING:
    from pathlib import Path

    from cxr_demo.models.classifier import Classifier


def load(folder: Path, name: str, licence: str) -> Classifier:
    """Load the model of a folder as `name`, without code of its own; BadModel if its files are invalid."""
    transformers = import_library("transformers")
    try:
        model, found = transformers.AutoModelForImageClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, output_loading_info=True
        )
    except (AttributeError, ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise BadModel(f"{folder}: transformers cannot load this model: {error}") from None
    if missing := found["missing_keys"]:
        raise BadModel(f"{folder / model_folder.WEIGHTS} lacks {len(missing)} tensors, e.g. {min(missing)}.")
    config = model.config
    if config.problem_type == "regression":
        raise BadModel(f"{folder} is a regression, not a classifier.")
    return foreign.classifier(
        model.float(),
        _input(folder, getattr(config, "num_channels", 3)),
        [config.id2label[i] for i in range(config.num_labels)],
        name,
        exclusive=config.problem_type != "multi_label_classification" and config.num_labels > 1,
        library=f"transformers {transformers.__version__}",
        licence=licence,
    )


def _input(folder: Path, channels: int) -> foreign.Input:
    """The input that the model's processor of pictures makes."""
    if not (folder / PROCESSOR).is_file():
        raise BadModel(f"{folder} has no {PROCESSOR}, which says how a picture becomes the model's input.")
    try:
        given = json.loads((folder / PROCESSOR).read_text(encoding="utf-8"))
        made = import_library("transformers").AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except (ImportError, OSError, ValueError) as error:
        raise BadModel(f"{folder / PROCESSOR} cannot be used: {error}") from None
    settings = {**given, **made.to_dict()}
    view = size = _side(settings["size"])
    if settings.get("do_center_crop"):
        size = _side(settings["crop_size"])
    elif settings.get("crop_pct") and view < WARPED:
        view = int(size / settings["crop_pct"])
    cut = max(view - size, 0)
    plain = not settings.get("do_normalize", True)
    return foreign.Input(
        size,
        (cut // 2, cut - cut // 2),
        [0.0] * channels if plain else list(settings["image_mean"])[:channels],
        [1.0] * channels if plain else list(settings["image_std"])[:channels],
        channels,
        255 * settings.get("rescale_factor", 1 / 255) if settings.get("do_rescale", True) else 255.0,
    )


#: From this side on ConvNeXt's processor does not crop.
WARPED = 384


def _side(size: Any) -> int:
    """The side in pixels of a square, as processors describe it."""
    if isinstance(size, int):
        return size
    sides = {size[key] for key in ("height", "width", "shortest_edge") if size.get(key)}
    if len(sides) != 1:
        raise BadModel(f"The processor makes pictures of {size}; only square ones can be shown.")
    return int(sides.pop())
