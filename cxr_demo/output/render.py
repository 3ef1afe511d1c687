"""Renders maps as colours, overlays and captioned pictures (uint8), and quantises them for the browser."""

from __future__ import annotations

import base64
import io
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from cxr_demo.types import Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Colour stops (position, red, green, blue) by palette and by unit, with linear interpolation; the first palette is the
#: default. With any kind of colour vision, evidence for and against is distinguishable in every palette. The lightness
#: of ranking colours increases monotonically.
PALETTES: dict[str, dict[Unit, tuple[tuple[float, int, int, int], ...]]] = {
    "blue and orange": {
        Unit.LOGIT: (
            (-1.0, 40, 110, 235),
            (-0.5, 65, 145, 245),
            (0.0, 215, 215, 215),
            (0.5, 250, 140, 45),
            (1.0, 235, 90, 10),
        ),
        Unit.RANKING: (  # viridis
            (0.0, 68, 1, 84),
            (0.25, 59, 82, 139),
            (0.5, 33, 145, 140),
            (0.75, 94, 201, 98),
            (1.0, 253, 231, 37),
        ),
    },
    "purple and green": {
        Unit.LOGIT: (
            (-1.0, 145, 75, 205),
            (-0.5, 165, 115, 215),
            (0.0, 215, 215, 215),
            (0.5, 95, 205, 100),
            (1.0, 20, 150, 50),
        ),
        Unit.RANKING: (  # cividis
            (0.0, 0, 34, 78),
            (0.25, 65, 77, 107),
            (0.5, 125, 124, 120),
            (0.75, 188, 175, 111),
            (1.0, 254, 232, 56),
        ),
    },
    "cyan and red": {
        Unit.LOGIT: (
            (-1.0, 0, 135, 185),
            (-0.5, 60, 170, 210),
            (0.0, 215, 215, 215),
            (0.5, 245, 120, 130),
            (1.0, 230, 50, 75),
        ),
        Unit.RANKING: (  # inferno without its first fifth, as black would be invisible on a film
            (0.0, 87, 16, 110),
            (0.25, 163, 43, 96),
            (0.5, 221, 81, 58),
            (0.75, 249, 155, 22),
            (1.0, 252, 255, 164),
        ),
    },
}
STOPS = next(iter(PALETTES.values()))

#: A pixel is dotted as unsure if the chance that its sign holds is below UNSURE and its absolute value exceeds
#: VISIBLE times the map's largest: weaker pixels are nearly colourless.
UNSURE, VISIBLE = 0.8, 0.05

#: A map whose absolute values all stay below this share of its scale's end is too faint to be visible.
FAINTEST = 0.02

#: Smallest end of a scale, in logits per reference area, so that a map of rounding errors looks empty. Evidence of this
#: strength everywhere would change a probability by about one percent.
SMALLEST_LIMIT = 1e-3

#: Height of the text below a picture: a share of the picture's width, and the smallest readable height in pixels.
TEXT, SMALLEST_TEXT = 1 / 56, 11
PAPER, INK = 255, 32


@dataclass(frozen=True)
class Legend:
    """The text and scale below a picture of a map; long texts are wrapped."""

    title: str
    unit: Unit
    limit: float  # the value with full colour, in `unit`
    notes: tuple[str, ...]  # each starts a new line


def limit_of(maps: Iterable[np.ndarray]) -> float:
    """The end of a common scale for these maps: their largest absolute value, at least SMALLEST_LIMIT."""
    largest = max((float(np.nanmax(np.abs(m), initial=0)) for m in maps), default=0.0)
    return max(largest, SMALLEST_LIMIT)


def empty(values: np.ndarray, limit: float) -> bool:
    """Whether a map (S, S) shows no visible evidence on a scale that ends at `limit`, see FAINTEST."""
    return float(np.abs(values).max()) < FAINTEST * limit


def unsteady(values: np.ndarray, sure: np.ndarray | None) -> np.ndarray | None:
    """The pixels of maps (L, S, S) to dot as unsure, bool (L, S, S); None for a method without sign stability."""
    if sure is None:
        return None
    largest = np.abs(values).max((1, 2), keepdims=True)
    dotted: np.ndarray = (sure < UNSURE) & (np.abs(values) > VISIBLE * largest)
    return dotted


def rgba(values: np.ndarray, *, limit: float, unit: Unit) -> np.ndarray:
    """The colours (..., 4) uint8 of a map (...). Alpha is |value| / limit; zero and nan are transparent.

    Rounds half to even, like a browser's Uint8ClampedArray.
    """
    lowest = STOPS[unit][0][0]
    shade = np.clip(np.nan_to_num(np.asarray(values, np.float64)) / limit, lowest, 1)
    stops = np.array(STOPS[unit], np.float64)
    colours = [np.interp(shade, stops[:, 0], stops[:, channel]) for channel in (1, 2, 3)]
    coloured: np.ndarray = np.rint(np.stack([*colours, 255 * np.abs(shade)], axis=-1)).astype(np.uint8)
    return coloured


