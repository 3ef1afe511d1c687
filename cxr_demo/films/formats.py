"""Decode a file's bytes into grey values in [0, 1] at the file's bit depth.

Pillow reads most formats. It would truncate or clip deeper ones, so tifffile reads TIFF, and OpenCV reads PNG files
with several 16-bit channels.
"""

from __future__ import annotations

import io
import itertools
import logging
import warnings
from pathlib import PurePath
from typing import TYPE_CHECKING

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageOps, UnidentifiedImageError

from cxr_demo.errors import UnreadableImage
from cxr_demo.films import dicom
from cxr_demo.films.dicom.colour import BLUE, GREEN, RED
from cxr_demo.messages import Message, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FORMATS = ("PNG", "JPEG", "JPEG2000", "BMP", "WEBP", "AVIF")
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two are BigTIFF, for files above 4 GB

#: Segments of a JPEG file before its picture, of which real files have dozens.
MOST_SEGMENTS = 1000

#: First bytes of archives that are not opened, and of the types of picture that are known but not read.
ARCHIVES = (b"PK\5\6", b"BZh", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ")
HEIF = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL ")

#: Bytes by which films are known, with their place in the file; DICOM and old DICOM without its preamble last.
SIGNATURES = (
    *((0, head) for head in (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"\xff\x4f\xff\x51", *TIFF, *JPEG_XL)),
    *((4, head) for head in (b"jP  ", b"ftyp")),
    (8, b"WEBP"),
    (128, b"DICM"),
    *((0, head) for head in dicom.BARE),
)
ENDINGS = (".png", ".jpg", ".jpeg", ".jp2", ".tif", ".tiff", ".bmp", ".webp", ".avif", ".dcm", ".dicom")
#: Bytes that suffice for `may_be_film`.
HEAD = 1024

ACCEPTED = message("error.film.accepted")
MOST_PIXELS = 50_000_000
MOST_BYTES = 8 * MOST_PIXELS  # four 16-bit channels

# Pillow checks the header's size before it decodes; larger images raise an error instead of a warning
Image.MAX_IMAGE_PIXELS = MOST_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)
# Pillow's warnings about odd metadata do not concern the visitor
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# and neither do tifffile's
logging.getLogger("tifffile").addHandler(logging.NullHandler())
logging.getLogger("tifffile").propagate = False

#: Compressions left to tifffile; its other decoders read out of bounds on damaged data and crash the process.
SOUND = (tifffile.COMPRESSION.NONE, tifffile.COMPRESSION.DEFLATE, tifffile.COMPRESSION.ADOBE_DEFLATE)
PLAIN = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.RGB)

ORIENTATION = 274  # the tag's number in EXIF and TIFF
LUMA = np.array([RED, GREEN, BLUE])

Notes = tuple[Message, ...]

#: Functions that turn a stored image upright, by EXIF orientation.
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
    8: np.rot90,
}


def shown(name: str) -> str:
    """Return a file's name for messages: without folders or control characters, at most 80 characters."""
    bare = "".join(c for c in PurePath(name.replace("\\", "/")).name if c.isprintable())
    return (bare if len(bare) <= 80 else f"{bare[:60]}...{bare[-16:]}") or "The file"


def may_be_film(head: bytes, name: str) -> bool:
    """Whether a file of a folder, by its first HEAD bytes or its name's ending, claims to be a film.

    DICOM's directories, reports and other objects without an image do not.
    """
    if dicom.looks_like(head) and (shown(name).upper() == "DICOMDIR" or not dicom.claims_image(head)):
        return False
    return name.lower().endswith(ENDINGS) or any(head.startswith(start, at) for at, start in SIGNATURES)


def decode(data: bytes, name: str) -> tuple[np.ndarray, Notes]:
    """Return grey values (H, W) float32 in [0, 1] and notes for the reader.

    The bytes decide the format; `name` only appears in messages. Raises UnreadableImage for every failure.
    """
    if not data:
        raise UnreadableImage(message("error.film.empty", name=name, accepted=ACCEPTED))
    try:
        if dicom.looks_like(data):
            return dicom.decode(data, name, MOST_PIXELS)
        _refuse_known(data, name)
        return _tiff(data, name) if data[:4] in TIFF else _picture(data, name)
    except UnreadableImage:
        raise
    except UnidentifiedImageError:
        raise UnreadableImage(message("error.film.no_picture", name=name, accepted=ACCEPTED)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name) from None
    except Exception:
        # decoders raise any exception on damaged files, with texts that mean nothing to a visitor
        raise UnreadableImage(message("error.film.damaged", name=name)) from None


