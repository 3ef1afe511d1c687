"""Read tables: CSV as spreadsheets and databases write it, in any encoding and with any separator, and parquet."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
from typing import TYPE_CHECKING, Any

from cxr_demo.errors import BadSetting, DataError
from cxr_demo.imports import import_library

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Characters that may separate cells; the header decides.
SEPARATORS = ",;\t|"
#: Encodings by the byte order mark of a file's beginning; without one a table is UTF-8, or else Windows-1252.
MARKED = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

#: How names of tables end.
PARQUET = ".parquet"
SUFFIXES = (".csv", ".tsv", PARQUET)

Row = dict[str, str]


def read(path: Path) -> tuple[list[str], Iterator[tuple[int, Row]]]:
    """The names of a table's columns, and its rows in turn, each with the number of the line on which it begins.

    Rows without any text are passed over. DataError, which names the line, for a file that cannot be read, a column
    named twice, a row longer than the header, and a quote that is never closed. Cells that are missing at the end of a
    row, where spreadsheets leave out separators, are empty. The rows of parquet are counted from 1; BadSetting if
    pyarrow is not installed.
    """
    if path.suffix.lower() == PARQUET:
        return _parquet(path)
    try:
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read as a table: {error}.") from None
    if text.lstrip()[:1] in ("{", "["):
        raise DataError(f"{path} is JSON; a table is needed, such as CSV with one row for each film.")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    lines = _lines(path, reader)
    _, names = next(lines, (1, []))
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()  # a separator at the end of each line
    for name in names:
        if name and names.count(name) > 1:
            raise DataError(f"{path} has {names.count(name)} columns named {name}; rename or remove all but one.")
    return names, _rows(path, names, lines)


def pyarrow() -> Any:
    """The library of parquet; BadSetting if it is not installed."""
    try:
        import_library("pyarrow.parquet")
        return import_library("pyarrow")
    except ImportError:
        raise BadSetting("Parquet needs pyarrow: pip install pyarrow.") from None


def _parquet(path: Path) -> tuple[list[str], Iterator[tuple[int, Row]]]:
    """As `read`, of a parquet file."""
    pa = pyarrow()
    try:
        table = pa.parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as a table: {error}.") from None
    rows = (row for batch in table.to_batches() for row in batch.to_pylist())
    return table.column_names, (
        (line, {name: _text(value) for name, value in row.items()}) for line, row in enumerate(rows, 1)
    )


def _text(value: Any) -> str:
    """The cell of a CSV table with a value of parquet."""
    if value is None or value != value:  # nan
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)


def _rows(path: Path, names: list[str], lines: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, Row]]:
    for line, cells in lines:
        if any(cell.strip() for cell in cells[len(names) :]):
            raise DataError(f"{path} line {line}: it has {len(cells)} cells, but the header has {len(names)}.")
        yield line, dict(itertools.zip_longest(names, cells[: len(names)], fillvalue=""))


def _lines(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Cells of each row with text, and the number of its first line."""
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{path} line {line}: it cannot be read ({error}); is a quote not closed?") from None
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1  # type: ignore[attr-defined]


def _decoded(data: bytes) -> str:
    """A table's text; without a byte order mark, zeros between letters show UTF-16."""
    for mark, encoding in MARKED.items():
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if b"\0" in data[:200]:
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le", "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _separator(text: str) -> str:
    """The separator that divides the header into most cells, outside quotes."""
    header = text.lstrip("\r\n").replace("\r", "\n").partition("\n")[0]
    bare = "".join(header.split('"')[::2])
    return max(SEPARATORS, key=bare.count)
