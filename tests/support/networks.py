"""Small networks of each architecture with random weights."""

import numpy as np
import torch

from cxr_demo.models import classifier
from cxr_demo.types import ModelSpec

DENSE = {"growth_rate": 8, "block_config": (2, 2, 2, 2), "num_init_features": 16}

KINDS = {
    "DenseNet": ("DenseNet", DENSE),
    "mirrored DenseNet": ("DenseNet", {**DENSE, "mirrored": True}),
    "ResNet50": ("ResNet50", {}),
    "EfficientNetLite0": ("EfficientNetLite0", {}),
    "mirrored EfficientNetLite0": ("EfficientNetLite0", {"mirrored": True}),
    "mirrored pyramid": ("EfficientNetLite0", {"pyramid": 16, "mirrored": True}),
}

SIZE = 64

#: Arguments of the smallest DenseNet.
SMALL = {"growth_rate": 4, "block_config": [2, 2, 2, 2], "num_init_features": 8}


def spec(labels: int = 3, size: int = 64, **more) -> ModelSpec:
    names = tuple(f"finding {i}" for i in range(labels))
    return ModelSpec("made up", "DenseNet", SMALL, names, size, "nothing", "Apache-2.0", **more)


def stirred(architecture: str, arguments: dict, classes: int) -> classifier.Network:
    """A network whose batch norms have non-trivial statistics, as after training."""
    torch.manual_seed(0)
    network = classifier.build(architecture, arguments, classes).train()
    with torch.no_grad():
        network(torch.randn(4, 1, 64, 64) * 300)
    return network.eval()


def build(kind, size=SIZE):
    architecture, arguments = KINDS[kind]
    torch.manual_seed(2)
    spec = ModelSpec(
        name="tiny", architecture=architecture, arguments=arguments, labels=("Mass", "Nodule", "Edema"), size=size,
        trained_on="nothing", licence="Apache-2.0",
    )  # fmt: skip
    network = classifier.build(architecture, arguments, 3)
    # an untrained network's batch norms give logits of several hundred
    network.head.weight.data /= network.eval()(torch.randn(2, 1, size, size) * 400).abs().mean().item()
    return classifier.Classifier(spec, network, "test:tiny")


def asked(n, size=SIZE):
    """Random covers (n, S, S) in [0, 1], and an image and a fill (1, 1, S, S) in the model's pixel range."""
    rng = np.random.default_rng(4)
    x, fill = (torch.from_numpy(rng.uniform(-1024, 1024, (1, 1, size, size)).astype(np.float32)) for _ in range(2))
    return rng.random((n, size, size)).astype(np.float32), x, fill


def by_hand(model, covers, x, fill):
    return np.concatenate([model.logits(x * (1 - c) + fill * c) for c in torch.from_numpy(covers)[:, None, None]])
