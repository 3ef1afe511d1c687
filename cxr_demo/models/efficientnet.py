"""EfficientNet-lite0: a small backbone for which ImageNet weights under a free licence exist."""

from __future__ import annotations

from functools import partial
from typing import cast

from torch import Tensor, nn
from torchvision.ops.misc import Conv2dNormActivation

#: Stages of EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946, table 1): expansion, channels, blocks, stride, kernel.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
STEM, FEATURES = 32, 1280

_layer = partial(Conv2dNormActivation, norm_layer=partial(nn.BatchNorm2d, eps=1e-3), activation_layer=nn.ReLU6)


class Block(nn.Module):
    """Expand, convolve each channel by itself, project; added to its input where the shapes allow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int, *, late: bool) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = [_layer(inputs, hidden, 1)] if expansion > 1 else []
        if late:
            layers.append(nn.ZeroPad2d((kernel // 2 - 1, kernel // 2) * 2))
        layers.append(_layer(hidden, hidden, kernel, stride, padding=0 if late else None, groups=hidden))
        layers.append(_layer(hidden, outputs, 1, activation_layer=None))
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C', h', w')."""
        y = cast("Tensor", self.layers(x))
        return x + y if self.adds else y


class Scale(nn.Module):
    """From the model's pixel range, -1024 to 1024, to -1 to 1."""

    def forward(self, x: Tensor) -> Tensor:
        """A tensor of any shape, scaled and shifted: the same shape."""
        return x / 1024


class EfficientNetLite0(nn.Module):
    """One grey channel in [-1024, 1024] to logits; 3.4 million parameters and 0.4 GFLOP at 224 px.

    The "lite" variant of EfficientNet-B0: no squeeze and excitation, ReLU6. A strided convolution with the same
    padding on both sides looks half a pixel up and left, and over five of them a cell of the last map would answer
    for a place half a cell away from its own. So the last one is padded on the other sides, which takes it back.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.scale = Scale()
        layers: list[nn.Module] = [_layer(1, STEM, 3, 2)]
        channels = STEM
        for expansion, outputs, blocks, stride, kernel in STAGES:
            for i in range(blocks):
                strided = stride if i == 0 else 1
                late = strided == 2 and outputs == 192
                layers.append(Block(channels, outputs, expansion, strided, kernel, late=late))
                channels = outputs
        layers.append(_layer(channels, FEATURES, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(FEATURES, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, S, S) -> logits (N, num_classes)."""
        return cast("Tensor", self.classifier(self.trunk(x).mean((2, 3))))

    def trunk(self, x: Tensor) -> Tensor:
        """(N, 1, S, S) -> (N, 1280, S / 32, S / 32), not negative."""
        return cast("Tensor", self.features(self.scale(x)))
