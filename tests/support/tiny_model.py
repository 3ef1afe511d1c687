"""The smallest valid model: its specification and its network with random weights."""

import torch

from cxr_demo.models import classifier
from cxr_demo.types import ModelSpec, Score

ARGUMENTS = {"block_config": (2, 2, 2, 2), "growth_rate": 4, "num_init_features": 8}

SPEC = ModelSpec(
    name="tiny",
    architecture="DenseNet",
    arguments=ARGUMENTS,
    labels=("Edema", "Mass"),
    size=64,
    trained_on="Nothing. Its weights are random.",
    licence="Apache-2.0",
    pixel_range=(-1.0, 1.0),
    calibration=((1.5, -0.25), (0.5, 2.0)),
    thresholds=(0.25, 0.75),
    scores=(Score("mean", "all sources", "AUROC", 0.5, 0.4, 0.6, 7, 20),),
    scored_on="A coin.",
    base_weights="none",
)


def network(spec=SPEC, seed=0):
    torch.manual_seed(seed)
    return classifier.build(spec.architecture, spec.arguments, len(spec.labels)).eval()
