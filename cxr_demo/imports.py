"""Imports libraries on first use, in one thread at a time."""

from __future__ import annotations

import importlib
import threading
import warnings
from typing import Any

#: Filters of warnings, which some libraries change, belong to the whole process; and modules that import one another in
#: a circle, as scipy's do, fail if two threads begin at different ones.
_IMPORTING = threading.Lock()
#: Imported libraries by name; a module in `sys.modules` may still be in the middle of its import.
_IMPORTED: dict[str, Any] = {}


def import_library(name: str) -> Any:
    """Return a module, imported on first use: torchvision and torchxrayvision take three seconds, skimage one.

    The filters of warnings stay as they were, since torchxrayvision silences all warnings. The module's own tensors
    stay off the meta device, on which a network may be under construction.
    """
    with _IMPORTING:
        if name not in _IMPORTED:
            with warnings.catch_warnings():
                import torch

                with torch.device("cpu"):
                    _IMPORTED[name] = importlib.import_module(name)
        return _IMPORTED[name]
