"""Draw synthetic chest films (phantoms) with planted findings of known position.

Densities are drawn on the unit square (x to the right, y down, the patient's right on the viewer's left), then
exposed. All phantoms share one anatomy and differ from the normal one only where their finding is planted. They
illustrate the page; models trained on real films may miss the planted findings.
"""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from cxr_demo.errors import UnreadableImage
from cxr_demo.films import image
from cxr_demo.messages import Message, message

if TYPE_CHECKING:
    from cxr_demo.types import Radiograph

SIZE = 512
#: Side in pixels of the grid for drawing densities.
CANVAS = 1024
SEED = 14
MARK = "PHANTOM"
PLATE = 24


@dataclass(frozen=True)
class Phantom:
    """Parameters of one phantom; the defaults draw a normal film. Lengths are fractions of the film's side."""

    key: str
    finding: str | None = None  # the model's label of the planted finding
    nodule: float = 0.0  # radius of the nodule
    fluid: float = 0.0  # height of the fluid in the right chest
    heart: float = 1.0  # width of the heart relative to normal
    collapse: float = 0.0  # fraction by which the left lung shrinks

    @property
    def title(self) -> Message:
        """The displayed name."""
        return message(f"phantom.{self.key}.title")

    @property
    def planted(self) -> Message:
        """A sentence with the planted finding and its position."""
        return message(f"phantom.{self.key}.planted")

    def film(self) -> Radiograph:
        """Return the phantom as decoded from its PNG file, with a warning that it is synthetic."""
        return _film(self.key)


PHANTOMS = {
    phantom.key: phantom
    for phantom in (
        Phantom("normal"),
        Phantom("nodule", "Nodule", nodule=0.026),
        Phantom("effusion", "Effusion", fluid=0.17),
        Phantom("heart", "Cardiomegaly", heart=1.5),
        Phantom("pneumothorax", "Pneumothorax", collapse=0.16),
    )
}


def draw(key: str, size: int = SIZE) -> np.ndarray:
    """Draw a phantom as (size, size) uint8 with the word PHANTOM on it; every call gives the same bytes.

    Raises UnreadableImage if `key` is not in PHANTOMS.
    """
    film = image.resize(_exposed(_density(_named(key))), size)
    grain = np.random.default_rng(SEED).normal(0, 0.012, (size, size))
    pixels = np.rint((film + grain).clip(0, 1) * 255).astype(np.uint8)
    return _marked(pixels)


def truth(key: str, size: int = SIZE) -> np.ndarray:
    """Return the mask (size, size) bool of the planted finding; all False for the normal film."""
    return image.resize(np.max(_plants(_named(key)), axis=0), size) > 0.02


def png(key: str, size: int = SIZE) -> bytes:
    """Return the bytes of the phantom's PNG file, whose metadata describe it as synthetic."""
    return encoded(draw(key, size), _named(key).planted)


def recognised(film: Radiograph) -> Phantom | None:
    """The phantom that a film is, as drawn here, under its own name and upright; None for any other film."""
    phantom = next((one for one in PHANTOMS.values() if film.name == f"phantom-{one.key}.png"), None)
    return phantom if phantom and film.correction is None and film.sha256 == _film(phantom.key).sha256 else None


def unplanted(film: Radiograph) -> Radiograph | None:
    """The normal phantom, which is the same film without its finding, if a film is a phantom with one; else None."""
    phantom = recognised(film)
    return _film("normal") if phantom and phantom.finding else None


def encoded(pixels: np.ndarray, planted: str) -> bytes:
    """Encode a drawn film (size, size) uint8 as PNG; its metadata call it synthetic and quote `planted`."""
    note = PngImagePlugin.PngInfo()
    note.add_text("Description", f"Generated phantom, not a radiograph of a person. {planted}")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=note)
    return file.getvalue()


def save(key: str, folder: str | Path, size: int = SIZE) -> Path:
    """Write the phantom's PNG into an existing folder and return its path; OSError if writing fails."""
    path = Path(folder) / f"phantom-{key}.png"
    path.write_bytes(png(key, size))
    return path


