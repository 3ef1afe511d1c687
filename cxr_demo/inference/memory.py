"""How glibc's malloc keeps memory. On another system nothing happens."""

from __future__ import annotations

import ctypes
import sys

#: Parameters of mallopt, as malloc.h numbers them.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


def share() -> None:
    """Let threads share heaps: by default each has its own, and what one frees no other uses (130 MB for the page)."""
    _set(M_ARENA_MAX, 2)


def keep_freed() -> None:
    """Use memory again that was freed, instead of giving it back to the system.

    A step of training frees and takes hundreds of megabytes, and the system clears each page it gives: with 2,500 films
    that is 11 million pages an epoch, and a third of its time on two cores.
    """
    _set(M_MMAP_MAX, 0)
    _set(M_TRIM_THRESHOLD, 2**31 - 1)


def _set(parameter: int, value: int) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(parameter, value)
