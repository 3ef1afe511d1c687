"""Decode DICOM into grey values in [0, 1] as a viewer displays them; tag values stay inside this package."""

from __future__ import annotations

import logging
import re
import warnings
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cxr_demo.errors import UnreadableImage
from cxr_demo.films.dicom import colour, frames, tags
from cxr_demo.films.dicom.display import Notes, full_scale, shown
from cxr_demo.films.dicom.frames import refuse_cut
from cxr_demo.messages import message

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["BARE", "SHAPES", "WITHOUT_IMAGE", "claims_image", "decode", "full_scale", "looks_like", "refuse_cut"]

# pydicom's warnings quote tag values, which may name a patient
logging.getLogger("pydicom").addHandler(logging.NullHandler())
logging.getLogger("pydicom").propagate = False
warnings.filterwarnings("ignore", module=r"pydicom\.")

#: Tags with pixels. Those of real numbers hold maps and doses, no films.
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

#: Tags of the height and width of a pixel, the first of which counts; the logarithm of their ratio up to which pixels
#: are square but for rounding; and the ratio from which the tag is wrong.
SHAPES, SQUARE, MOST_STRETCHED = ("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing"), 0.01, 4

#: First bytes of files without the preamble: the group of their first element.
BARE = (b"\x02\x00", b"\x08\x00")
#: Media Storage SOP Class UID (0002,0002) in a file's first bytes, and its values for objects without an image: media
#: directories, and storage of waveforms, presentation states, references, reports, documents and other data.
CLASS = re.compile(rb"\x02\0\x02\0UI..([0-9.]+)", re.DOTALL)
WITHOUT_IMAGE = (
    b"1.2.840.10008.1.3.10",
    *(b"1.2.840.10008.5.1.4.1.1." + kind for kind in (b"9.", b"11.", b"66", b"88.", b"104.", b"481.3", b"481.5")),
)


def looks_like(data: bytes) -> bool:
    """Whether a file's first bytes are those of DICOM, with or without the preamble."""
    return data[128:132] == b"DICM" or data[:2] in BARE


def claims_image(head: bytes) -> bool:
    """Whether the first bytes of DICOM, by the class in its file meta information, may be those of an image.

    Directories, reports, presentation states, encapsulated documents and the like hold none.
    """
    stated = CLASS.search(head)
    return not stated or not stated[1].startswith(WITHOUT_IMAGE)


def decode(data: bytes, name: str, most_pixels: int) -> tuple[np.ndarray, Notes]:
    """Return grey values (H, W) float32 in [0, 1], where 0 is air, and notes for the reader.

    RGB and YBR images become luma; padding and windows are those of grey images alone.

    Raises UnreadableImage, which mentions `name`, if the file has no pixels, several frames, colours other than RGB and
    YBR, more than `most_pixels` pixels, a compression without a decoder, a damaged compressed image, or lacks a tag
    without a usual value.
    """
    dataset = frames.parse(data, name, most_pixels)
    _check(dataset, name, most_pixels)
    frames.complete(dataset, name)
    words, kind = frames.words_of(dataset, name)
    stored = frames.samples(words, dataset)
    if words.ndim == 3:
        luma = colour.luma(stored, kind, int(dataset.BitsStored))
        return _square(np.where(_shuttered(luma.shape, dataset), np.float32(0), luma), dataset, most_pixels), ()
    hidden = _padding(words, stored, dataset) | _shuttered(stored.shape, dataset)
    if hidden.all():
        hidden[:] = False
    values, notes = shown(stored, dataset, ~hidden)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        np.subtract(1, values, out=values)
    values[hidden] = 0
    return _square(values, dataset, most_pixels), notes


def _square(values: np.ndarray, dataset: Dataset, most_pixels: int) -> np.ndarray:
    """Resize an image (H, W) whose pixels are not square, along one side (PS3.3, C.7.6.3.1.7).

    It is enlarged along their longer side or, if that gave more than `most_pixels`, reduced along the other.
    """
    for keyword in SHAPES:
        sides = [side or 0 for side in tags.numbers(dataset, keyword)]
        if len(sides) == 2 and min(sides) > 0:
            ratio = sides[0] / sides[1]
            if SQUARE < abs(np.log(ratio)) < np.log(MOST_STRETCHED):
                height, width = values.shape
                taller, wider = (width, round(height * ratio)), (round(width / ratio), height)
                larger, smaller = (taller, wider) if ratio > 1 else (wider, taller)
                if larger[0] * larger[1] <= most_pixels:
                    values = cv2.resize(values, larger, interpolation=cv2.INTER_LINEAR)
                else:
                    values = cv2.resize(values, smaller, interpolation=cv2.INTER_AREA)
            break
    return values