def _named(key: str) -> Phantom:
    if key not in PHANTOMS:
        raise UnreadableImage(message("error.film.no_phantom", name=repr(key), names=", ".join(PHANTOMS)))
    return PHANTOMS[key]


@functools.cache
def _film(key: str) -> Radiograph:
    """Decode a phantom's PNG like an uploaded file, once per process, and add the warning."""
    film = image.decode(png(key), f"phantom-{key}.png")
    return replace(film, warnings=(message("warning.phantom", planted=PHANTOMS[key].planted),))


# ------------------------------------------------------------------ shapes, as points (n, 2) of x, y

RIGHT_LUNG = np.array([
    (.335, .092), (.385, .115), (.42, .19), (.437, .33), (.445, .48), (.44, .62), (.43, .705), (.36, .665),
    (.28, .655), (.205, .685), (.15, .735), (.113, .79), (.102, .67), (.107, .53), (.128, .38), (.165, .25),
    (.215, .155), (.27, .108),
])  # fmt: skip
HEART = np.array([
    (.50, .35), (.455, .42), (.425, .50), (.415, .59), (.43, .69), (.52, .77), (.64, .775), (.735, .745), (.762, .69),
    (.73, .60), (.675, .51), (.62, .43), (.57, .36),
])  # fmt: skip
MEDIASTINUM = np.array([
    (.455, -.05), (.452, .10), (.442, .20), (.432, .30), (.437, .42), (.44, .60), (.45, .80), (.58, .80), (.58, .50),
    (.60, .40), (.597, .36), (.578, .32), (.592, .28), (.583, .24), (.55, .205), (.545, .10), (.545, -.05),
])  # fmt: skip
RIGHT_BODY = np.array([
    (.385, -.1), (.38, -.01), (.355, .025), (.28, .05), (.18, .065), (.08, .08), (.02, .11), (-.1, .16), (-.1, .46),
    (.005, .44), (.035, .5), (.05, .6), (.045, .8), (.05, 1.1),
])  # fmt: skip
CLAVICLE = np.array(
    [(0.462, 0.182), (0.42, 0.158), (0.36, 0.142), (0.29, 0.130), (0.22, 0.105), (0.14, 0.086), (0.07, 0.092)]
)
SCAPULA = np.array(
    [(0.03, 0.15), (0.14, 0.14), (0.20, 0.17), (0.165, 0.27), (0.125, 0.40), (0.10, 0.43), (0.085, 0.36), (0.06, 0.24)]
)
ARM = np.array([(-0.03, 0.19), (0.045, 0.15), (0.075, 0.19), (0.05, 0.25), (0.02, 0.33), (0, 0.5), (-0.06, 0.5)])
BUBBLE = np.array([(0.62, 0.80), (0.67, 0.775), (0.73, 0.79), (0.74, 0.82), (0.69, 0.835), (0.64, 0.83)])
AIRWAYS = (
    (0.036, np.array([(.50, -.05), (.499, .1), (.503, .2), (.507, .30)])),
    (0.026, np.array([(.507, .295), (.475, .345), (.445, .39)])),
    (0.022, np.array([(.507, .295), (.55, .345), (.595, .37)])),
)  # fmt: skip
HILA = ((-1, (0.42, 0.415)), (1, (0.60, 0.395)))  # direction of the lung along x, entry point of its vessels
NODULE = np.array((0.735, 0.32))  # centre
MENISCUS = np.array(
    [(0.02, 0.575), (0.08, 0.645), (0.13, 0.705), (0.20, 0.74), (0.30, 0.76), (0.40, 0.767), (0.50, 0.77)]
)
APEX, ROOT = np.array((0.55, 0.76)), np.array((0.60, 0.84))  # fixed points of the heart's growth, the lung's collapse


def _mirrored(points: np.ndarray) -> np.ndarray:
    """Mirror points (n, 2) at the vertical midline of the film."""
    return np.column_stack([1 - points[:, 0], points[:, 1]])


