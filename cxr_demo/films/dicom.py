"""Decode DICOM into grey values in [0, 1] as a viewer displays them; tag values stay inside this module."""

from __future__ import annotations

import io
import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from pydicom import uid
from pydicom.multival import MultiValue
from pydicom.pixels import apply_modality_lut, apply_voi, get_decoder, pixel_array

from cxr_demo.errors import UnreadableImage
from cxr_demo.messages import Message, message

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.pixels.decoders.base import DecodeRunner

# pydicom's warnings quote tag values, which may name a patient
logging.getLogger("pydicom").addHandler(logging.NullHandler())
logging.getLogger("pydicom").propagate = False
warnings.filterwarnings("ignore", module=r"pydicom\.")

#: Transfer syntaxes that Pillow cannot decode. GDCM can, but crashes the whole process on damaged files.
DECODER_DEPENDENCIES = {
    uid.JPEGExtended12Bit: ("imagecodecs",),
    uid.JPEGLossless: ("imagecodecs",),
    uid.JPEGLosslessSV1: ("imagecodecs",),
    uid.JPEGLSLossless: ("imagecodecs",),
    uid.JPEGLSNearLossless: ("imagecodecs",),
}

#: First bytes of files without the preamble: the group of their first element.
BARE = (b"\x02\x00", b"\x08\x00")

Notes = tuple[Message, ...]


def is_available(syntax: str) -> bool:
    """Tell pydicom whether this plugin decodes a transfer syntax, given as its UID."""
    return syntax in DECODER_DEPENDENCIES


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """Decode one grey frame for pydicom: the bytes of (rows, columns) uint8 or uint16, sized by the file's header.

    Raises NotImplementedError for colour, and imagecodecs' errors if the stream is damaged or has another size.
    """
    import imagecodecs

    if runner.samples_per_pixel != 1:
        raise NotImplementedError("colour")
    frame = np.empty((runner.rows, runner.columns), np.uint8 if runner.bits_stored <= 8 else np.uint16)
    by = imagecodecs.jpegls_decode if "LS" in runner.transfer_syntax.keyword else imagecodecs.jpeg8_decode
    by(source, out=frame)
    runner.set_option("bits_allocated", frame.itemsize * 8)
    return frame.tobytes()


for _syntax in DECODER_DEPENDENCIES:
    get_decoder(_syntax).add_plugin("imagecodecs", (__name__, decode_frame.__name__))


def looks_like(data: bytes) -> bool:
    """Whether a file's first bytes are those of DICOM, with or without the preamble."""
    return data[128:132] == b"DICM" or data[:2] in BARE


