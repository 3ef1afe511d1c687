"""Hyperparameters of a training: one frozen record, which also defines the command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, fields
from typing import Any

from cxr_demo.films.label_tables import MISSING, UNCERTAIN, Policy
from train.losses import LOSSES


def option(default: Any, text: str, *, choices: tuple[str, ...] = ()) -> Any:
    """A field of the recipe with its default, its help text and, for text, the accepted values."""
    return field(default=default, metadata={"help": text, "choices": choices})


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a training: first the head alone, then all layers at a coarse size, then at full size.

    Epochs at the coarse size cost a fraction and achieve most of the result (progressive resizing). Learning rates are
    AdamW's, at their peak; each phase has a linear warm-up and a cosine decay.
    """

    backbone: str = option(
        "imagenet", "what to start from: imagenet, timm:NAME, xrv:NAME, a model folder, OWNER/NAME@REVISION, or random"
    )
    architecture: str = option("DenseNet", "of a random start")
    arguments: str = option("{}", "of that architecture or of imagenet's, as JSON")
    size: int = option(224, "side of the model's input, pixels")
    coarse_size: int = option(160, "side during the coarse epochs")
    head_epochs: int = option(1, "epochs in which only the head learns, at the coarse size")
    coarse_epochs: int = option(6, "epochs at the coarse size")
    epochs: int = option(4, "epochs at full size")
    batch: int = option(32, "films per step, over all processes")
    accumulate: int = option(1, "parts into which a batch is divided, for less memory")
    head_rate: float = option(3e-3, "learning rate of the head epochs")
    rate: float = option(1e-3, "of the coarse epochs")
    fine_rate: float = option(3e-4, "of the epochs at full size")
    warm_up: float = option(0.1, "share of a phase")
    decay: float = option(0.05, "weight decay, not of norms and biases")
    clip: float = option(1.0, "largest norm of the gradient")
    loss: str = option("bce", "of the labels", choices=tuple(LOSSES))
    dropout: float = option(0.2, "before the head")
    frozen_layers: int = option(0, "children of the backbone's features that stay as they are, from the input on")
    freeze_norm: bool = option(False, "batch norms use their running statistics and keep them")
    ema: float = option(0.99, "decay per step of the average of the weights, which is the result")
    validation: float = option(0.1, "share of the training patients that decides when to stop; 0: none")
    patience: int = option(3, "epochs at full size without a better mean AUROC before it stops")
    box_weight: float = option(0.3, "of the loss that asks activation maps to lie in boxes, where films have some")
    teacher_weight: float = option(0.7, "how far labels move towards a teacher, where one is given")
    reader_weight: float = option(0.5, "how far findings of films that a second reader called normal move to absent")
    uncertain: str = option("mask", "what a label of -1 becomes", choices=tuple(UNCERTAIN))
    missing: str = option("mask", "what an empty label becomes", choices=tuple(MISSING))
    rotate: float = option(12.0, "largest rotation, degrees")
    scale: float = option(1.15, "largest factor of size, either way")
    shift: float = option(0.06, "largest shift, share of the side")
    mirror: float = option(0.5, "probability; no finding depends on the side of the body")
    mirrored: bool = option(
        False, "the model's features are the mean of the film's and its mirror image's; twice the cost"
    )
    half: bool = option(False, "store the models' weights in half precision")
    gamma: float = option(0.25, "largest log of the exposure's gamma")
    contrast: float = option(0.15, "largest relative change")
    precision: str = option(
        "auto", "of the convolutions while training; auto: bf16 where it is fast", choices=("auto", "bf16", "fp32")
    )
    seed: int = option(0, "decides weights, order, changes and folds")

    @property
    def policy(self) -> Policy:
        """Treatment of uncertain and missing labels."""
        return Policy(self.uncertain, self.missing)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add each field of the recipe as a flag with its default and help."""
    group = parser.add_argument_group("recipe")
    for f in fields(Recipe):
        text = f"{f.metadata['help']}; default: {f.default}".replace("%", "%%")
        if isinstance(f.default, bool):
            group.add_argument(_flag(f.name), action=argparse.BooleanOptionalAction, default=f.default, help=text)
        else:
            choices = f.metadata["choices"] or None
            group.add_argument(_flag(f.name), type=type(f.default), default=f.default, choices=choices, help=text)


def of_arguments(arguments: argparse.Namespace) -> Recipe:
    """The recipe of a parsed command line."""
    return Recipe(**{f.name: getattr(arguments, f.name) for f in fields(Recipe)})


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