# the left diaphragm is slightly lower
LEFT_LUNG = _mirrored(RIGHT_LUNG) + (RIGHT_LUNG[:, 1:] > 0.6) * np.array([0, 0.022])
BODY = np.concatenate([RIGHT_BODY, _mirrored(RIGHT_BODY)[::-1]])


def _curve(points: np.ndarray, *, closed: bool) -> np.ndarray:
    """Interpolate points (n, 2) by a Catmull-Rom spline (Catmull and Rom 1974), 12 samples per segment."""
    before, after = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    run = np.concatenate([before, points, after])
    t = np.linspace(0, 1, 12, endpoint=False)[:, None]
    return np.concatenate([
        b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
        for a, b, c, d in zip(run, run[1:], run[2:], run[3:], strict=False)
    ])  # fmt: skip


def _soft(values: np.ndarray, radius: float) -> np.ndarray:
    """Gaussian blur; `radius` is the standard deviation as a fraction of the film's side."""
    blurred: np.ndarray = cv2.GaussianBlur(values, (0, 0), radius * CANVAS)
    return blurred


def _fixed(points: np.ndarray, *, closed: bool) -> np.ndarray:
    """Sample a curve in OpenCV's fixed-point coordinates, sixteenths of a pixel."""
    return np.rint((_curve(points, closed=closed) * CANVAS - 0.5) * 16).astype(np.int32)


def _filled(*shapes: np.ndarray, soft: float = 0.002) -> np.ndarray:
    """Fill closed shapes: one mask (CANVAS, CANVAS) in [0, 1] with soft edges."""
    mask = np.zeros((CANVAS, CANVAS), np.uint8)
    for shape in shapes:
        cv2.fillPoly(mask, [_fixed(shape, closed=True)], 255, cv2.LINE_AA, 4)
    return _soft(mask.astype(np.float32) / 255, soft)


def _stroked(*lines: np.ndarray, width: float, soft: float = 0.0012) -> np.ndarray:
    """Draw open lines: one mask (CANVAS, CANVAS) in [0, 1] with soft edges."""
    mask = np.zeros((CANVAS, CANVAS), np.uint8)
    for line in lines:
        cv2.polylines(mask, [_fixed(line, closed=False)], False, 255, round(width * CANVAS), cv2.LINE_AA, 4)
    return _soft(mask.astype(np.float32) / 255, soft)


def _long_bones(*lines: np.ndarray, width: float) -> np.ndarray:
    """Draw bones whose cortex is denser than their marrow."""
    return _stroked(*lines, width=width) - 0.45 * _stroked(*lines, width=width - 0.009)


def _both(*shapes: np.ndarray) -> list[np.ndarray]:
    """Add the mirror image of each shape."""
    return [*shapes, *map(_mirrored, shapes)]


# ------------------------------------------------------------------ anatomy, as densities (CANVAS, CANVAS)


def _ribs() -> np.ndarray:
    """Ten pairs of ribs: nearly level at the back, steeper and fainter in front, where cartilage is hardly visible."""
    backs, fronts = [], []
    for n in range(10):
        top, bend = 0.085 + 0.066 * n, 0.15 + 0.074 * n
        wall = 0.5 - np.interp(bend, [0.15, 0.25, 0.38, 0.52, 0.66], [0.265, 0.335, 0.376, 0.398, 0.402])
        turn = np.array([(0.5 * wall + 0.145, top + 0.012), (wall + 0.012, (top + bend) / 2 + 0.002), (wall, bend)])
        backs.append(np.array([(0.462, top), (0.40, top - 0.024), (0.31, top - 0.018), *turn]))
        if n < 6:
            fronts.append(np.array([turn[-1], (wall + 0.03, bend + 0.05), (min(wall + 0.13, 0.37), bend + 0.12)]))
    return 0.095 * _long_bones(*_both(*backs), width=0.024) + 0.045 * _long_bones(*_both(*fronts), width=0.027)


