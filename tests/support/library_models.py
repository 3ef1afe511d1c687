"""Small made-up models of timm and transformers, saved by the libraries themselves, that recognise a bright square."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import timm
import torch
import transformers
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from timm.models import save_for_hf
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SIDE, SQUARE = 64, 16
LABELS = ["No Finding", "pleural effusion", "Square"]
#: The first logits of films without and with the square, and the share of the spread that the fit is damped by.
APART, DAMPING = 8.0, 1e-3

TINY = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 96, "patch_size": 8}
TIMM: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("resnet10t", {}),
    "densenet": ("densenet121", {"growth_rate": 8, "block_config": (2, 2, 2, 2)}),
    "convnext": ("convnext_atto", {"depths": (1, 1, 1, 1), "dims": (8, 16, 32, 64)}),
    "vit": (
        "vit_tiny_patch16_224",
        {"img_size": SIDE, "patch_size": 8, "depth": 3, "embed_dim": 48, "num_heads": 3},
    ),
    "deit": (
        "deit_tiny_distilled_patch16_224",
        {"img_size": SIDE, "patch_size": 8, "depth": 3, "embed_dim": 48, "num_heads": 3},
    ),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"img_size": SIDE, "window_size": 4, "depths": (1, 1, 1), "num_heads": (2, 2, 4), "embed_dim": 24},
    ),
}
TRANSFORMERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ResNet": ("ViTImageProcessor", {"depths": [1, 1, 1, 1], "hidden_sizes": [32, 64, 128, 256], "embedding_size": 32}),
    "ConvNext": ("ConvNextImageProcessor", {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 32, 64]}),
    "ViT": ("ViTImageProcessor", TINY | {"image_size": SIDE}),
    "DeiT": ("DeiTImageProcessor", TINY | {"image_size": SIDE}),
    "Dinov2": ("BitImageProcessor", TINY | {"image_size": SIDE}),
    "Swin": (
        "ViTImageProcessor",
        {
            "image_size": SIDE,
            "patch_size": 4,
            "embed_dim": 24,
            "depths": [1, 1, 1],
            "num_heads": [2, 2, 4],
            "window_size": 4,
        },
    ),
}
KINDS = [*(f"timm:{kind}" for kind in TIMM), *(f"transformers:{kind}" for kind in TRANSFORMERS)]


def save(kind: str, folder: Path, *, problem: str | None = "multi_label_classification") -> None:
    """Write a model of KINDS to a folder, as its library does."""
    library, _, name = kind.partition(":")
    torch.manual_seed(0)
    if library == "timm":
        architecture, arguments = TIMM[name]
        model = timm.create_model(architecture, num_classes=len(LABELS), **arguments).eval()
        _recognise(model, model.pretrained_cfg["mean"], model.pretrained_cfg["std"])
        config = {"label_names": LABELS, **({"problem_type": problem} if problem else {})}
        save_for_hf(model, str(folder), config, data_config={"input_size": (3, SIDE, SIDE)}, safe_serialization=True)
        return
    processor, arguments = TRANSFORMERS[name]
    named = {"num_labels": len(LABELS), "id2label": dict(enumerate(LABELS)), "problem_type": problem}
    config = getattr(transformers, f"{name}Config")(**arguments, **named)
    model = getattr(transformers, f"{name}ForImageClassification")(config).eval()
    # as those of large models do, DeiT's and DINOv2's processors cut the middle out of a larger picture
    square = {"height": SIDE + 9, "width": SIDE + 9}
    size = {"ConvNext": {"shortest_edge": SIDE}, "DeiT": square, "Dinov2": {"shortest_edge": SIDE + 9}}
    cut = {"crop_size": {"height": SIDE, "width": SIDE}} if name in ("DeiT", "Dinov2") else {}
    made = getattr(transformers, processor)(size=size.get(name, {"height": SIDE, "width": SIDE}), **cut)
    made.save_pretrained(folder)
    _recognise(model, made.image_mean, made.image_std)
    model.save_pretrained(folder)


def loaded(kind: str, folder: Path) -> nn.Module:
    """The model of a folder, loaded by its library."""
    if kind.startswith("timm"):
        return timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    return transformers.AutoModelForImageClassification.from_pretrained(folder).eval()


def by_the_library(kind: str, folder: Path, film: Path) -> np.ndarray:
    """The logits (L,) of a film, prepared and computed by the library."""
    model = loaded(kind, folder)
    picture = Image.open(film).convert("RGB")
    with torch.no_grad():
        if kind.startswith("timm"):
            prepare = create_transform(**resolve_model_data_config(model))
            return model(prepare(picture)[None])[0].numpy()
        processor = transformers.AutoImageProcessor.from_pretrained(folder)
        return model(**processor(picture, return_tensors="pt")).logits[0].numpy()


def films(count: int, side: int = SIDE, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noisy films (N, side, side) in [0, 1], whether they have the square, and its top and left (N, 2)."""
    random = np.random.default_rng(seed)
    found = random.random((count, side, side), np.float32) * 0.3 + 0.2
    there = random.random(count) < 0.5
    at = random.integers(side // 8, side - side // 8 - SQUARE, (count, 2))
    for film, has, (top, left) in zip(found, there, at, strict=True):
        if has:
            film[top : top + SQUARE, left : left + SQUARE] += 0.5
    return found, there, at


def _recognise(model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
    """Fit the last layer to the features of the random layers before it: its last output is high for the square."""
    heads = [layer for layer in model.modules() if isinstance(layer, nn.Linear) and layer.out_features == len(LABELS)]
    seen: list[Tensor] = []
    hook = heads[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    pixels, there, _ = films(256)
    with torch.no_grad():
        for part in torch.from_numpy(pixels)[:, None].split(32):
            model((part - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None])
    hook.remove()
    features = torch.cat(seen).double()
    middle = features.mean(0)
    centred = features - middle
    damped = torch.eye(features.shape[1]) * DAMPING * centred.pow(2).sum() / len(features)
    weights = torch.linalg.solve(centred.T @ centred + damped, centred.T @ torch.from_numpy((there - 0.5) * APART))
    with torch.no_grad():
        for head in heads:  # a distilled model has two and takes their mean; the second one is silent
            head.weight[-1] = head.bias[-1] = 0
        heads[0].weight[-1] = weights.float() * len(heads)
        heads[0].bias[-1] = -(weights @ middle).float() * len(heads)
