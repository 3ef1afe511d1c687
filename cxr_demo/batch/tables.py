"""The table of a run over many films, as parquet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo.errors import BadSetting
from cxr_demo.files import write_whole
from cxr_demo.imports import import_library

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cxr_demo.batch.journal import Row

#: Columns of text besides those of the findings.
TEXTS = ("file", "sha256", "model", "correction", "error")


def pyarrow() -> Any:
    """The library of parquet; BadSetting if it is not installed."""
    try:
        import_library("pyarrow.parquet")
        return import_library("pyarrow")
    except ImportError:
        raise BadSetting("A table of many films needs pyarrow: pip install pyarrow.") from None


def write(path: Path, files: Sequence[str], rows: Iterable[Row], labels: Sequence[str]) -> list[str]:
    """Write the rows of `files`, in their order, if all have one; returns the files without a row.

    For each finding the table has its probability, and its logit under `FINDING_logit`: float32, empty for films that
    failed.
    """
    place = {file: i for i, file in enumerate(files)}
    numbers = {name: np.full((len(files), len(labels)), np.nan, np.float32) for name in ("probabilities", "logits")}
    texts: dict[str, list[Any]] = {name: [None] * len(files) for name in (*TEXTS, "warnings")}
    for row in rows:
        i = place.get(row["file"])
        if i is None:
            continue
        for name, column in texts.items():
            column[i] = row.get(name)
        for name, values in numbers.items():
            if row.get(name):
                values[i] = [np.nan if value is None else value for value in row[name]]
    missing = [file for file, known in zip(files, texts["file"], strict=True) if known is None]
    if missing:
        return missing
    pa = pyarrow()
    columns = {name: pa.array(column, pa.string()) for name, column in texts.items() if name in TEXTS}
    columns["warnings"] = pa.array([found or [] for found in texts["warnings"]], pa.list_(pa.string()))
    for i, label in enumerate(labels):
        columns[label] = pa.array(numbers["probabilities"][:, i], from_pandas=True)
    for i, label in enumerate(labels):
        columns[f"{label}_logit"] = pa.array(numbers["logits"][:, i], from_pandas=True)
    written = io.BytesIO()
    pa.parquet.write_table(pa.table(columns), written)
    write_whole(path, written.getvalue(), synced=True)
    return []