def overlay(
    film_pixels: np.ndarray,
    placed: np.ndarray,
    *,
    limit: float,
    unit: Unit,
    opacity: float = 0.6,
    smooth: bool = False,
    unsure: np.ndarray | None = None,
) -> np.ndarray:
    """A map (H, W) over a film (H, W) in [0, 1]: a picture (H, W, 3) uint8.

    `placed` is nan outside the model input, where the film is dimmed and hatched. The map is dotted where `unsure`
    (H, W) bool is True. `smooth` blurs the map for display by a third of a cell.
    """
    seen = np.isfinite(placed)
    colour = rgba(_blurred(placed, seen) if smooth else placed, limit=limit, unit=unit).astype(np.float32)
    alpha = colour[..., 3:] / 255 * opacity
    grey = 255 * np.where(seen, film_pixels, _hatched(film_pixels))[..., None]
    mixed: np.ndarray = np.rint(grey * (1 - alpha) + colour[..., :3] * alpha).clip(0, 255).astype(np.uint8)
    if unsure is not None:
        mixed[unsure & _dots(*film_pixels.shape)] //= 3
    return mixed


def signed(value: float, limit: float) -> str:
    """Format a map's value with its sign, as the page does; the scale's end decides the number of decimals."""
    digits = 1 if limit >= 10 else 2 if limit >= 1 else 3 if limit >= 0.1 else 4
    number = f"{abs(value):.{digits}f}"
    return "0" if float(number) == 0 else f"{'+' if value > 0 else '−'}{number}"


def scale_bar(unit: Unit, width: int, height: int = 12) -> np.ndarray:
    """A colour scale (height, width, 3) uint8 from its lowest to its highest value, drawn over mid-grey."""
    ramp = np.linspace(STOPS[unit][0][0], 1, width, dtype=np.float32)
    return overlay(np.full((height, width), 0.5), np.tile(ramp, (height, 1)), limit=1, unit=unit)


def captioned(picture: np.ndarray, legend: Legend) -> np.ndarray:
    """The unchanged picture (H, W, 3) uint8 with its legend in a strip below: (H + h, W, 3) uint8.

    The strip contains the title, the colour scale with its end and middle values, and the notes. The text size depends
    on the picture's width; long lines are wrapped, never cut off.
    """
    strip = _Strip(picture.shape[1])
    return np.concatenate(
        [
            picture,
            strip.edge(),
            strip.paragraphs([legend.title], strip.bold),
            strip.bar(legend.unit),
            strip.ticks(legend.unit, legend.limit),
            strip.paragraphs(legend.notes, strip.plain),
            strip.edge(),
        ]
    )


def side_by_side(
    film: np.ndarray, title: str, notes: Sequence[str], maps: Sequence[tuple[np.ndarray, Legend]]
) -> np.ndarray:
    """A film (H, W, 3) uint8 above its title and notes, and beside it pictures of its maps, captioned: (h, w, 3)."""
    strip = _Strip(film.shape[1])
    below = [strip.edge(), strip.paragraphs([title], strip.bold), strip.paragraphs(notes, strip.plain), strip.edge()]
    columns = [np.concatenate([film, *below]), *(captioned(*pair) for pair in maps)]
    height = max(map(len, columns))
    return np.concatenate(
        [np.pad(c, ((0, height - len(c)), (0, 0), (0, 0)), constant_values=PAPER) for c in columns], axis=1
    )


def png(picture: np.ndarray, texts: Mapping[str, str] | None = None) -> bytes:
    """Encode a picture uint8, grey (H, W) or RGB (H, W, 3), as a PNG file with text chunks by keyword."""
    chunks, file = PngInfo(), io.BytesIO()
    for keyword, text in (texts or {}).items():
        chunks.add_text(keyword, _printable(text))
    # the fastest level: the others take several times as long for a file a tenth smaller
    Image.fromarray(picture).save(file, "PNG", compress_level=1, pnginfo=chunks)
    return file.getvalue()


