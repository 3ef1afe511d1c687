"""The stored samples of a DICOM file: its transfer syntax, and the bits of each word that belong to the film."""

from __future__ import annotations

import io
import re
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from pydicom import uid
from pydicom.filereader import _read_file_meta_info, read_dataset, read_preamble
from pydicom.pixels import get_decoder
from pydicom.tag import Tag

from cxr_demo.errors import UnreadableImage
from cxr_demo.films.dicom import tags
from cxr_demo.messages import message

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.pixels.decoders.base import Decoder, DecodeRunner

#: Transfer syntaxes that Pillow cannot decode, of JPEG 2000 only colours of more than 8 bits. GDCM can, but crashes the
#: whole process on damaged files.
DECODER_DEPENDENCIES = {
    uid.JPEGExtended12Bit: ("imagecodecs",),
    uid.JPEGLossless: ("imagecodecs",),
    uid.JPEGLosslessSV1: ("imagecodecs",),
    uid.JPEGLSLossless: ("imagecodecs",),
    uid.JPEGLSNearLossless: ("imagecodecs",),
    uid.HTJ2KLossless: ("imagecodecs",),
    uid.HTJ2KLosslessRPCL: ("imagecodecs",),
    uid.HTJ2K: ("imagecodecs",),
    uid.JPEG2000Lossless: ("imagecodecs",),
    uid.JPEG2000: ("imagecodecs",),
}

PIXELS = Tag("PixelData")

#: Number of samples per pixel by the first letters of the photometric interpretation.
SAMPLES = {"MONOCHROME": 1, "RGB": 3, "YBR": 3}

#: Luma from 16 to 235 and chroma from 16 to 240 of 255, which old devices wrote.
PARTIAL = "YBR_PARTIAL_422"


def is_available(syntax: str) -> bool:
    """Tell pydicom whether this plugin decodes a transfer syntax, given as its UID."""
    return syntax in DECODER_DEPENDENCIES


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """Decode one frame for pydicom: the bytes of (rows, columns[, 3]) uint8 or uint16, sized by the file's header.

    Raises imagecodecs' errors if the stream is damaged, and ValueError if it has another size than the header.
    """
    import imagecodecs

    shape = (runner.rows, runner.columns, runner.samples_per_pixel)[: 2 if runner.samples_per_pixel == 1 else 3]
    keyword = runner.transfer_syntax.keyword
    if "2K" in keyword or "2000" in keyword:
        frame = _jpeg2000(source, shape)
    else:
        refuse_cut(source)
        frame = np.empty(shape, np.uint8 if runner.bits_stored <= 8 else np.uint16)
        # lossless JPEG has no conversion of colours, whatever its markers say; the tags name its channels
        unconverted = "RGB" if "Lossless" in keyword and len(shape) == 3 else None
        if "JPEGLS" in keyword:
            imagecodecs.jpegls_decode(source, out=frame)
        else:
            imagecodecs.jpeg8_decode(source, colorspace=unconverted, outcolorspace=unconverted, out=frame)
    runner.set_option("bits_allocated", frame.itemsize * 8)
    if len(shape) == 3:
        runner.set_option("planar_configuration", 0)
    return frame.tobytes()