def _spine() -> np.ndarray:
    """Seventeen vertebrae with denser cortex and spinous processes."""
    square = np.array([(-1, -1), (0, -1.1), (1, -1), (0.9, 0), (1, 1), (0, 1.1), (-1, 1), (-0.9, 0)]) * (0.042, 0.023)
    middles = [np.array((0.5, 0.0615 * n)) for n in range(17)]
    shell = _filled(*(square + m for m in middles))
    marrow = _filled(*(square * 0.82 + m for m in middles), soft=0.003)
    processes = _stroked(*(np.array([(0, 0.005), (0, 0.027)]) + m for m in middles), width=0.014, soft=0.003)
    return 0.08 * shell - 0.04 * marrow + 0.04 * processes


def _shoulders() -> np.ndarray:
    """Clavicles, scapulae and upper arms of both sides."""
    blades = _filled(*_both(SCAPULA), soft=0.003) + _stroked(*_both(SCAPULA[:6]), width=0.008, soft=0.003)
    arms = _filled(*_both(ARM)) - 0.45 * _filled(*_both(ARM * (0.9, 1) + (-0.005, 0.008)), soft=0.008)
    shoulders: np.ndarray = 0.14 * _long_bones(*_both(CLAVICLE), width=0.027) + 0.05 * blades + 0.12 * arms
    return shoulders


def _twigs() -> list[tuple[float, np.ndarray]]:
    """Vessels from both hila as (width, points), thinner at each fork, sorted from thin to thick."""
    rng = np.random.default_rng(SEED)
    twigs = []

    def grow(start: np.ndarray, angle: float, width: float, length: float) -> None:
        points = [start]
        for _ in range(5):
            angle += rng.normal(0, 0.1)
            points.append(points[-1] + length / 5 * np.array([np.cos(angle), np.sin(angle)]))
        twigs.append((width, np.array(points)))
        if width > 0.0022:
            for turn in (-1, 1):
                fork = angle + turn * rng.uniform(0.2, 0.55)
                grow(points[-1], fork, width * 0.68, length * rng.uniform(0.7, 0.95))
                grow(points[2], fork + turn * 0.3, width * 0.45, length * 0.7)

    for side, hilum in HILA:
        for lift in (-1.35, -0.95, -0.5, -0.1, 0.3, 0.62, 0.92, 1.2):
            angle = lift if side > 0 else np.pi - lift
            grow(np.array(hilum) + rng.normal(0, 0.012, 2), angle, 0.0125, 0.095)
    return sorted(twigs, key=lambda twig: twig[0])


def _vessels() -> np.ndarray:
    """The vessel tree as a mask in [0, 1]; thicker vessels are drawn later and denser."""
    tree = np.zeros((CANVAS, CANVAS), np.uint8)
    for width, points in _twigs():
        line, shade = _fixed(points, closed=False), 255 * (width / 0.0125) ** 0.7
        cv2.polylines(tree, [line], False, shade, max(1, round(width * CANVAS)), cv2.LINE_AA, 4)
    return _soft(tree.astype(np.float32) / 255, 0.0022)


@functools.cache
def _skeleton() -> tuple[np.ndarray, ...]:
    """The anatomy common to all phantoms, drawn once: lungs, mediastinum, vessels and the rest of the body."""
    y, x = np.mgrid[:CANVAS, :CANVAS].astype(np.float32) / np.float32(CANVAS)
    lungs, middle, body = _filled(RIGHT_LUNG, LEFT_LUNG), _filled(MEDIASTINUM, soft=0.003), _filled(BODY, soft=0.006)
    chest, belly = np.exp(-(((x - 0.5) / 0.34) ** 4)), ((y - 0.6) / 0.25).clip(0, 1)
    rest = body * (0.40 + 0.34 * chest + 0.16 * _soft(body, 0.05) + 0.17 * belly)
    rest += body * (_ribs() * (0.35 + 0.65 * lungs) * (1 - 0.6 * middle) + _spine() + _shoulders() * (1 - 0.4 * lungs))
    rest -= 0.12 * np.max([_stroked(line, width=width, soft=0.0035) for width, line in AIRWAYS], axis=0)
    rest -= 0.16 * _filled(BUBBLE, soft=0.008)
    fog = np.random.default_rng(SEED).normal(0, 0.012, (32, 32)).astype(np.float32)
    rest += cv2.resize(fog, (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC) * body
    return lungs, middle, _vessels(), rest


# ------------------------------------------------------------------ planted findings, as masks (CANVAS, CANVAS)


def _nothing() -> np.ndarray:
    return np.zeros((CANVAS, CANVAS), np.float32)


def _nodule(radius: float) -> np.ndarray:
    """A disc with a soft edge at NODULE in the left lung."""
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)[:, None]
    return _filled(NODULE + radius * np.hstack([np.cos(turn), np.sin(turn)]), soft=0.003)