def _check(dataset: Dataset, name: str, most_pixels: int) -> None:
    """Raise UnreadableImage unless the data set has one decodable frame, ValueError if it ends before its pixels."""
    rows, columns = (tags.whole(dataset, keyword, 0) for keyword in ("Rows", "Columns"))
    # pydicom drops all tags of a file that ends within its compressed image
    if not len(dataset) or (rows > 0 and columns > 0 and not any(keyword in dataset for keyword in PIXELS)):
        raise ValueError("cut off")
    for keyword, length in (("Rows", rows), ("Columns", columns)):
        if "PixelData" in dataset and length <= 0:
            raise UnreadableImage(message("error.film.dicom_tag", name=name, tag=keyword))
    if "PixelData" not in dataset:
        raise UnreadableImage(message("error.film.dicom_no_picture", name=name))
    if tags.whole(dataset, "NumberOfFrames", 1) > 1:
        raise UnreadableImage(message("error.film.dicom_frames", name=name))
    if rows * columns > most_pixels:
        raise UnreadableImage(message("error.film.too_many_pixels", name=name, megapixels=most_pixels // 10**6))
    kind = tags.words(dataset, "PhotometricInterpretation")
    if kind and not kind[0].startswith(tuple(frames.SAMPLES)):
        raise UnreadableImage(message("error.film.dicom_palette", name=name))


def _padding(words: np.ndarray, stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Mask (H, W) bool of the padding outside the film, from PixelPaddingValue and PixelPaddingRangeLimit.

    Values that no sample can have count as whole words, of whatever sign.
    """
    nothing = np.zeros(stored.shape, bool)
    first = tags.number(dataset, "PixelPaddingValue", np.nan)
    if np.isnan(first):
        return nothing
    limit = tags.number(dataset, "PixelPaddingRangeLimit", first)
    ends = [round(first), round(limit)]
    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
    if not all(-(2 ** (bits - 1)) * signed <= end < 2 ** (bits - signed) for end in ends):
        size = 2 ** (8 * words.dtype.itemsize)
        middle = size // 2 * signed
        stored, ends = words, [(end + middle) % size - middle for end in ends]
        if (ends[0] < ends[1]) != (first < tags.number(dataset, "PixelPaddingRangeLimit", first)) and ends[0] != ends[
            1
        ]:
            return nothing  # the range would wrap around
    padding: np.ndarray = (stored >= min(ends)) & (stored <= max(ends))
    return padding


def _shuttered(shape: tuple[int, ...], dataset: Dataset) -> np.ndarray:
    """Mask (H, W) bool of the pixels outside the display shutters (PS3.3, C.7.6.11), where the film is inside all.

    A shutter without usable edges is ignored.
    """
    hidden = np.zeros(shape, bool)
    for kind in dict.fromkeys(tags.words(dataset, "ShutterShape")):
        inside = SHUTTERS[kind](shape, dataset) if kind in SHUTTERS else None
        if inside is not None:
            hidden |= ~inside
    return hidden


def _places(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Rows (H, 1) and columns (1, W), which the standard counts from 1."""
    row, column = np.ogrid[1 : shape[0] + 1, 1 : shape[1] + 1]
    return row, column


def _rectangle(shape: tuple[int, ...], dataset: Dataset) -> np.ndarray | None:
    sides = ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")
    edges = [tags.number(dataset, f"Shutter{side}Edge", np.nan) for side in sides]
    if not np.isfinite(edges).all():
        return None
    (row, column), (left, right, upper, lower) = _places(shape), edges
    inside: np.ndarray = (column >= left) & (column <= right) & (row >= upper) & (row <= lower)
    return inside


def _circle(shape: tuple[int, ...], dataset: Dataset) -> np.ndarray | None:
    centre, radius = (
        tags.numbers(dataset, "CenterOfCircularShutter"),
        tags.number(dataset, "RadiusOfCircularShutter", 0),
    )
    if len(centre) != 2 or centre[0] is None or centre[1] is None or radius <= 0:
        return None
    row, column = _places(shape)
    inside: np.ndarray = (row - centre[0]) ** 2 + (column - centre[1]) ** 2 <= radius**2
    return inside


def _polygon(shape: tuple[int, ...], dataset: Dataset) -> np.ndarray | None:
    ends = tags.numbers(dataset, "VerticesOfThePolygonalShutter")  # rows and columns in turn
    if not 6 <= len(ends) <= MOST_ENDS or len(ends) % 2 or None in ends:
        return None
    corners = np.array(ends, np.float64).reshape(-1, 2)[:, ::-1] - 1
    inside = np.zeros(shape, np.uint8)
    cv2.fillPoly(inside, [np.rint(corners.clip(-1e6, 1e6)).astype(np.int32)], 1)
    return inside > 0


#: Coordinates of a polygonal shutter that is drawn.
MOST_ENDS = 2000

#: Functions that return the mask (H, W) bool inside a shutter, or None without usable edges.
SHUTTERS = {"RECTANGULAR": _rectangle, "CIRCULAR": _circle, "POLYGONAL": _polygon}