def _jpeg2000(codestream: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Decode a JPEG 2000 codestream to samples of this shape; ValueError if it has others or no end."""
    import imagecodecs

    refuse_cut(codestream)
    if _size_of(codestream) != shape[:2]:
        raise ValueError("another size than the header")
    frame: np.ndarray = imagecodecs.jpeg2k_decode(codestream)
    if frame.shape != shape or frame.dtype.itemsize > 2:
        raise ValueError("other samples than the header")
    return frame


def refuse_cut(stream: bytes) -> None:
    """Raise ValueError if a JPEG, JPEG-LS or JPEG 2000 codestream has no end.

    imagecodecs would leave the missing part of a JPEG grey, and look for that of a JPEG-LS for ten seconds.
    """
    if not stream.rstrip(b"\0\xff").endswith(b"\xff\xd9"):  # encoders pad with either
        raise ValueError("cut off")


def _size_of(codestream: bytes) -> tuple[int, int]:
    """Height and width in the header of a JPEG 2000 codestream, whose second marker is SIZ."""
    right, lower, left, upper = (int.from_bytes(codestream[at : at + 4], "big") for at in (8, 12, 16, 20))
    return lower - upper, right - left


for _syntax in DECODER_DEPENDENCIES:
    get_decoder(_syntax).add_plugin("imagecodecs", (f"{__name__}", decode_frame.__name__))


#: Bytes of a deflated file that hold the tags before its pixels, that it may have besides its pixels, and of a sample.
HEAD, REST, DEEPEST = 2**20, 2**26, 4


def parse(data: bytes, name: str, most_pixels: int) -> Dataset:
    """Parse a file, with or without the preamble, deflated or not; a missing transfer syntax is set.

    Raises UnreadableImage if a deflated file has more pixels or other bytes than it may, and ValueError or zlib.error
    if it is damaged.
    """
    file = io.BytesIO(data)
    with_preamble = read_preamble(file, force=True) is not None
    meta = _read_file_meta_info(file)
    if meta.get("TransferSyntaxUID") == uid.DeflatedExplicitVRLittleEndian:
        plain = _inflated(data[file.tell() :], name, most_pixels)
        dataset: Dataset = read_dataset(io.BytesIO(plain), is_implicit_VR=False, is_little_endian=True)
        dataset.file_meta = meta
        dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        return dataset
    dataset = pydicom.dcmread(io.BytesIO(data), force=not with_preamble)
    if not getattr(dataset, "file_meta", {}).get("TransferSyntaxUID"):
        implicit, little = dataset.original_encoding  # as pydicom found by trying
        plain = uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = plain if little else uid.ExplicitVRBigEndian
    return dataset


def _inflated(data: bytes, name: str, most_pixels: int) -> bytes:
    """Inflate a data set; pydicom would do so before its size can be checked."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    head = inflater.decompress(data, HEAD)
    known = read_dataset(io.BytesIO(head), False, True, stop_when=lambda tag, *_: tag == PIXELS)
    rows, columns, samples = (tags.whole(known, keyword, 1) for keyword in ("Rows", "Columns", "SamplesPerPixel"))
    if rows * columns > most_pixels:
        raise UnreadableImage(message("error.film.too_many_pixels", name=name, megapixels=most_pixels // 10**6))
    most = REST + max(rows * columns, 1) * min(max(samples, 1), 3) * DEEPEST
    rest = inflater.decompress(inflater.unconsumed_tail, most)
    if not inflater.eof:  # past the end, `unconsumed_tail` may hold the byte that pads to an even length
        if inflater.unconsumed_tail:
            raise UnreadableImage(message("error.film.inflates", name=name))
        raise ValueError("cut off")
    return head + rest


def complete(dataset: Dataset, name: str) -> None:
    """Set required tags of the pixels that are absent or empty to their usual values.

    Raises UnreadableImage, which names the tag, if a value cannot be known.
    """
    kind = next(iter(tags.words(dataset, "PhotometricInterpretation")), "")
    usual = next((count for start, count in SAMPLES.items() if kind.startswith(start)), 1)
    dataset.SamplesPerPixel = tags.whole(dataset, "SamplesPerPixel", usual)
    if kind.startswith("MONOCHROME") and kind != "MONOCHROME1":
        kind = "MONOCHROME2"
    dataset.PhotometricInterpretation = kind or ("MONOCHROME2" if dataset.SamplesPerPixel == 1 else "RGB")
    allocated = tags.whole(dataset, "BitsAllocated", 0)
    if not allocated:
        raise UnreadableImage(message("error.film.dicom_tag", name=name, tag="BitsAllocated"))
    dataset.BitsAllocated = allocated
    stored = tags.whole(dataset, "BitsStored", allocated)
    dataset.BitsStored = stored if 0 < stored <= allocated else allocated
    top = tags.whole(dataset, "HighBit", dataset.BitsStored - 1)
    dataset.HighBit = top if dataset.BitsStored - 1 <= top < allocated else dataset.BitsStored - 1
    dataset.PixelRepresentation = int(tags.whole(dataset, "PixelRepresentation", 0) == 1)
    dataset.Rows, dataset.Columns = (tags.whole(dataset, keyword, 0) for keyword in ("Rows", "Columns"))
    dataset.NumberOfFrames = 1  # of which the caller has made sure
    if dataset.SamplesPerPixel > 1:
        dataset.PlanarConfiguration = int(tags.whole(dataset, "PlanarConfiguration", 0) == 1)


def words_of(dataset: Dataset, name: str) -> tuple[np.ndarray, str]:
    """The decoded words (H, W) or (H, W, 3) of a file with all their bits, and their photometric interpretation.

    Raises UnreadableImage if the compression has no decoder here, if the compressed image is damaged, or if there are
    more frames than the tags say; ValueError if uncompressed pixels are incomplete.
    """
    decoder, said = _decoder(dataset.file_meta.TransferSyntaxUID, name), dataset.PhotometricInterpretation
    partial = said == PARTIAL and decoder.is_native
    if partial:
        dataset.PhotometricInterpretation = "YBR_FULL_422"  # of the same layout, which pydicom knows
    try:
        words, found = decoder.as_array(dataset, raw=True, correct_unused_bits=False)
    except Exception:  # decoders raise any exception on damaged data
        if decoder.is_native:
            raise
        compression = re.split(r" Image| \(|,", decoder.UID.name)[0]
        raise UnreadableImage(message("error.film.dicom_damaged", name=name, compression=compression)) from None
    if words.shape[:2] != (dataset.Rows, dataset.Columns):
        raise UnreadableImage(message("error.film.dicom_frames", name=name))
    kept = partial or decoder.UID in (uid.JPEGLossless, uid.JPEGLosslessSV1)  # no decoder converts these
    return words, said if kept else str(found["photometric_interpretation"])


def _decoder(syntax: uid.UID, name: str) -> Decoder:
    """Return the decoder of a transfer syntax; UnreadableImage if there is none."""
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        decoder = None
    if decoder is None or not decoder.is_available:
        raise UnreadableImage(message("error.film.dicom_compressed", name=name))
    return decoder


def samples(words: np.ndarray, dataset: Dataset) -> np.ndarray:
    """The samples in words of any type and shape, without the bits around them (PS3.5, 8.1.1)."""
    syntax = dataset.file_meta.TransferSyntaxUID
    # a compressed sample lies in the lowest bits; run lengths compress whole words
    shift = 0 if syntax.is_encapsulated and syntax != uid.RLELossless else dataset.HighBit + 1 - dataset.BitsStored
    if shift and not dataset.PixelRepresentation and int(words.max()) < 2**dataset.BitsStored:
        shift = 0  # the samples contradict the tag, which devices get wrong
    bits, signed = int(dataset.BitsStored), bool(dataset.PixelRepresentation)
    if not shift and bits == words.dtype.itemsize * 8 and (words.dtype.kind == "i") == signed:
        return words
    plain = words.astype(np.dtype(f"u{words.dtype.itemsize}"), copy=False)
    found: np.ndarray = (plain >> shift if shift else plain) & plain.dtype.type(2**bits - 1)
    if not signed:
        return found
    wide = found.astype(np.int64)
    sign = 1 << (bits - 1)
    return (wide ^ sign) - sign
