"""The grey values that a viewer displays: rescaling, lookup tables, windows, full range (DICOM PS3.3, C.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.films.dicom import tags
from cxr_demo.messages import Message, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydicom import Dataset

Notes = tuple[Message, ...]

#: Slopes and intercepts beyond these belong to no film, and would leave no finite values.
LEAST, MOST = 1e-12, 1e12

#: At most so many of a file's lookup tables and windows are tried.
MOST_TRIED = 8

#: A film whose values span fewer than so many is displayed by a table of them all.
MOST_LEVELS = 2**16

#: A mark burnt into a film covers at most this share of it, and has at most so many values.
MARK_SHARE, MARK_VALUES = 0.02, 8


class Table:
    """A lookup table: the first value that it maps, its entries (N,), and the value of white.

    Raises ValueError if it has no entries or all are equal. The entries decide where the descriptor says otherwise:
    their number, and the number of bits.
    """

    def __init__(self, item: Dataset, signed: bool):
        described = [value or 0 for value in (*tags.numbers(item, "LUTDescriptor"), 0, 0, 0)][:3]
        said, first, bits = (round(value) for value in described)
        entries = tags.entries_in(item.get("LUTData", b""), said or 65536, bits or 16)
        if said in range(1, len(entries)):
            entries = entries[:said]
        if not len(entries) or np.ptp(entries) == 0:
            raise ValueError("no usable entries")
        used = int(entries.max()).bit_length()
        self.entries = entries
        self.first = first - 65536 if signed and first > 32767 else first
        # a table may leave the upper part of its range empty, but hardly three quarters of it
        self.white = 2 ** (bits if used <= bits < used + 2 else used) - 1

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Map values of any shape to entries."""
        places = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        found: np.ndarray = self.entries[places]
        return found


def shown(stored: np.ndarray, dataset: Dataset, film: np.ndarray) -> tuple[np.ndarray, Notes]:
    """Displayed values (H, W) float32 in [0, 1] of stored samples (H, W), and notes; `film` (H, W) bool lacks padding.

    The first usable of the file's lookup tables, then of its windows, and otherwise the full range. A note names the
    tables and windows that cannot be used.
    """
    # equal samples are displayed alike, and a film has far fewer values than pixels
    levels, places = _levels(stored)
    present = np.zeros(len(levels), bool)
    present[places if film.all() else places[film]] = True
    displayed, notes = _displayed(levels, present, dataset, lambda: stored[film])
    return displayed.astype(np.float32)[places], notes


