"""What decides the figures of a benchmark."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cxr_demo.evaluation import trust

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Plan:
    """What decides the figures; kept with every film, so that figures of different plans never meet in a table."""

    model: str  # its full name
    methods: Mapping[str, Mapping[str, Any]]  # settings by key
    grid: int = trust.GRID
    pairs: int = trust.PAIRS

    @property
    def digest(self) -> str:
        """16 hex digits; where a model's folder lies makes no difference, what is in it does."""
        text = json.dumps({**asdict(self), "model": self.model.rpartition("@")[2]}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
