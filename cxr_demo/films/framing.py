"""Find the film in a picture that holds more: margins, blades of a collimator, the window of a viewer.

A side of the film is a straight line of steps in grey, with a flat surface or a toolbar outside it. The contour of a
body is not straight, and tissue beside it is not flat, so that the air and the markers of a film stay part of it. A
film that lies at an angle, as in a photograph, is the largest part that flat surfaces from the picture's edge leave, if
it is square.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

#: Longer side in pixels of the copy in which sides are sought.
SIDE = 256
#: Least difference of grey levels, of 255, across a side, between pixels REACH lines outside and inside it. The reach
#: lets a side lean by a few degrees.
STEP, REACH = 12, 2
#: Largest range of grey levels in 3 x 3 pixels of a flat surface.
FLAT = 6
#: Largest range of grey levels in a line that shows nothing, and share of it that may be letters once other sides of
#: the film are known.
EVEN, LETTERED = 2, 0.1
#: Share of a side's length that must have a step: in the first rounds, while the sides still include the margins'
#: corners, and at last.
ROUNDS, STRAIGHT = (0.25, 0.25, 0.3, 0.3), 0.45
#: Share of flat pixels from which a line counts as one of a margin.
MARGIN = 0.95
#: Least share of flat pixels in the lines next to a side, and in all lines outside it; letters are not flat.
GAP, OUTSIDE = 0.75, 0.6
#: Least share of a toolbar that has one grey level, PAINT levels more or less, of at least LIT, since black air is even
#: too; largest share of the picture's side that a toolbar takes; and share of its lower edge that must have a step.
PAINTED, PAINT, LIT, TOOLBAR, BAR = 0.4, 2, 30, 0.25, 0.6
#: Share of the model's view, the centred square, from which margins are reported. Margins that take 0.2 change the
#: probability of a finding by up to 0.06 (median of 60 NIH films), as much as a film taken 5 % closer does; margins of
#: 0.36 change it by 0.09, of 0.64 by 0.23. From 0.21 on, 61 of 5,193 films of the NIH and others are reported, of which
#: 58 have such margins.
LOST = 0.21
#: Least share of its smallest surrounding rectangle that the hull of a film at an angle covers, and of its hull that it
#: covers itself. The hulls of bodies cover less, those of films with perspective a little more.
SQUARE, WHOLE = 0.93, 0.8
#: Share of the view by which a film at an angle must be smaller than the one with sides along the picture's.
SMALLER = 0.03
#: Fewest lines of a film in the copy.
SHORTEST = 16
#: Largest share of the picture that may lie outside one side.
DEEPEST = 0.8


#: Top, left, bottom and right of a part of the copy, in its pixels.
Sides = tuple[int, int, int, int]


@dataclass(frozen=True)
class Rectangle:
    """A part of a picture in its pixels; `bottom` and `right` are the first lines beyond it."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.right, self.bottom

    def shares(self, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in shares of the sides of a picture (H, W)."""
        height, width = shape
        return self.left / width, self.top / height, self.right / width, self.bottom / height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the part in an array (H, W)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def film_in(pixels: np.ndarray) -> Rectangle | None:
    """Return the rectangle of the film in a picture (H, W) in [0, 1]; None if margins take less than LOST of it."""
    found = rectangle(pixels)
    return found if lost_view(pixels.shape, found) >= LOST else None


def rectangle(pixels: np.ndarray) -> Rectangle:
    """Return the rectangle of the film in a picture (H, W) in [0, 1]: the whole picture if no margin is found."""
    height, width = pixels.shape
    scale = max(1.0, max(height, width) / SIDE)
    size = max(1, round(width / scale)), max(1, round(height / scale))
    small = np.rint(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) * 255).astype(np.uint8)
    top, left, bottom, right = _smaller(small.shape, _sides(small), _at_an_angle(small))
    down, across = height / small.shape[0], width / small.shape[1]
    if min(bottom - top, right - left) < SHORTEST:
        return Rectangle(0, 0, height, width)
    rough = Rectangle(round(top * down), round(left * across), round(bottom * down), round(right * across))
    return _refined(pixels, rough, round(2 * scale))


def lost_view(shape: tuple[int, ...], film: Rectangle) -> float:
    """Return the share of the centred square of a picture (H, W) that lies outside the film."""
    side = min(shape)
    top, left = ((length - side) / 2 for length in shape)
    down = min(film.bottom, top + side) - max(film.top, top)
    across = min(film.right, left + side) - max(film.left, left)
    return 1 - max(0.0, down) * max(0.0, across) / side**2


def _smaller(shape: tuple[int, ...], upright: Sides, tilted: Sides | None) -> Sides:
    """Choose the film at an angle if it leaves clearly more of the view of a copy (h, w) outside."""
    if tilted is None:
        return upright
    more = lost_view(shape, Rectangle(*tilted)) - lost_view(shape, Rectangle(*upright))
    return tilted if more > SMALLER else upright


def _at_an_angle(small: np.ndarray) -> Sides | None:
    """Top, left, bottom and right of a film at any angle in a copy (h, w) uint8; None without one."""
    flat = np.pad(_flat(small).astype(np.uint8), 1, constant_values=1)
    _, surfaces = cv2.connectedComponents(flat, connectivity=4)
    left_over = (surfaces != surfaces[0, 0])[1:-1, 1:-1].astype(np.uint8)
    # letters and wires hang on to a film by a few pixels
    left_over = cv2.morphologyEx(left_over, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    contours, _ = cv2.findContours(left_over, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    outline = max(contours, key=cv2.contourArea)
    hull = cv2.convexHull(outline)
    covered = cv2.contourArea(hull)
    _, (width, height), _ = cv2.minAreaRect(hull)
    if covered < SQUARE * width * height or cv2.contourArea(outline) < WHOLE * covered or min(width, height) < SHORTEST:
        return None
    left, top, across, down = cv2.boundingRect(hull)
    return top, left, top + down, left + across


def _flat(small: np.ndarray) -> np.ndarray:
    """Whether each pixel (h, w) lies on a flat surface."""
    near = np.ones((3, 3), np.uint8)
    found: np.ndarray = cv2.dilate(small, near) - cv2.erode(small, near) <= FLAT
    return found


def _sides(small: np.ndarray) -> Sides:
    """Top, left, bottom and right of the film in a copy (h, w) uint8, moved inwards in rounds, then tested."""
    flat = _flat(small)
    # quarter turns bring each side to the top: 0 top, 1 right, 2 bottom, 3 left
    turned = [(_steps(np.rot90(small, turns)), np.rot90(flat, turns)) for turns in range(4)]
    blank = [_blank(np.rot90(small, turns)) for turns in range(4)]
    depths = list(blank)
    for least in ROUNDS:
        before = list(depths)
        for turns, (steps, smooth) in enumerate(turned):
            inner = _inner(depths, turns, steps.shape)
            upright = np.rot90(small, turns)
            if empty := _blank(upright[inner], LETTERED):  # beside the film alone, where more of the window is not
                depths[turns] = blank[turns] = depths[turns] + empty
                continue
            stepped, still = _shares(steps[inner], smooth[inner])
            bar = (steps[inner[0]].mean(1) >= BAR) & (_painted(upright[inner[0]]) >= PAINTED)
            depths[turns] += _depth(stepped, still, bar, least)
        if depths == before:
            break
    for turns, (steps, smooth) in enumerate(turned):
        rows, columns = _inner(depths, turns, steps.shape)
        if rows.start > blank[turns]:
            stepped, _ = _shares(steps[:, columns], smooth[:, columns], rows)
            if stepped[rows.start - 1 : rows.start + 2].max() < STRAIGHT:
                within = slice(blank[turns], rows.stop), columns
                depths[turns] = blank[turns] + _blank(np.rot90(small, turns)[within], LETTERED)
    height, width = small.shape
    top, right, bottom, left = depths
    return top, left, height - bottom, width - right


def _blank(small: np.ndarray, lettered: float = 0) -> int:
    """Number of rows at the top of a copy (h, w) that show nothing, which no step need confirm; 0 of an even copy.

    A row shows nothing if at most the share `lettered` of its pixels differs from the others.
    """
    for at, row in enumerate(small.astype(np.int16)):
        middle = np.partition(row, len(row) // 2)[len(row) // 2]
        if (np.abs(row - middle) > EVEN / 2).mean() > lettered:
            return at
    return 0


def _shares(steps: np.ndarray, flat: np.ndarray, film: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    """Shares of steps and of flat pixels (n,) in the rows of a part (n, m), among its columns that are no margin.

    A column is a margin if it is flat in the rows `film`.
    """
    columns = flat[film].mean(0) < MARGIN
    if not columns.any():
        columns[:] = True
    stepped: np.ndarray = steps[:, columns].mean(1)
    still: np.ndarray = flat[:, columns].mean(1)
    return stepped, still


def _inner(depths: list[int], turns: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the film in a picture (H, W) after quarter turns; `depths` lie outside each side."""
    top, right, bottom, left = (depths[(turns + k) % 4] for k in range(4))
    return slice(top, shape[0] - bottom), slice(left, shape[1] - right)


def _steps(small: np.ndarray) -> np.ndarray:
    """Whether each pixel (h, w) lies on a step between the rows above and below it."""
    found = np.zeros(small.shape, bool)
    levels = small.astype(np.int16)
    found[REACH : 1 - REACH] = np.abs(levels[2 * REACH - 1 :] - levels[: 1 - 2 * REACH]) >= STEP
    return found


def _painted(small: np.ndarray) -> np.ndarray:
    """Share (n,) of the most frequent grey in the rows of a copy (n, m) above each, except those next to it."""
    most = round(TOOLBAR * len(small))
    rows = small[: max(0, most - REACH)]
    found = np.zeros(len(small))
    if not len(rows):
        return found
    places = np.arange(len(rows))[:, None] * 256 + rows
    counts = np.bincount(places.ravel(), minlength=256 * len(rows)).reshape(-1, 256).cumsum(0)
    near = cv2.blur(counts.astype(np.float32), (2 * PAINT + 1, 1), borderType=cv2.BORDER_CONSTANT) * (2 * PAINT + 1)
    found[1 + REACH : most + 1] = near[:, LIT:].max(1) / (np.arange(1, len(rows) + 1) * rows.shape[1])
    return found


def _depth(steps: np.ndarray, flat: np.ndarray, bar: np.ndarray, least: float) -> int:
    """Number of lines outside the outermost line that may be a side; 0 without one.

    `steps` and `flat` are shares (n,) of pixels of each line, the outermost first; `bar` (n,) bool tells where
    a toolbar may end. The lines next to a side are left out of its surfaces, since its step reaches into them.
    """
    lines = len(steps)
    if lines < SHORTEST:
        return 0
    at = np.arange(lines)

    def mean_flat(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Mean over lines first to last, at least one, of each place."""
        first, last = np.clip(first, 0, lines - 1), np.clip(last, 0, lines)
        last = np.maximum(last, first + 1)
        found: np.ndarray = (total[last] - total[first]) / (last - first)
        return found

    total = np.concatenate([[0], np.cumsum(flat)])
    around = np.lib.stride_tricks.sliding_window_view(np.pad(steps, REACH), 2 * REACH + 1).max(1)
    good = (steps >= least) & (steps >= around)
    flat_outside = (mean_flat(at - 6, at - 3) >= GAP) & (mean_flat(0 * at, at - 3) >= OUTSIDE)
    good &= flat_outside | bar
    good &= mean_flat(at + 2, at + 8) < MARGIN  # a film inside it, not another margin
    good[:REACH] = False
    good[int(DEEPEST * lines) :] = False
    found = np.flatnonzero(good)
    return int(found[0]) if len(found) else 0


def _refined(pixels: np.ndarray, rough: Rectangle, within: int) -> Rectangle:
    """Move each side of a rectangle, except at the picture's edge, to the largest step within some pixels of it."""
    rows, columns = rough.slices

    def refined(lines: np.ndarray, at: int) -> int:
        if at in (0, len(lines)):
            return at
        low, high = max(0, at - within - 1), min(len(lines), at + within + 1)
        # the median over a line ignores letters; where most of a side has no step, the mean decides
        steps = np.abs(np.diff(lines[low:high], axis=0))
        return low + 1 + int((np.median(steps, axis=1) + steps.mean(1)).argmax())

    return Rectangle(
        refined(pixels[:, columns], rough.top),
        refined(pixels[rows].T, rough.left),
        refined(pixels[:, columns], rough.bottom),
        refined(pixels[rows].T, rough.right),
    )
