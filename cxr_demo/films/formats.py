"""A file's bytes -> grey values in [0, 1], at the depth the file has. Only `image` calls this.

Pictures are read by Pillow; what it would cut, wrap around or clip by others: TIFF by tifffile, PNG with
several channels of 16 bit by OpenCV.
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
from cxr_demo.messages import Message, message

if TYPE_CHECKING:
    from collections.abc import Callable

FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the latter two for files beyond 4 GB
ACCEPTED = message("error.film.accepted")
MOST_PIXELS = 50_000_000

# Pillow looks at the header before it decodes; what is larger raises instead of warning
Image.MAX_IMAGE_PIXELS = MOST_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)
# metadata that Pillow finds odd is not the visitor's concern
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# what tifffile finds odd, too
logging.getLogger("tifffile").addHandler(logging.NullHandler())
logging.getLogger("tifffile").propagate = False

#: What tifffile may decode; its decoders of other compressions read outside damaged data and end the process.
SOUND = (tifffile.COMPRESSION.NONE, tifffile.COMPRESSION.DEFLATE, tifffile.COMPRESSION.ADOBE_DEFLATE)
PLAIN = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.RGB)

ORIENTATION = 274  # a tag of EXIF and of TIFF
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Notes = tuple[Message, ...]

#: What turns a stored picture upright, by EXIF orientation.
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
    """A file's name fit for a message: no folders, no control characters, not too long."""
    bare = "".join(c for c in PurePath(name.replace("\\", "/")).name if c.isprintable())
    return (bare if len(bare) <= 80 else f"{bare[:60]}...{bare[-16:]}") or "The file"


def decode(data: bytes, name: str) -> tuple[np.ndarray, Notes]:
    """Grey values (H, W) float32 in [0, 1] and what a reader should know; UnreadableImage for anything else."""
    if not data:
        raise UnreadableImage(message("error.film.empty", name=name, accepted=ACCEPTED))
    try:
        if dicom.looks_like(data):
            return dicom.decode(data, name, MOST_PIXELS)
        return _tiff(data, name) if data[:4] in TIFF else _picture(data, name)
    except UnreadableImage:
        raise
    except UnidentifiedImageError:
        raise UnreadableImage(message("error.film.no_picture", name=name, accepted=ACCEPTED)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name) from None
    except Exception:
        # decoders raise anything on damaged files, and their words mean nothing to a visitor
        raise UnreadableImage(message("error.film.damaged", name=name)) from None


def _too_large(name: str) -> UnreadableImage:
    return UnreadableImage(message("error.film.too_many_pixels", name=name, megapixels=MOST_PIXELS // 10**6))


def _picture(data: bytes, name: str, formats: tuple[str, ...] = FORMATS) -> tuple[np.ndarray, Notes]:
    with Image.open(io.BytesIO(data), formats=formats) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise _too_large(name)
        frames: int = getattr(picture, "n_frames", 1)
        if frames > 1:
            raise UnreadableImage(message("error.film.frames", name=name, count=frames))
        if picture.format == "PNG" and _deep_colour(data):
            upright = UPRIGHT.get(picture.getexif().get(ORIENTATION, 1), np.asarray)
            return _levels(_grey(upright(_deep_png(data))), name)
        turned = ImageOps.exif_transpose(picture)
    if turned.mode.startswith(("I", "F")):  # more than 8 bit, which conversion would clip
        return _levels(np.asarray(turned), name)
    return _levels(np.asarray(_eight_bit_grey(turned)), name)


def _deep_colour(png: bytes) -> bool:
    """Several channels of 16 bit, which Pillow would cut to 8."""
    depth, colour = png[24:26]  # of IHDR, which comes first
    return depth == 16 and colour != 0


def _deep_png(data: bytes) -> np.ndarray:
    """Red, green, blue and perhaps alpha, (H, W, 3 or 4) uint16."""
    Image.open(io.BytesIO(data), formats=("PNG",)).verify()  # OpenCV would print what it finds wrong
    pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("OpenCV cannot decode it")
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _tiff(data: bytes, name: str) -> tuple[np.ndarray, Notes]:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        # the chain of pages may bite its own tail: a few of them tell enough
        pages = list(itertools.islice(file.pages, 4))
        if any(not getattr(other, "is_reduced", False) for other in pages[1:]) or page.is_reduced:
            raise UnreadableImage(message("error.film.pages", name=name))  # previews do not count
        # in a damaged file any of these may be no number at all
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
            inverted = inverted and page.dtype == np.uint16  # Pillow does so itself for the others
        else:
            raise UnreadableImage(message("error.film.tiff_compressed", name=name))
    return (1 - values if inverted else values), notes


def _tiff_grey(page: tifffile.TiffPage, data: bytes) -> np.ndarray:
    """One page upright in grey (H, W), in its own numbers; ValueError where a part is missing, left black otherwise."""
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
    """Colours by their luma: films are grey, and a coloured mark should not vanish in one channel.

    What is transparent becomes black, as what lies outside a film.
    """
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", coloured.size, (0, 0, 0, 255)), coloured)
    return picture.convert("RGB").convert("L") if picture.mode in ("P", "CMYK", "RGBA") else picture.convert("L")


def _grey(pixels: np.ndarray, *, see_through: bool = True) -> np.ndarray:
    """The same for arrays (H, W) or (H, W, 1 to 4), in their own numbers; the last of 2 or 4 channels is alpha."""
    if pixels.ndim == 2:
        return pixels
    channels = pixels.shape[2]
    grey = pixels[..., :3] @ LUMA if channels > 2 else pixels[..., 0]
    if channels in (2, 4) and see_through and pixels.dtype.kind == "u":
        grey = grey * (pixels[..., -1] / np.float32(np.iinfo(pixels.dtype).max))
    return grey.round().astype(pixels.dtype) if pixels.dtype.kind == "u" else grey


def _levels(pixels: np.ndarray, name: str) -> tuple[np.ndarray, Notes]:
    """Values of any kind in [0, 1]: 8 and 16 bit by their range, others from their least to their largest."""
    if pixels.dtype in (np.bool_, np.uint8):
        return pixels.astype(np.float32) / (255 if pixels.dtype == np.uint8 else 1), ()
    if pixels.dtype == np.uint16:
        top, notes = dicom.full_scale(int(pixels.max()), 16)
        return pixels / np.float32(top), notes
    values = pixels.astype(np.float64)
    if not np.isfinite(values).all():
        raise UnreadableImage(message("error.film.not_finite", name=name))
    low, high = values.min(), values.max()
    if not 0 < high - low < np.inf:
        raise UnreadableImage(message("error.film.no_range", name=name))
    return ((values - low) / (high - low)).astype(np.float32), (message("warning.film.unknown_range"),)