def _refuse_known(data: bytes, name: str) -> None:
    """Raise UnreadableImage for archives and for pictures of a known type that no decoder here reads."""
    if data.startswith(ARCHIVES):
        raise UnreadableImage(message("error.film.archive", name=name))
    brands = data[8 : int.from_bytes(data[:4], "big")][:200] if data[4:8] == b"ftyp" else b""
    heic = brands[:4] in HEIF and b"avif" not in brands
    other = "JPEG XL" if data.startswith(JPEG_XL) else "HEIC" if heic else None
    if other:
        raise UnreadableImage(message("error.film.photo_format", name=name, format=other))


def _too_large(name: str) -> UnreadableImage:
    return UnreadableImage(message("error.film.too_many_pixels", name=name, megapixels=MOST_PIXELS // 10**6))


def _picture(data: bytes, name: str, formats: tuple[str, ...] = FORMATS) -> tuple[np.ndarray, Notes]:
    """Decode a single-frame image of these Pillow formats into upright grey values (H, W) in [0, 1]."""
    if (deep := _twelve_bit_size(data)) is not None:
        if deep[0] * deep[1] > MOST_PIXELS:
            raise _too_large(name)
        import imagecodecs  # loads when needed

        dicom.refuse_cut(data)
        upright = UPRIGHT.get(_jpeg_orientation(data), np.asarray)
        return (_grey(upright(imagecodecs.jpeg8_decode(data))) / np.float32(4095)).clip(0, 1), ()
    with Image.open(io.BytesIO(data), formats=formats) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise _too_large(name)
        frames: int = getattr(picture, "n_frames", 1)
        if frames > 1 and picture.format != "MPO":  # a photograph, whose other pictures are previews and depths
            raise UnreadableImage(message("error.film.frames", name=name, count=frames))
        if picture.format == "PNG" and _deep_colour(data):
            upright = UPRIGHT.get(picture.getexif().get(ORIENTATION, 1), np.asarray)
            return _levels(_grey(upright(_deep_png(data))), name)
        if picture.format == "JPEG2000" and picture.mode in ("RGB", "RGBA") and (bits := _jpeg2000_bits(data)) > 8:
            picture.load()  # raises if the file is damaged
            white = 2**bits - 1
            return (_grey(_deep_jpeg2000(data), opaque=white) / np.float32(white)).clip(0, 1), ()
        turned = ImageOps.exif_transpose(picture)
    if turned.mode.startswith(("I", "F")):  # more than 8 bits: conversion would clip them
        return _levels(np.asarray(turned), name)
    return _levels(np.asarray(_eight_bit_grey(turned)), name)


def _twelve_bit_size(data: bytes) -> tuple[int, int] | None:
    """Height and width of a JPEG of 12 bits, which Pillow cannot decode; None for any other file."""
    for marker, body in _segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
            height, width = (int.from_bytes(body[at : at + 2], "big") for at in (1, 3))
            return (height, width) if body[:1] == b"\x0c" else None
    return None


def _jpeg_orientation(data: bytes) -> int:
    """The EXIF orientation in a JPEG's first such segment, 1 without one."""
    exif = Image.Exif()
    exif.load(next((body for marker, body in _segments(data) if marker == 0xE1 and body[:6] == b"Exif\0\0"), b""))
    return int(exif.get(ORIENTATION, 1))


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body of a JPEG's first segments; none for any other file."""
    at = 2
    for _ in range(MOST_SEGMENTS):
        if data[:2] != b"\xff\xd8" or data[at : at + 1] != b"\xff" or at + 9 > len(data):
            return
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker != 0xFF:
            yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length if marker != 0xFF else 1


def _deep_colour(png: bytes) -> bool:
    """Whether a PNG has several 16-bit channels, which Pillow would truncate to 8 bits."""
    depth, colour = png[24:26]  # of IHDR, always the first chunk
    return depth == 16 and colour != 0


def _deep_png(data: bytes) -> np.ndarray:
    """Decode a PNG with OpenCV into RGB or RGBA, (H, W, 3 or 4) uint16; ValueError if OpenCV cannot."""
    Image.open(io.BytesIO(data), formats=("PNG",)).verify()  # OpenCV prints errors instead of raising them
    pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("OpenCV cannot decode it")
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _jpeg2000_bits(data: bytes) -> int:
    """The bits of a JPEG 2000 file's first channel, from its SIZ segment; 0 without one."""
    at = data.find(b"\xff\x4f\xff\x51")
    return (data[at + 42] & 0x7F) + 1 if 0 <= at < len(data) - 42 else 0


def _deep_jpeg2000(data: bytes) -> np.ndarray:
    """Decode a JPEG 2000 file of several channels into (H, W, 3 or 4) uint16, which Pillow would truncate to 8 bits."""
    import imagecodecs  # loads when needed

    pixels: np.ndarray = imagecodecs.jpeg2k_decode(data)
    return pixels


def _tiff(data: bytes, name: str) -> tuple[np.ndarray, Notes]:
    """Decode a TIFF file of one page, besides reduced previews, into upright grey values (H, W) in [0, 1].

    tifffile reads the compressions in SOUND. Pillow reads the others if their type survives its conversion.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        # the chain of pages may form a loop, so only the first few are read
        pages = list(itertools.islice(file.pages, 4))
        if any(not getattr(other, "is_reduced", False) for other in pages[1:]) or page.is_reduced:
            raise UnreadableImage(message("error.film.pages", name=name))  # reduced previews are allowed
        # int() raises where a damaged file has another type
        width, height, channels = int(page.imagewidth), int(page.imagelength), int(page.samplesperpixel)
        if width * height > MOST_PIXELS or int(page.tilewidth) * int(page.tilelength) > MOST_PIXELS:
            raise _too_large(name)
        if channels > 4 or page.axes not in ("YX", "YXS", "SYX"):
            raise UnreadableImage(message("error.film.tiff_layers", name=name))
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        if page.compression in SOUND and page.photometric in PLAIN:
            values, notes = _levels(_tiff_grey(page, data), name)
        elif page.dtype in (np.bool_, np.uint8) or (page.dtype in (np.uint16, np.float32) and channels == 1):
            values, notes = _picture(data, name, ("TIFF",))
            inverted = inverted and page.dtype == np.uint16  # Pillow inverts the other types itself
        else:
            raise UnreadableImage(message("error.film.tiff_compressed", name=name))
    return (1 - values if inverted else values), notes


def _tiff_grey(page: tifffile.TiffPage, data: bytes) -> np.ndarray:
    """Decode one page into upright grey values (H, W) in its own units; ValueError if a strip or tile is missing.

    Without that check tifffile leaves the missing part black.
    """
    for start, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if count <= 0 or start + count > len(data):
            raise ValueError("cut off")
    pixels = page.asarray()
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    tag = page.tags.get(ORIENTATION)
    upright = UPRIGHT.get(int(tag.value) if tag else 1, np.asarray)
    return _grey(upright(pixels), see_through=tifffile.EXTRASAMPLE.UNASSALPHA in page.extrasamples)


def _eight_bit_grey(picture: Image.Image) -> Image.Image:
    """Convert colours to luma, so that coloured marks stay visible; transparent pixels become black, like padding."""
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", coloured.size, (0, 0, 0, 255)), coloured)
    return picture.convert("RGB").convert("L") if picture.mode in ("P", "CMYK", "RGBA") else picture.convert("L")


def _grey(pixels: np.ndarray, *, see_through: bool = True, opaque: int | None = None) -> np.ndarray:
    """Convert an array (H, W) or (H, W, 1 to 4) to luma (H, W) of the same type and range.

    The last of 2 or 4 channels is alpha; if `see_through`, transparent pixels of unsigned types become black. The
    value `opaque` of alpha is by default the largest of the type.
    """
    if pixels.ndim == 2:
        return pixels
    channels = pixels.shape[2]
    grey = pixels[..., :3] @ LUMA if channels > 2 else pixels[..., 0]
    if channels in (2, 4) and see_through and pixels.dtype.kind == "u":
        grey = grey * (pixels[..., -1] / np.float32(opaque or np.iinfo(pixels.dtype).max))
    return grey.round().astype(pixels.dtype) if pixels.dtype.kind == "u" else grey


def _levels(pixels: np.ndarray, name: str) -> tuple[np.ndarray, Notes]:
    """Scale values of any type to [0, 1]: 8-bit and 16-bit by the range of the type, others by their own range.

    Raises UnreadableImage if values of another type are not finite or all equal.
    """
    if pixels.dtype in (np.bool_, np.uint8):
        return pixels / np.float32(255 if pixels.dtype == np.uint8 else 1), ()
    if pixels.dtype == np.uint16:
        top, notes = dicom.full_scale(pixels, 16)
        return (pixels / np.float32(top)).clip(0, 1), notes
    values = pixels.astype(np.float64)
    if not np.isfinite(values).all():
        raise UnreadableImage(message("error.film.not_finite", name=name))
    low, high = values.min(), values.max()
    if not 0 < high - low < np.inf:
        raise UnreadableImage(message("error.film.no_range", name=name))
    return ((values - low) / (high - low)).astype(np.float32), (message("warning.read.unknown_range"),)
