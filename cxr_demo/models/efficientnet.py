"""EfficientNet-lite0, a small backbone with freely licensed ImageNet weights (Tan and Le 2019, arXiv:1905.11946)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

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
#: Channels of the stage that ends the map at a stride of 16, and of the first stage at a stride of 32.
FINE, DEEP = 112, 192


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


class Pyramid(nn.Module):
    """Join the map of a stage with that of all later stages at twice the stride (Lin et al. 2017, arXiv:1612.03144).

    Departs from the paper: one step of its top-down path, a depthwise convolution after the sum, and a 1x1 convolution
    to twice the width. The finer map holds what the later stages found, where the earlier one can place it.
    """

    def __init__(self, deep: nn.Module, width: int) -> None:
        super().__init__()
        self.deep = deep  # the later stages
        self.top = _layer(FEATURES, width, 1, active=False)
        self.side = _layer(FINE, width, 1, active=False)
        self.join = nn.Sequential(
            nn.ReLU6(inplace=True), _layer(width, width, 3, groups=width), _layer(width, 2 * width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 112, h, w) with even h and w -> (N, 2 width, h, w)."""
        return cast("Tensor", self.join(self.side(x) + _doubled(self.top(self.deep(x)))))


def _doubled(x: Tensor) -> Tensor:
    """A map (N, C, h, w) at half its stride: the even cells have the same centres, the others lie between two."""
    height, width = (2 * side for side in x.shape[2:])
    more = functional.pad(x, (0, 1, 0, 1), mode="replicate")
    wide = functional.interpolate(more, (height + 1, width + 1), mode="bilinear", align_corners=True)
    return wide[:, :, :height, :width]


class Scale(nn.Module):
    """Scale pixels from [-1024, 1024], the model's pixel range, to [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """Scale a tensor of any shape."""
        return x / 1024


class EfficientNetLite0(nn.Module):
    """Classifier of one grey channel in [-1024, 1024]; 3.4 million parameters and 0.4 GFLOP at 224 pixels.

    The "lite" variant of EfficientNet-B0 has no squeeze and excitation, and uses ReLU6. A strided convolution with
    symmetric padding is centred half a pixel up and left; over five of them a cell of the last map would be centred
    half a cell from its position. The last strided convolution before the map is therefore padded one pixel less at the
    top and left, which cancels the shift.

    With `pyramid`, its width in channels, the map has a stride of 16 instead of 32, see Pyramid.
    """

    def __init__(self, num_classes: int, pyramid: int = 0) -> None:
        super().__init__()
        self.scale = Scale()
        layers: list[nn.Module] = [_layer(1, STEM, 3, 2)]
        channels, late_at, start = STEM, 80 if pyramid else DEEP, 0
        for expansion, outputs, blocks, stride, kernel in STAGES:
            start = len(layers) if outputs == DEEP else start
            for i in range(blocks):
                strided = stride if i == 0 else 1
                late = strided == 2 and outputs == late_at
                layers.append(Block(channels, outputs, expansion, strided, kernel, late=late))
                channels = outputs
        layers.append(_layer(channels, FEATURES, 1))
        if pyramid:
            layers[start:] = [Pyramid(nn.Sequential(*layers[start:]), pyramid)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(2 * pyramid or FEATURES, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, num_classes) of images (N, 1, S, S)."""
        return cast("Tensor", self.classifier(self.trunk(x).mean((2, 3))))

    def trunk(self, x: Tensor) -> Tensor:
        """Return the feature map >= 0 of images (N, 1, S, S): (N, 1280, S / 32, S / 32), or twice as fine."""
        return cast("Tensor", self.features(self.scale(x)))
