"""The tables of runs over many films, as parquet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo.files import write_whole
from cxr_demo.tables import pyarrow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from cxr_demo.batch.journal import Row

#: Files of a run of predictions, and of a run of maps: its predictions and its index.
PREDICTIONS, FILMS, MAPS = "predictions.parquet", "films.parquet", "maps.parquet"
#: Key of the index' metadata with the name of the model.
MODEL = b"model"
#: Columns of text of the predictions, and columns of lists of texts.
TEXTS, LISTS = ("file", "sha256", "model", "correction", "error"), ("warnings", "above_cutoff")
#: Columns of text and of numbers of the maps' index; the others are whole numbers.
MAP_TEXTS = ("file", "method", "finding", "archive", "array", "unit", "stopped", "verdict")
MAP_NUMBERS = ("fidelity", "error_share", "outside_lungs", "at_border", "faithfulness", "stability")


class Predictions:
    """A table with a row for each of `files`, in their order, filled from rows of a journal in any order.

    For each finding it has the probability, and the logit under `FINDING_logit`: float32, empty for films that failed.
    """

    def __init__(self, files: Sequence[str], labels: Sequence[str]) -> None:
        self.files, self.labels = files, labels
        self.failed: set[str] = set()
        self._place = {file: i for i, file in enumerate(files)}
        self._texts: dict[str, list[Any]] = {name: [None] * len(files) for name in TEXTS}
        self._lists: dict[str, list[Any]] = {name: [[]] * len(files) for name in LISTS}
        self._numbers = {
            name: np.full((len(files), len(labels)), np.nan, np.float32) for name in ("probabilities", "logits")
        }

    def add(self, rows: Iterable[Row]) -> None:
        """Take rows of films; those of other films are left out."""
        for row in rows:
            i = self._place.get(row["file"])
            if i is None:
                continue
            if row["error"]:
                self.failed.add(row["file"])
            for name, column in self._texts.items():
                column[i] = row.get(name)
            for name, column in self._lists.items():
                column[i] = row.get(name, [])
            for name, values in self._numbers.items():
                if row.get(name):
                    values[i] = [np.nan if value is None else value for value in row[name]]

    def write(self, path: Path, say: Callable[[str], None]) -> bool:
        """Write the table if all films have a row, else say how many have none; returns whether it was written."""
        missing = self._texts["file"].count(None)
        if missing:
            say(f"{missing} of {len(self.files)} films belong to other parts; the part that ends last writes {path}.")
            return False
        pa = pyarrow()
        columns = {name: pa.array(column, pa.string()) for name, column in self._texts.items()}
        columns |= {name: pa.array(column, pa.list_(pa.string())) for name, column in self._lists.items()}
        for i, label in enumerate(self.labels):
            columns[label] = pa.array(self._numbers["probabilities"][:, i], from_pandas=True)
        for i, label in enumerate(self.labels):
            columns[f"{label}_logit"] = pa.array(self._numbers["logits"][:, i], from_pandas=True)
        written = io.BytesIO()
        pa.parquet.write_table(pa.table(columns), written)
        write_whole(path, written.getvalue(), synced=True)
        return True


def write_index(path: Path, model: str, groups: Iterable[Sequence[Mapping[str, Any]]]) -> None:
    """Write the index of a model's maps, a row for each film, method and finding, from groups of such rows."""
    pa = pyarrow()
    kinds = dict.fromkeys(MAP_TEXTS, pa.string()) | {"position": pa.int32()} | dict.fromkeys(MAP_NUMBERS, pa.float32())
    schema, written = pa.schema(kinds, metadata={MODEL: model}), io.BytesIO()
    with pa.parquet.ParquetWriter(written, schema) as writer:
        for rows in groups:
            columns = {name: [row.get(name) for row in rows] for name in kinds}
            writer.write_table(pa.table(columns, schema))
    write_whole(path, written.getvalue(), synced=True)
