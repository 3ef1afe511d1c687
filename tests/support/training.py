"""Films with planted findings, and the smallest recipe that learns them."""

import csv
import dataclasses
from pathlib import Path

import cv2
import numpy as np

from train.recipe import Recipe

LABELS = ("Effusion", "Mass")

TINY = Recipe(
    backbone="random", arguments='{"growth_rate": 4, "block_config": [2, 2], "num_init_features": 8}', size=32,
    coarse_size=16, head_epochs=0, coarse_epochs=2, epochs=6, batch=16, rate=3e-2, fine_rate=2e-2, ema=0.9,
    validation=0.0, dropout=0.0, precision="fp32", rotate=3.0, shift=0.02, scale=1.02,
)  # fmt: skip


def flags(recipe: Recipe) -> list[str]:
    given = {f"--{k.replace('_', '-')}": v for k, v in dataclasses.asdict(recipe).items()}
    words = [
        [name, str(v)] if not isinstance(v, bool) else [name if v else f"--no-{name[2:]}"] for name, v in given.items()
    ]
    return [word for pair in words for word in pair]


def plant(folder: Path, films: int = 160, seed: int = 0) -> Path:
    """Write 64 x 64 films and their label table; Effusion is a bright base, Mass a bright disc at the top.

    Returns the path of the table. Two films each share a patient, and films alternate between two sources.
    """
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient_id", "source_set", *LABELS])
        for i in range(films):
            truth = rng.integers(0, 2, 2)
            pixels = rng.normal(90, 12, (64, 64))
            pixels[48:] += 90 * truth[0]
            cv2.circle(pixels, (32, 14), 9, float(90 + 120 * truth[1]), -1)
            cv2.imwrite(str(folder / "images" / f"{i:03}.png"), pixels.clip(0, 255).astype(np.uint8))
            writer.writerow([f"{i:03}.png", f"p{i // 2}", "ab"[i % 2], *truth])
    return folder / "labels.csv"
