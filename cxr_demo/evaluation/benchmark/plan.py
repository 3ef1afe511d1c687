"""The parameters that determine a benchmark's results, and their digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cxr_demo.evaluation import covering, trust

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Plan:
    """The parameters that determine a benchmark's results.

    Each film's record stores the plan's digest, so that a table never mixes results of different plans.
    """

    model: str  # full name with revision
    methods: Mapping[str, Mapping[str, Any]]  # settings by method key
    grid: int = covering.GRID
    covers: tuple[Mapping[float, int], ...] = (trust.FIRST, trust.SECOND)

    @property
    def digest(self) -> str:
        """16 hex digits; they depend on the model's revision (its content), but not on the path of its folder."""
        text = json.dumps({**asdict(self), "model": self.model.rpartition("@")[2]}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
