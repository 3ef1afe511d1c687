"""Log of a training: `log.jsonl`, TensorBoard events and `curves.png` in its folder."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from cxr_demo.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Record:
    """Writer of a training's log.

    After each epoch it rewrites all files, so that they agree with the checkpoint even after an interruption.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def epochs(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows of all epochs so far.

        Keys of a row: epoch, phase, size (pixels), loss, box_loss, seconds, and auroc if there is validation.
        """
        write_whole(self.folder / "log.jsonl", "".join(json.dumps(row) + "\n" for row in history))
        self._events(history[-1])
        self._curves(history)

    def _events(self, row: Mapping[str, Any]) -> None:
        """Add an epoch to the TensorBoard events; those of later epochs are dropped."""
        from torch.utils.tensorboard import SummaryWriter

        # drop events of epochs that an interrupted run repeats
        writer = SummaryWriter(self.folder / "tensorboard", purge_step=row["epoch"])
        for name, value in row.items():
            if isinstance(value, float):
                writer.add_scalar(name, value, row["epoch"])
        writer.close()

    def _curves(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Plot training loss and validation AUROC over epochs."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 3.5), layout="constrained")
        left = figure.subplots()
        epochs = [row["epoch"] for row in history]
        left.plot(epochs, [row["loss"] for row in history], color="tab:blue", marker=".")
        left.set_xlabel("epoch")
        left.set_ylabel("training loss", color="tab:blue")
        if any("auroc" in row for row in history):
            right = left.twinx()
            right.plot(epochs, [row.get("auroc", math.nan) for row in history], color="tab:red", marker=".")
            right.set_ylabel("AUROC on held-out patients", color="tab:red")
        figure.savefig(self.folder / "curves.png", dpi=100)
