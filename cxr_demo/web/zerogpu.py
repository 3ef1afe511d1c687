"""Support of ZeroGPU Spaces: decorated functions run in a forked process that borrows a GPU."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    F = TypeVar("F", bound="Callable[..., Any]")

#: Whether decorated functions run in a forked process, which flags and locks do not reach.
FORKS = os.environ.get("SPACES_ZERO_GPU", "").lower() in {"1", "true"}


def gpu(seconds: int) -> Callable[[F], F]:
    """Decorate a function to run with a GPU for at most `seconds`; without ZeroGPU the function stays as it is."""
    try:
        import spaces
    except ImportError:
        return lambda function: function
    decorate: Callable[[F], F] = spaces.GPU(duration=seconds)
    return decorate
