"""Load image classifiers of transformers from a folder as its `save_pretrained` writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from cxr_demo.errors import BadModel
from cxr_demo.imports import import_library
from cxr_demo.models import foreign, model_folder
from cxr_demo.models.library_folders import PROCESSOR

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image
    from torch import Tensor

    from cxr_demo.models.classifier import Classifier
    from cxr_demo.models.library_folders import Found

#: From this side on ConvNeXt's processor does not crop.
WARPED = 384


def load(found: Found, name: str, licence: str) -> Classifier:
    """Load the model of a folder as `name`, without code of its own; BadModel, and the library's own errors."""
    transformers = import_library("transformers")
    import_library("transformers.utils.logging").disable_progress_bar()
    model, report = transformers.AutoModelForImageClassification.from_pretrained(
        found.folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        ignore_mismatched_sizes=True,  # to be named below
        output_loading_info=True,
        dtype=torch.float32,
    )
    if wrong := sorted(map(str, (*report["missing_keys"], *report["mismatched_keys"]))):
        raise BadModel(f"{model_folder.WEIGHTS} of {name} lacks {len(wrong)} tensors of this network, e.g. {wrong[0]}.")
    config = model.config
    if config.problem_type == "regression":
        raise BadModel(f"{name} is a regression, not a classifier.")
    return foreign.classifier(
        model,
        _input(found.folder, name, getattr(config, "num_channels", 3)),
        [str(config.id2label[i]) for i in range(config.num_labels)],
        name,
        exclusive=config.problem_type != "multi_label_classification" and config.num_labels > 1,
        library=f"transformers {transformers.__version__}",
        described=found.described,
        licence=licence,
    )


def _input(folder: Path, name: str, channels: int) -> foreign.Input:
    """The input that the model's processor of pictures makes; BadModel if it does more than crop and normalise."""
    processor = import_library("transformers").AutoImageProcessor.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    given = json.loads((folder / PROCESSOR).read_text(encoding="utf-8"))
    settings = {**given, **processor.to_dict()}
    view = size = _side(settings["size"])
    if settings.get("do_center_crop"):
        size = _side(settings["crop_size"])
    elif settings.get("crop_pct") and view < WARPED:
        view = int(size / settings["crop_pct"])
    cut = max(view - size, 0)
    plain = not settings.get("do_normalize", True)
    takes = foreign.Input(
        size,
        (cut // 2, cut - cut // 2),
        [0.0] * channels if plain else _each(settings["image_mean"], channels),
        [1.0] * channels if plain else _each(settings["image_std"], channels),
        channels,
        255 * settings.get("rescale_factor", 1 / 255) if settings.get("do_rescale", True) else 255.0,
    )

    def prepare(picture: Image) -> Tensor:
        pixels: Tensor = processor(picture, return_tensors="pt")["pixel_values"][0]
        return pixels

    if not foreign.agrees(takes, prepare):
        raise BadModel(
            f"The processor of {name}, {type(processor).__name__}, prepares pictures by more than a crop and a "
            "normalisation, which is not known here."
        )
    return takes


def _each(values: Any, channels: int) -> list[float]:
    """One number per channel, of a list or of one number for all."""
    return [float(values)] * channels if isinstance(values, (int, float)) else list(values)[:channels]


def _side(size: Any) -> int:
    """The side in pixels of a square, as processors describe it."""
    if isinstance(size, int):
        return size
    sides = {size[key] for key in ("height", "width", "shortest_edge") if size.get(key)}
    if len(sides) != 1:
        raise BadModel(f"The processor makes pictures of {size}; only square ones can be shown.")
    return int(sides.pop())
