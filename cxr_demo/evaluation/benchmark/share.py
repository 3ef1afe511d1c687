"""A benchmark's figures as a data set for the Hugging Face Hub, without the names of films and patients."""

from __future__ import annotations

import csv
import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from cxr_demo.evaluation.benchmark.statistics import METRICS
from cxr_demo.evaluation.benchmark.tables import markdown
from cxr_demo.files import sha256_of
from cxr_demo.models import hub_cards, registry
from cxr_demo.tables import pyarrow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cxr_demo.films.label_tables import Films

#: Parquet files by the name of their table: every figure with its interval, and the figures of each film.
TABLES = {"table": "table.parquet", "films": "films.parquet"}
README = "README.md"

CARD = """# {title}

How well maps explain `{model}`, on {films:,} films of {patients:,} patients: {methods}, and controls that use neither
the film's findings nor the model. **Not a medical device, not for clinical use.** Measured by
`python -m cxr_demo benchmark`, whose documentation defines each figure.

- `table`: each figure by finding, method and metric, with a 95 % interval by patient.
- `films`: the same film by film. `film` is the sha256 of the film's file, by which anyone who has the film finds its
  line, and `patient` a number.

## Compare a method of yours

Measure it on the same films, and compare it case by case:

```python
from datasets import load_dataset

films = load_dataset("{repo}", "films", split="test").to_pandas()
cases = films.pivot_table("{metric}", ["film", "finding"], "method")
print(cases.sub(cases["{method}"], axis=0).mean())  # less {method}
```

## Settings

```json
{settings}
```

## Figures

{figures}"""


def stage(out: Path, films: Films, folder: Path, repo: str, licence: str) -> None:
    """Write the figures in `out`, those of `measure_films`, to an empty folder, with a card for the data set `repo`.

    Films are named by the sha256 of their files, patients by numbers, and a model in a folder of this machine by that
    folder's name. BadSetting without pyarrow.
    """
    pa = pyarrow()
    about = json.loads((out / "table.json").read_text(encoding="utf-8"))
    lines = _rows(out / "films.csv")
    paths, measured = dict(zip(films.names.tolist(), films.paths, strict=True)), {line["file"] for line in lines}
    digests = {name: sha256_of(paths[name]) for name in measured}
    patients = {name: number for number, name in enumerate(dict.fromkeys(line["patient"] for line in lines), 1)}
    each = [
        {
            "film": digests[line["file"]],
            "patient": patients[line["patient"]],
            "finding": line["finding"],
            "method": line["method"],
            **{metric: _number(line[metric]) for metric in METRICS},
        }
        for line in lines
    ]
    texts, whole = ("film", "finding", "method"), ("patient",)  # else a column without any value has no type
    types = {name: pa.string() if name in texts else pa.int64() if name in whole else pa.float64() for name in each[0]}
    for name, rows, schema in (("table", about["figures"], None), ("films", each, pa.schema(types.items()))):
        pa.parquet.write_table(pa.Table.from_pylist(rows, schema), folder / TABLES[name])
    public = registry.repository(about["model"])
    model = about["model"] if public else PurePath(about["model"]).name
    title = f"How maps explain {model.rpartition('@')[0]}"
    text = CARD.format(
        title=title,
        model=model,
        films=about["films"],
        patients=about["patients"],
        methods=_listed(list(about["methods"])),
        method=next(iter(about["methods"])),
        metric=next(metric for metric in METRICS if any(row[metric] is not None for row in each)),
        repo=repo,
        settings=json.dumps(about["methods"], indent=1),
        figures=markdown({**about, "model": model, "warned": {}}),  # whose films are named
    )
    (folder / README).write_text(hub_cards.joined(hub_cards.of_data(title, licence, TABLES), text), encoding="utf-8")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _number(text: str) -> float | None:
    return float(text) if text else None


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(f"`{name}`" for name in names)
