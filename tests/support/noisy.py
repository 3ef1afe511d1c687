"""Drawn films that differ by their noise, as files and in rows of parquet."""

import cv2
import numpy as np
import pyarrow as pa

from cxr_demo.films import phantom

#: A cell with an image, as data sets of the Hugging Face Hub have it.
CELL = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def png(i: int) -> bytes:
    drawn = phantom.draw("effusion", 96)
    noise = np.random.default_rng(i).normal(0, 12, drawn.shape)
    return cv2.imencode(".png", (drawn + noise).clip(0, 255).astype(np.uint8))[1].tobytes()
