"""Processes that torchrun starts together: rank and number of this one, and waiting for the others."""

from __future__ import annotations

import os
from datetime import timedelta

#: The slowest process may be days behind.
PATIENCE = timedelta(days=7)


def place() -> tuple[int, int]:
    """The number of this process among those that were started together, from 0, and their count."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def on_this_machine() -> int:
    """How many of the processes share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def wait() -> None:
    """Return once all processes have come here; at once in a process on its own."""
    if place()[1] < 2:
        return
    from torch import distributed

    if not distributed.is_initialized():
        distributed.init_process_group("gloo", timeout=PATIENCE)
    distributed.barrier()


def end_together() -> None:
    """Return once all processes are done: torchrun kills those at work when one ends with another status than 0."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        wait()
