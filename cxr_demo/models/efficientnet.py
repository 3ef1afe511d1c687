"""EfficientNet-lite0, a small backbone with freely licensed ImageNet weights (Tan and Le 2019, arXiv:1905.11946)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

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


def _layer(
    inputs: int, outputs: int, kernel: int, stride: int = 1, *, padding: int | None = None, groups: int = 1,
    active: bool = True,
) -> nn.Sequential:  # fmt: skip
    """Convolution, batch norm and ReLU6; padded by half the kernel unless `padding` says otherwise.

    Not torchvision's Conv2dNormActivation, since importing torchvision takes three seconds.
    """
    padding = kernel // 2 if padding is None else padding
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
        *([nn.ReLU6(inplace=True)] if active else []),
    ]
    return nn.Sequential(*layers)


class Block(nn.Module):
    """Inverted residual block: expansion, depthwise convolution, projection, and a skip connection if shapes match.

    `late` pads a strided convolution one pixel less at the top and left, see EfficientNetLite0.
    """

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int, *, late: bool) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = [_layer(inputs, hidden, 1)] if expansion > 1 else []
        if late:
            layers.append(nn.ZeroPad2d((kernel // 2 - 1, kernel // 2) * 2))
        layers.append(_layer(hidden, hidden, kernel, stride, padding=0 if late else None, groups=hidden))
        layers.append(_layer(hidden, outputs, 1, active=False))
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C', h', w')."""
        y = cast("Tensor", self.layers(x))
        return x + y if self.adds else y


class Scale(nn.Module):
    """Scale pixels from [-1024, 1024], the model's pixel range, to [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """Scale a tensor of any shape."""
        return x / 1024


class EfficientNetLite0(nn.Module):
    """Classifier of one grey channel in [-1024, 1024]; 3.4 million parameters and 0.4 GFLOP at 224 pixels.

    The "lite" variant of EfficientNet-B0 has no squeeze and excitation, and uses ReLU6. A strided convolution with
    symmetric padding is centred half a pixel up and left; over five of them a cell of the last map would be centred
    half a cell from its position. The last strided convolution is therefore padded one pixel less at the top and left,
    which cancels the shift.
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
        """Return logits (N, num_classes) of images (N, 1, S, S)."""
        return cast("Tensor", self.classifier(self.trunk(x).mean((2, 3))))

    def trunk(self, x: Tensor) -> Tensor:
        """Return the feature map (N, 1280, S / 32, S / 32) >= 0 of images (N, 1, S, S)."""
        return cast("Tensor", self.features(self.scale(x)))
