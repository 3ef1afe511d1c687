"""A file's bytes -> grey values in [0, 1], at the depth the file has. Only `image` calls this.

Pictures are read by Pillow, those with several channels of 16 bit, which it cannot keep, by OpenCV.
"""

from __future__ import annotations

import io
import warnings
from pathlib import PurePath
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cxr_demo import dicom
from cxr_demo.errors import UnreadableImage

if TYPE_CHECKING:
    from collections.abc import Callable

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
ACCEPTED = "Accepted are PNG, JPEG, TIFF, BMP, WebP and DICOM films of up to 50 megapixels."
MOST_PIXELS = 50_000_000

# Pillow looks at the header before it decodes; what is larger raises instead of warning
Image.MAX_IMAGE_PIXELS = MOST_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)
# metadata that Pillow finds odd is not the visitor's concern
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

#: TIFF tags
BITS, PHOTOMETRIC, ORIENTATION = 258, 262, 274

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


def decode(data: bytes, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Grey values (H, W) float32 in [0, 1] and what a reader should know; UnreadableImage for anything else."""
    if not data:
        raise UnreadableImage(f"{name} is empty. {ACCEPTED}")
    try:
        if dicom.looks_like(data):
            return dicom.decode(data, name, MOST_PIXELS)
        return _picture(data, name)
    except UnreadableImage:
        raise
    except UnidentifiedImageError:
        raise UnreadableImage(f"{name} is no picture that can be read here. {ACCEPTED}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name) from None
    except Exception:
        # decoders raise anything on damaged files, and their words mean nothing to a visitor
        raise UnreadableImage(f"{name} is damaged or cut off: it cannot be decoded. Save it again.") from None


def _too_large(name: str) -> UnreadableImage:
    return UnreadableImage(f"{name} has more than {MOST_PIXELS // 10**6} megapixels. Make it smaller first.")


def _picture(data: bytes, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise _too_large(name)
        if getattr(picture, "n_frames", 1) > 1:
            raise UnreadableImage(f"{name} holds {picture.n_frames} pictures; save the one you mean by itself.")  # type: ignore[attr-defined]
        if _deep_colour(picture, data):
            upright = UPRIGHT.get(picture.getexif().get(ORIENTATION, 1), np.asarray)
            return _grey(upright(_by_opencv(data)), name)
        inverted = picture.mode.startswith("I;16") and _tag(picture, PHOTOMETRIC) == 0
        upright_picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        values, notes = _scaled(np.asarray(upright_picture), name)
        return (1 - values if inverted else values), notes
    return np.asarray(_eight_bit_grey(upright_picture), np.float32) / 255, ()


def _tag(picture: Image.Image, tag: int) -> object:
    tags = getattr(picture, "tag_v2", {})
    return tags.get(tag) if picture.format == "TIFF" else None


def _deep_colour(picture: Image.Image, data: bytes) -> bool:
    """More than one channel of more than 8 bit, which Pillow would cut to 8 or refuse."""
    if picture.format == "PNG":
        depth, colour = data[24:26]  # of IHDR, which comes first
        return depth == 16 and colour != 0
    bits = _tag(picture, BITS)
    return isinstance(bits, tuple) and len(bits) > 1 and max(bits) > 8


def _by_opencv(data: bytes) -> np.ndarray:
    pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("OpenCV cannot decode it")
    return pixels


def _eight_bit_grey(picture: Image.Image) -> Image.Image:
    """Colours by their luma: films are grey, and a coloured mark should not vanish in one channel.

    What is transparent becomes black, as what lies outside a film.
    """
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", coloured.size, (0, 0, 0, 255)), coloured)
    return picture.convert("RGB").convert("L") if picture.mode in ("P", "CMYK", "RGBA") else picture.convert("L")


def _grey(pixels: np.ndarray, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Blue, green, red and perhaps alpha (H, W, 3 or 4) of 16 bit as grey, scaled."""
    grey = pixels[..., :3].astype(np.float32) @ np.array([0.114, 0.587, 0.299], np.float32)
    values, notes = _scaled(grey.round().astype(pixels.dtype) if pixels.dtype.kind == "u" else grey, name)
    if pixels.shape[2] == 4:
        values = values * (pixels[..., 3] / np.float32(np.iinfo(pixels.dtype).max))
    return values, notes


def _scaled(pixels: np.ndarray, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values of more than 8 bit in [0, 1]: 16 bit by their range, others from their least to their largest."""
    if pixels.dtype == np.uint16:
        top, notes = dicom.full_scale(int(pixels.max()), 16)
        return pixels / np.float32(top), notes
    values = pixels.astype(np.float64)
    if not np.isfinite(values).all():
        raise UnreadableImage(f"{name} holds values that are not finite numbers; it cannot be shown as a film.")
    low, high = values.min(), values.max()
    note = "The file does not say which values are black and white: its smallest and largest were taken."
    return ((values - low) / max(high - low, np.finfo(float).tiny)).astype(np.float32), (note,)
