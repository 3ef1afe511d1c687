"""Read films and convert between film and model input: cropping, resizing and placing maps."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cxr_demo.errors import BadSetting, UnreadableImage
from cxr_demo.films import archives, framing, image_tables
from cxr_demo.films import formats as decoders
from cxr_demo.messages import Message, message, slug
from cxr_demo.types import Crop, Radiograph

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO

#: Limits of pixels, bytes, shorter side and aspect ratio; images outside them are not radiographs.
MOST_PIXELS, MOST_BYTES = decoders.MOST_PIXELS, decoders.MOST_BYTES
SHORTEST_SIDE = 32
LONGEST_SHAPE = 4

#: Beginning of the identities of warnings that the grey values may be wrong: the reader guessed, or they are unusual.
READING = "warning.read."

#: Side in pixels below which a film has less detail than the models' training films.
DETAILED_SIDE = 224


def read(path: str | Path, member: str | None = None) -> Radiograph:
    """Read the film in a file, in the `member` of an archive or table of images, or the only film in an archive.

    UnreadableImage names the file, the problem and the accepted formats; SeveralFilms lists the members of an archive.
    """
    path = Path(path)
    name = decoders.shown(path.name)
    try:
        # reading a device or a pipe may never end
        if path.exists() and not path.is_file():
            raise UnreadableImage(message("error.film.no_file", name=name, accepted=decoders.ACCEPTED))
        if member is not None and image_tables.is_parquet(path):
            return decode(*image_tables.extract(path, member))
        if path.is_file() and archives.is_archive(path):
            with path.open("rb") as file:
                return _of_archive(file, path.name, member)
        if path.stat().st_size > MOST_BYTES:
            raise UnreadableImage(message("error.film.too_many_bytes", name=name, mebibytes=MOST_BYTES >> 20))
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name is possible"
        raise UnreadableImage(message("error.film.cannot_open", name=name, reason=reason)) from None
    return decode(data, path.name)


def decode(data: bytes, name: str) -> Radiograph:
    """Decode the film in a file's bytes, which decide its format; `name` only labels the result.

    Of an archive, its only film is decoded. Raises only UnreadableImage: for damaged or unknown files, and for sizes
    and shapes outside the limits above.
    """
    if archives.opens(data[: decoders.HEAD]):
        return _of_archive(io.BytesIO(data), name)
    name = decoders.shown(name)
    pixels, notes = decoders.decode(data, name)
    height, width = pixels.shape
    if min(height, width) < SHORTEST_SIDE:
        raise UnreadableImage(
            message("error.film.too_small", name=name, width=width, height=height, shortest=SHORTEST_SIDE)
        )
    if max(height, width) > LONGEST_SHAPE * min(height, width):
        raise UnreadableImage(message("error.film.too_long", name=name, width=width, height=height))
    if np.ptp(pixels) == 0:
        raise UnreadableImage(message("error.film.uniform", name=name))
    pixels = np.ascontiguousarray(pixels, np.float32)
    pixels.flags.writeable = False
    crop = centre_square(height, width)
    warnings = (*notes, *_shortcomings(height, width, crop))
    return Radiograph(pixels, crop, name, hashlib.sha256(data).hexdigest(), warnings)


def _of_archive(file: IO[bytes], name: str, member: str | None = None) -> Radiograph:
    """The film in an archive, with a warning that counts the files beside its only one."""
    data, name, others = archives.extract(file, name, member)
    film = decode(data, name)
    warnings = (message("warning.film.passed_over", n=others),) if others else ()
    return replace(film, warnings=(*film.warnings, *warnings))


def of_reading(warnings: Iterable[str]) -> list[str]:
    """Those of a film's or a prediction's warnings that its grey values may be wrong."""
    return [warning for warning in warnings if getattr(warning, "id", "").startswith(READING)]


def _shortcomings(height: int, width: int, crop: Crop) -> list[Message]:
    """Warnings about the part of the film outside the crop, and about a crop below DETAILED_SIDE pixels."""
    found = []
    unseen = 1 - crop.side / max(height, width)
    if unseen >= 0.005:
        share = f"{100 * unseen:.0f}"
        sides = width > height
        found.append(message("warning.film.unseen_sides" if sides else "warning.film.unseen_ends", share=share))
    if crop.side < DETAILED_SIDE:
        found.append(message("warning.film.few_pixels", width=width, height=height))
    return found


def centre_square(height: int, width: int) -> Crop:
    """Return the largest centred square of a film (height, width in pixels), as torchxrayvision crops it."""
    side = min(height, width)
    return Crop((height - side) // 2, (width - side) // 2, side)


#: Corrections by name: quarter turns anticlockwise, and whether to invert the grey values.
CORRECTIONS = {
    f"{invert}{turn}".removesuffix(" and "): (turns, bool(invert))
    for invert in ("", "invert and ")
    for turns, turn in enumerate(("", "turn left", "turn over", "turn right"))
    if invert or turn
}


#: The correction that leaves the film alone of a picture with margins; CROP_AND precedes a key of CORRECTIONS.
CROP, CROP_AND = "crop", "crop and "


def correction_title(correction: str) -> Message:
    """Return the displayed name of a correction, as `corrected` takes it."""
    if correction == CROP:
        return message("correction.crop.title")
    if correction.startswith(CROP_AND):
        return message("correction.crop_and.title", correction=correction_title(correction.removeprefix(CROP_AND)))
    return message(f"correction.{slug(correction)}.title")


def corrected(film: Radiograph, correction: str) -> Radiograph:
    """Return the film cropped, turned or inverted, with a warning that says so.

    `correction` is CROP, a key of CORRECTIONS, or both joined by CROP_AND: first cropped, then turned. The crop and the
    warnings about size are recomputed. Raises BadSetting for an unknown correction, and for a crop without margins.
    """
    known = (CROP, *CORRECTIONS, *(CROP_AND + way for way in CORRECTIONS))
    way = "" if correction == CROP else correction.removeprefix(CROP_AND)
    if correction not in known:
        names = ", ".join(known)
        raise BadSetting(message("error.film.no_correction", name=repr(correction), names=names))
    part = None if correction == way else framing.film_in(film.pixels)
    if correction != way and part is None:
        raise BadSetting(message("error.film.no_margins", name=film.name))
    turns, inverted = CORRECTIONS[way] if way else (0, False)
    kept_pixels = film.pixels[part.slices] if part else film.pixels
    pixels = np.ascontiguousarray(np.rot90(1 - kept_pixels if inverted else kept_pixels, turns))
    pixels.flags.writeable = False
    height, width = pixels.shape
    crop = centre_square(height, width)
    before = _shortcomings(film.pixels.shape[0], film.pixels.shape[1], film.crop)
    kept = [warning for warning in film.warnings if warning not in before]
    said = message("warning.film.corrected", correction=correction_title(correction))
    warnings = (*kept, *_shortcomings(height, width, crop), said)
    return replace(
        film, pixels=pixels, crop=crop, warnings=warnings, correction=correction, part=part.edges if part else None
    )


def resize(pixels: np.ndarray, size: int) -> np.ndarray:
    """Resize a square image (P, P) to (size, size) of the same type: area averaging down, bilinear up."""
    how = cv2.INTER_AREA if pixels.shape[0] > size else cv2.INTER_LINEAR
    resized: np.ndarray = cv2.resize(pixels, (size, size), interpolation=how)
    return resized


def shrunk(film: Radiograph, side: int) -> Radiograph:
    """Shrink a film for display to at most `side` pixels on its longer side; its crop covers the same area."""
    height, width = film.pixels.shape
    if max(height, width) <= side:
        return film
    height, width = (max(1, round(length * side / max(height, width))) for length in (height, width))
    pixels = cv2.resize(film.pixels, (width, height), interpolation=cv2.INTER_AREA)
    pixels.flags.writeable = False
    return replace(film, pixels=pixels, crop=centre_square(height, width))


def by_area(values: np.ndarray, size: int) -> np.ndarray:
    """Resample maps (L, h, w) to (L, size, size) float64: each new cell averages the old cells it overlaps, by area.

    This keeps each map's mean exactly and adds no smoothing that suggests finer detail than the cells have.
    """
    rows, columns = (_shares(side, size) for side in values.shape[1:])
    resampled: np.ndarray = rows @ values.astype(np.float64) @ columns.T
    return resampled


def _shares(cells: int, size: int) -> np.ndarray:
    """Share of each new cell that each old cell covers: (size, cells); rows sum to 1, columns to size / cells."""
    edges = np.arange(size + 1)[:, None] * cells / size  # edges of new cells, in units of old cells
    cell = np.arange(cells)
    return (np.clip(edges[1:] - cell, 0, 1) - np.clip(edges[:-1] - cell, 0, 1)) * size / cells


def in_view(edges: tuple[float, float, float, float], crop: Crop) -> tuple[float, float, float, float]:
    """Convert left, top, right and bottom from film pixels to fractions of the crop's side.

    Values outside [0, 1] lie outside the model input.
    """
    left, top, right, bottom = edges
    start, upper = crop.left, crop.top
    return (
        (left - start) / crop.side,
        (top - upper) / crop.side,
        (right - start) / crop.side,
        (bottom - upper) / crop.side,
    )


def view(film: Radiograph, size: int) -> np.ndarray:
    """Return the film's crop resized to a model's input size: (size, size) float32 in [0, 1]."""
    c = film.crop
    return resize(film.pixels[c.top : c.top + c.side, c.left : c.left + c.side], size)


def model_input(film: Radiograph, size: int, pixel_range: tuple[float, float] = (-1024.0, 1024.0)) -> np.ndarray:
    """Return the model input (1, 1, size, size) float32 in the model's pixel range; black maps to its lower end."""
    low, high = pixel_range
    return (view(film, size) * (high - low) + low)[None, None].astype(np.float32)


def place(values: np.ndarray, film: Radiograph, *, smooth: bool = True) -> np.ndarray:
    """Place a map (S, S) on the whole film: (H, W) float32 in the map's unit, nan outside the crop.

    Interpolates bilinearly if `smooth`; otherwise each pixel takes the value of its cell.
    """
    c = film.crop
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST_EXACT
    placed = np.full(film.pixels.shape, np.nan, np.float32)
    placed[c.top : c.top + c.side, c.left : c.left + c.side] = cv2.resize(
        values.astype(np.float32), (c.side, c.side), interpolation=how
    )
    return placed
