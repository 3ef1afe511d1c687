"""ZeroGPU, where the Space runs on it: decorated functions run in a forked process that borrows a GPU."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    F = TypeVar("F", bound="Callable[..., Any]")

#: True where decorated functions run in another process: flags and locks do not reach it.
FORKS = os.environ.get("SPACES_ZERO_GPU", "").lower() in {"1", "true"}


def gpu(seconds: int) -> Callable[[F], F]:
    """Ask for a GPU for at most so long; changes nothing where there is no ZeroGPU."""
    try:
        import spaces
    except ImportError:
        return lambda function: function
    decorate: Callable[[F], F] = spaces.GPU(duration=seconds)
    return decorate
