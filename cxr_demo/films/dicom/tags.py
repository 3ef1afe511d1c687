"""Read DICOM tags as devices write them: empty, not finite, with a decimal comma, or absent."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset

#: Errors of pydicom on reading a malformed value.
MALFORMED = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, NotImplementedError, struct.error)


def numbers(dataset: Dataset, keyword: str) -> list[float | None]:
    """Values of a numeric tag, None for each that is empty or no finite number; empty if all are.

    Text may have a decimal comma, which no decimal string of the standard contains.
    """
    found = [_number(value) for value in _components(dataset, keyword)]
    return [] if all(value is None for value in found) else found


def number(dataset: Dataset, keyword: str, default: float) -> float:
    """The first value of a numeric tag; `default` if it is absent, empty or no finite number."""
    found = numbers(dataset, keyword)
    return default if not found or found[0] is None else found[0]


def whole(dataset: Dataset, keyword: str, default: int) -> int:
    """The first value of a numeric tag as a whole number; `default` as in `number`."""
    return round(number(dataset, keyword, default))


def words(dataset: Dataset, keyword: str) -> list[str]:
    """Values of a text tag in capitals without spaces around; empty if the tag is absent or empty."""
    return [text for value in values(dataset, keyword) if (text := str(value).strip(" \0").upper())]


def values(dataset: Dataset, keyword: str) -> list[Any]:
    """The values of a tag that are not empty; text that pydicom cannot convert stays text."""
    return [value for value in _components(dataset, keyword) if value is not None and str(value).strip(" \0")]


def _components(dataset: Dataset, keyword: str) -> list[Any]:
    """The values of a tag in their places, empty ones among them."""
    if keyword not in dataset:
        return []
    try:
        found = dataset[keyword].value
    except MALFORMED:
        raw = dataset.get_item(keyword).value
        found = raw.decode("latin-1").split("\\") if isinstance(raw, bytes) else None
    if found is None or isinstance(found, (str, bytes)) or not hasattr(found, "__iter__"):
        found = [found]
    return list(found)


def _number(value: Any) -> float | None:
    try:
        found = float(value.strip(" \0").replace(",", ".") if isinstance(value, str) else value)
    except MALFORMED:
        return None
    return found if math.isfinite(found) else None


def entries_in(data: Any, said: int, bits: int) -> np.ndarray:
    """Entries (N,) of a lookup table's data: numbers, or the bytes of 16-bit words.

    Entries of 8 `bits` may share a word: they do where there are fewer words than the number `said`.
    """
    if isinstance(data, (bytes, bytearray)):
        packed = bits <= 8 and len(data) < 2 * said
        return np.frombuffer(bytes(data), "u1") if packed else np.frombuffer(bytes(data[: len(data) // 2 * 2]), "<u2")
    return np.atleast_1d(np.asarray(data, np.int64)) & 0xFFFF