def data_uri(picture: np.ndarray) -> str:
    """Encode a picture uint8, grey (H, W) or RGB (H, W, 3), as a PNG data URI; OpenCV takes a third of the time."""
    _, file = cv2.imencode(".png", picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return "data:image/png;base64," + base64.b64encode(file.tobytes()).decode()


def quantise(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quantise maps (L, S, S) to int8 planes and float32 scales (L,): |values - planes * scale| <= scale / 2."""
    scales = (np.abs(values).max((1, 2)) / 127).astype(np.float32)
    divisors = np.where(scales > 0, scales, 1)[:, None, None]
    return np.rint(values / divisors).clip(-127, 127).astype(np.int8), scales


class _Strip:
    """Draws the parts (h, width, 3) uint8 of a white legend strip, with a text size that suits the width in pixels."""

    def __init__(self, width: int) -> None:
        self.width, self.size = width, max(SMALLEST_TEXT, round(TEXT * width))
        self.margin = self.size // 2
        self.inner = width - 2 * self.margin
        self.plain, self.bold = _font(self.size), _font(self.size, "-Bold")

    def edge(self) -> np.ndarray:
        """An empty strip of one margin's height."""
        return np.full((self.margin, self.width, 3), PAPER, np.uint8)

    def bar(self, unit: Unit) -> np.ndarray:
        """A unit's colour scale between the margins."""
        sides = ((0, 0), (self.margin, self.margin), (0, 0))
        return np.pad(scale_bar(unit, self.inner, self.size), sides, constant_values=PAPER)

    def ticks(self, unit: Unit, limit: float) -> np.ndarray:
        """The values at the scale's ends and middle, below them; as one line of text if they would touch."""
        lowest = STOPS[unit][0][0]
        low, middle, high = (signed(at * limit, limit) for at in (lowest, (lowest + 1) / 2, 1))
        if lowest < 0:
            low, high = f"{low} against", f"for {high}"
        half = max(map(self.plain.getlength, (low, high))) + self.plain.getlength(middle) / 2 + self.margin
        if half > self.inner / 2:
            return self.paragraphs([f"{low} · {middle} · {high}"], self.plain)
        line = [(self.margin, "ls", low), (self.width / 2, "ms", middle), (self.width - self.margin, "rs", high)]
        return self._written([line], self.plain)

    def paragraphs(self, texts: Iterable[str], font: ImageFont.FreeTypeFont) -> np.ndarray:
        """Texts below each other, each wrapped to the width."""
        lines = [line for text in texts for line in _wrapped(_printable(text), font, self.inner)]
        return self._written([[(self.margin, "ls", line)] for line in lines], font)

    def _written(self, lines: Sequence[Sequence[tuple[float, str, str]]], font: ImageFont.FreeTypeFont) -> np.ndarray:
        """Lines of (x, anchor, text) as dark text on white; an anchor is one of Pillow's."""
        leading = round(1.4 * self.size)
        paper = Image.new("RGB", (self.width, leading * len(lines)), (PAPER,) * 3)
        pen = ImageDraw.Draw(paper)
        for number, line in enumerate(lines):
            for x, anchor, text in line:
                pen.text((x, number * leading + self.size), text, fill=(INK,) * 3, font=font, anchor=anchor)
        return np.asarray(paper)


def _font(size: int, weight: str = "") -> ImageFont.FreeTypeFont:
    """DejaVu Sans from matplotlib; Pillow's own font lacks the minus sign and all letters beyond English."""
    from matplotlib import get_data_path

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans{weight}.ttf", size)


def _printable(text: str) -> str:
    """The text in Unicode form NFC, with U+FFFD for each unprintable character, line breaks included."""
    return "".join(c if c.isprintable() else "\ufffd" for c in unicodedata.normalize("NFC", text))


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Wrap a text to lines of at most `width` pixels, between words, or within a word that is wider than a line."""

    def fits(line: str) -> bool:
        return font.getbbox(line)[2] <= width

    lines = [""]
    # keep the separator dot and the percent sign with the word before them
    for word in re.findall(r"\S+(?: [·%])*", text):
        longer = f"{lines[-1]} {word}".lstrip()
        if fits(longer):
            lines[-1] = longer
        elif fits(word):
            lines.append(word)
        else:
            for letter in longer.removeprefix(lines[-1]):
                if not fits(lines[-1] + letter):
                    lines.append("")
                lines[-1] += letter
    return [line.strip() for line in lines if line.strip()]


def _hatched(pixels: np.ndarray) -> np.ndarray:
    """A film (H, W) at a third of its brightness, with diagonal hatching."""
    hatched: np.ndarray = np.where(_lines(*pixels.shape), 0.45, pixels / 3)
    return hatched


def _lines(height: int, width: int) -> np.ndarray:
    """A mask (height, width) bool of diagonal lines."""
    period = max(6, max(height, width) // 64)
    return np.asarray((np.arange(height)[:, None] + np.arange(width)) % period < max(1, period // 6))


def _dots(height: int, width: int) -> np.ndarray:
    """A mask (height, width) bool of dots, which cannot be mistaken for the hatching outside the model's view."""
    period = max(6, max(height, width) // 64)
    row, column = (np.arange(side) % period < max(2, period // 3) for side in (height, width))
    return row[:, None] & column


def _blurred(placed: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The map (H, W), blurred inside the rectangle of the model input only; values outside stay nan."""
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    view = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    blurred = placed.copy()
    blurred[view] = cv2.GaussianBlur(placed[view], (0, 0), len(rows) / 21, borderType=cv2.BORDER_REFLECT)
    return blurred