def decode(data: bytes, name: str, most_pixels: int) -> tuple[np.ndarray, Notes]:
    """Return grey values (H, W) float32 in [0, 1], where 0 is air, and notes for the reader.

    RGB and YBR images become luma. Raises UnreadableImage, which mentions `name`, if the file has no pixels, several
    frames, a palette, more than `most_pixels` pixels or a compression without a decoder.
    """
    if uid.DeflatedExplicitVRLittleEndian.encode() in data:
        # pydicom would inflate the whole data set before its size can be checked
        raise UnreadableImage(message("error.film.dicom_deflated", name=name))
    dataset = pydicom.dcmread(io.BytesIO(data), force=data[128:132] != b"DICM")
    _check(dataset, name, most_pixels)
    try:
        stored = pixel_array(dataset)
    except (NotImplementedError, RuntimeError, AttributeError):
        raise UnreadableImage(message("error.film.dicom_compressed", name=name)) from None
    if stored.ndim == 3:
        luma = stored @ np.array([0.299, 0.587, 0.114])
        return (luma / (2 ** int(dataset.BitsStored) - 1)).astype(np.float32), ()
    values, notes = _shown(stored, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = 1 - values
    values = np.where(_padding(stored, dataset), 0, values.clip(0, 1))
    return values.astype(np.float32), notes


def _check(dataset: Dataset, name: str, most_pixels: int) -> None:
    """Raise UnreadableImage unless the data set has one decodable frame; set a missing transfer syntax."""
    if "PixelData" not in dataset or not dataset.get("Rows") or not dataset.get("Columns"):
        raise UnreadableImage(message("error.film.dicom_no_picture", name=name))
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise UnreadableImage(message("error.film.dicom_frames", name=name))
    if int(dataset.Rows) * int(dataset.Columns) > most_pixels:
        raise UnreadableImage(message("error.film.too_many_pixels", name=name, megapixels=most_pixels // 10**6))
    kind = dataset.get("PhotometricInterpretation", "")
    if not kind.startswith(("MONOCHROME", "RGB", "YBR")):
        raise UnreadableImage(message("error.film.dicom_palette", name=name))
    if "TransferSyntaxUID" not in getattr(dataset, "file_meta", {}):
        # pydicom parsed the file without a header, so it is little endian
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        implicit = dataset.original_encoding[0]
        syntax = uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = syntax


def _shown(stored: np.ndarray, dataset: Dataset) -> tuple[np.ndarray, Notes]:
    """Apply the modality LUT and the display window or VOI LUT to stored values; the result is in [0, 1].

    Uses the full range, and adds a note, if the window or the LUT is unusable.
    """
    rescaled = np.asarray(apply_modality_lut(stored, dataset))
    values = rescaled.astype(np.float64)
    try:
        if "VOILUTSequence" in dataset:
            shown = apply_voi(rescaled, dataset) / (2.0 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1)
        elif "WindowCenter" in dataset and "WindowWidth" in dataset:
            shown = _windowed(values, dataset)
        else:
            return _whole_range(values, stored, dataset)
    except (ValueError, TypeError, IndexError, KeyError):
        shown = np.zeros(1)
    if np.isfinite(shown).all() and np.ptp(shown) > 0:
        return shown, ()
    plain, notes = _whole_range(values, stored, dataset)
    return plain, (*notes, message("warning.film.window"))


def _padding(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Mask (H, W) bool of the padding outside the film, from PixelPaddingValue and PixelPaddingRangeLimit."""
    ends = [dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")]
    known = [int(end) for end in ends if end is not None]
    if ends[0] is None:
        return np.zeros(stored.shape, bool)
    padding: np.ndarray = (stored >= min(known)) & (stored <= max(known))
    return padding


def _windowed(values: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Apply the first display window (DICOM PS3.3, C.11.2.1.2); ValueError if its width is invalid.

    Replaces pydicom's `apply_windowing`, which swaps black and white if the rescale slope is negative.
    """
    centre, width = (
        float(entry[0] if isinstance(entry, MultiValue) else entry)
        for entry in (dataset.WindowCenter, dataset.WindowWidth)
    )
    function = dataset.get("VOILUTFunction", "LINEAR")
    if not width > 0 or (function == "LINEAR" and width < 1):
        raise ValueError("window width")
    if function == "SIGMOID":
        sigmoid: np.ndarray = 1 / (1 + np.exp((-4 * (values - centre) / width).clip(-500, 500)))
        return sigmoid
    if function == "LINEAR":
        centre, width = centre - 0.5, max(width - 1, np.finfo(float).tiny)
    with np.errstate(over="ignore"):  # a width of 1 makes the window a step function
        return ((values - centre) / width + 0.5).clip(0, 1)


def _modality_range(dataset: Dataset, *ends: float) -> tuple[float, float]:
    """Rescale the ends of a range of stored values to modality units, lower end first."""
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    low, high = sorted(slope * end + intercept for end in ends)
    return low, high


def _whole_range(values: np.ndarray, stored: np.ndarray, dataset: Dataset) -> tuple[np.ndarray, Notes]:
    """Scale values without a display window: by the range of their bits, or by their own range if they are signed."""
    notes: Notes = ()
    film = ~_padding(stored, dataset)
    if not film.any():
        film[:] = True
    if dataset.PixelRepresentation or "ModalityLUTSequence" in dataset:
        low, high = float(values[film].min()), float(values[film].max())
    else:
        top, notes = full_scale(int(stored[film].max()), int(dataset.BitsStored))
        low, high = _modality_range(dataset, 0, top)
    return (values - low) / max(high - low, np.finfo(float).tiny), notes


def full_scale(largest: int, bits: int) -> tuple[int, Notes]:
    """Return the stored value shown as white, given the file's largest value and its bit depth, and notes.

    White is 2 ** bits - 1, or lower if the upper bits are all unused, as in 12-bit values stored as 16-bit.
    """
    used = max(8, largest.bit_length())
    if used >= bits:
        return 2**bits - 1, ()
    white = 2**used - 1
    return white, (message("warning.film.unused_bits", bits=bits, used=used, white=white),)