def _fluid(height: float) -> np.ndarray:
    """The part of the right lung below a meniscus that rises towards the chest wall."""
    surface = MENISCUS - (0, height)
    below = np.concatenate([surface, [(0.5, 0.9), (0.02, 0.9)]])
    fluid: np.ndarray = _filled(RIGHT_LUNG) * _filled(below, soft=0.006)
    return fluid


def _heart(times: float) -> np.ndarray:
    """The heart scaled by `times` in width and by a quarter of the increase in height, with its apex fixed."""
    return _filled(APEX + (HEART - APEX) * (times, 1 + (times - 1) / 4), soft=0.0035)


def _rim(share: float) -> np.ndarray:
    """The free air around the left lung shrunk by `share` towards its root, without the part behind the mediastinum."""
    shrunk = _filled(ROOT + (LEFT_LUNG - ROOT) * (1 - share), soft=0.003)
    rim: np.ndarray = _filled(LEFT_LUNG) * (1 - shrunk) * (1 - _filled(MEDIASTINUM, soft=0.003))
    return rim


def _plants(phantom: Phantom) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Masks of nodule, fluid, free air and enlarged heart; all zero for findings that are not planted."""
    return (
        _nodule(phantom.nodule) if phantom.nodule else _nothing(),
        _fluid(phantom.fluid) if phantom.fluid else _nothing(),
        _rim(phantom.collapse) if phantom.collapse else _nothing(),
        _heart(phantom.heart) if phantom.heart > 1 else _nothing(),
    )


# ------------------------------------------------------------------ the film


def _density(phantom: Phantom) -> np.ndarray:
    """Combine the shared anatomy and the planted findings into one density map (CANVAS, CANVAS)."""
    lungs, middle, vessels, rest = _skeleton()
    nodule, fluid, rim, enlarged = _plants(phantom)
    heart = np.maximum(_heart(1), enlarged)
    dense = np.max([0.83 * heart, 0.97 * middle, 0.93 * fluid], axis=0)
    air = lungs * (0.15 + 0.85 * _soft(lungs, 0.035)) * (1 - dense)
    # free air has no vessels, and the visceral pleura appears as a line at its edge
    pattern = 0.16 * vessels * (1 - rim) + 0.8 * rim * (1 - rim) - 0.06 * rim
    density: np.ndarray = rest - air * (0.6 - pattern) + 0.18 * nodule
    return density


def _exposed(density: np.ndarray) -> np.ndarray:
    """Convert densities to grey values in [0, 1], compressing high densities as film does."""
    grey: np.ndarray = (1.02 * (1 - np.exp(-1.9 * density.clip(0, None) ** 1.25))).clip(0, 1)
    return grey


def _marked(pixels: np.ndarray) -> np.ndarray:
    """Write MARK on a dark plate at the middle of the bottom edge, in place."""
    size = len(pixels)
    scale, thick = size / 512, max(1, round(size / 256))
    (width, height), _ = cv2.getTextSize(MARK, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    left, base, gap = (size - width) // 2, size - round(12 * scale), round(7 * scale)
    cv2.rectangle(pixels, (left - gap, base - height - gap), (left + width + gap, base + gap), PLATE, cv2.FILLED)
    cv2.putText(pixels, MARK, (left, base), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
    return pixels