def _levels(stored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All values that samples (H, W) have, ascending, perhaps with others between them, and each sample's place."""
    low, high = int(stored.min()), int(stored.max())
    if high - low < MOST_LEVELS:
        return np.arange(low, high + 1), stored.astype(np.int64) - low if low else stored
    levels, places = np.unique(stored, return_inverse=True)
    return levels, places.reshape(stored.shape)


def _displayed(
    levels: np.ndarray, present: np.ndarray, dataset: Dataset, film: Callable[[], np.ndarray]
) -> tuple[np.ndarray, Notes]:
    """Displayed values (N,) of stored values (N,), of which `present` (N,) bool are in the film.

    `film` copies the film's samples (M,), which only a file without tables and windows needs.
    """
    values, modality = _rescaled(levels, dataset)
    # of a useless table too, since the windows are meant for its values
    useless = message("warning.read.table")
    notes: Notes = (useless,) if not modality and len(dataset.get("ModalityLUTSequence") or ()) else ()
    low, high = _ends(values[present])
    for table in _tables(dataset, "VOILUTSequence", signed=low < 0):
        found = table(values) / table.white
        if np.ptp(found[present]) > 0:
            return found, notes
    if len(dataset.get("VOILUTSequence") or ()):
        notes = (useless,)
    windows = list(_windows(dataset))
    for centre, width in windows:
        ends = _windowed(np.array([low, high]), centre, width, _function(dataset))
        if ends[0] < ends[1]:  # a window is monotone
            return _windowed(values, centre, width, _function(dataset)), notes
    if windows:
        notes = (*notes, message("warning.read.window"))
    elif tags.values(dataset, "WindowCenter") or tags.values(dataset, "WindowWidth"):
        notes = (*notes, message("warning.read.window_unusable"))
    if not modality:
        (low, high), more = _whole_range(film(), dataset)
        notes = (*more, *notes)
    return ((values - low) / max(high - low, np.finfo(float).tiny)).clip(0, 1), notes


def _ends(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _tables(dataset: Dataset, keyword: str, *, signed: bool) -> Iterator[Table]:
    """The usable tables of a sequence."""
    for item in list(dataset.get(keyword) or ())[:MOST_TRIED]:
        try:
            yield Table(item, signed)
        except tags.MALFORMED:
            continue


def _rescaled(stored: np.ndarray, dataset: Dataset) -> tuple[np.ndarray, bool]:
    """Samples in the units of the modality, float64, and whether a lookup table made them."""
    for table in _tables(dataset, "ModalityLUTSequence", signed=bool(dataset.PixelRepresentation)):
        return table(stored).astype(np.float64), True
    slope, intercept = _slope(dataset)
    return stored * slope + intercept, False


def _slope(dataset: Dataset) -> tuple[float, float]:
    """Slope and intercept of the rescaling; 1 and 0 where the file has no usable ones."""
    slope, intercept = tags.number(dataset, "RescaleSlope", 1.0), tags.number(dataset, "RescaleIntercept", 0.0)
    return slope if LEAST < abs(slope) < MOST else 1.0, intercept if abs(intercept) < MOST else 0.0


def _function(dataset: Dataset) -> str:
    return next(iter(tags.words(dataset, "VOILUTFunction")), "LINEAR")


def _windows(dataset: Dataset) -> Iterator[tuple[float, float]]:
    """Centres and widths of the display windows that are numbers with a positive width."""
    centres, widths = (tags.numbers(dataset, keyword) for keyword in ("WindowCenter", "WindowWidth"))
    for centre, width in list(zip(centres, widths, strict=False))[:MOST_TRIED]:
        if centre is not None and width is not None and width > 0:
            yield centre, width


def _windowed(values: np.ndarray, centre: float, width: float, function: str) -> np.ndarray:
    """Apply a display window (PS3.3, C.11.2.1.2); a width below 1, too small for LINEAR, counts as LINEAR_EXACT.

    Replaces pydicom's `apply_windowing`, which swaps black and white if the rescale slope is negative.
    """
    if function == "SIGMOID":
        sigmoid: np.ndarray = 1 / (1 + np.exp((-4 * (values - centre) / width).clip(-500, 500)))
        return sigmoid
    if function != "LINEAR_EXACT" and width >= 1:
        centre, width = centre - 0.5, max(width - 1, np.finfo(float).tiny)
    with np.errstate(over="ignore"):  # a width of 1 makes the window a step function
        return ((values - centre) / width + 0.5).clip(0, 1)


def _whole_range(film: np.ndarray, dataset: Dataset) -> tuple[tuple[float, float], Notes]:
    """Rescaled black and white of samples (M,) without a window: of their own range if signed, else of their bits."""
    notes: Notes = ()
    if dataset.PixelRepresentation:
        black, white = int(film.min()), int(film.max())
        if (below := _white_below_mark(film)) is not None:
            notes = (message("warning.read.mark", white=below, value=white),)
            white = below
    else:
        black = 0
        white, notes = full_scale(film, int(dataset.BitsStored))
    slope, intercept = _slope(dataset)
    low, high = sorted(slope * end + intercept for end in (black, white))
    return (low, high), notes


def _white_below_mark(stored: np.ndarray) -> int | None:
    """The largest value of a signed film below a burnt-in mark; None without a mark, as `full_scale` knows it."""
    above = stored.astype(np.int64) - int(stored.min())
    white, notes = full_scale(above, 32)
    if not notes or notes[0].id != "warning.read.mark":
        return None
    return int(stored[above <= white].max())


def full_scale(stored: np.ndarray, bits: int) -> tuple[int, Notes]:
    """The stored value shown as white, given all values of an unsigned film and its bit depth, and notes.

    White is 2 ** bits - 1, or lower if the upper bits are all unused, as in 12-bit values stored as 16-bit. A mark
    burnt into the film far above its values does not count: few pixels of few values.
    """
    largest = int(stored.max())
    used = max(8, largest.bit_length())
    # a mark leaves at least one bit empty between the film and itself
    above = stored[stored >= 2 ** (used - 1)] if used > 9 else stored
    if above.size <= MARK_SHARE * stored.size and len(np.unique(above)) <= MARK_VALUES:
        least = max(8, int(stored[stored < 2 ** (used - 1)].max()).bit_length())
        if used - least >= 2:
            white = 2**least - 1
            return white, (message("warning.read.mark", white=white, value=largest),)
    if used >= bits:
        return 2**bits - 1, ()
    white = 2**used - 1
    return white, (message("warning.read.unused_bits", bits=bits, used=used, white=white),)
