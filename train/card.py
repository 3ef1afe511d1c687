"""The card of a model: what it is, how good, measured on what, and what it is not for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxr_demo.types import ModelSpec, Score

TEMPLATE = """---
license: {licence}
library_name: torchxrayvision
tags: [chest-x-ray, medical-imaging, explainability, not-for-clinical-use]
---
# {name}

Predicts {what} on a frontal chest X-ray. **Not a medical device, not for clinical use**: it is there to study how
such models can be explained.

- Network: torchxrayvision's {architecture}, {arguments}; input {size} x {size} px, one channel.
- Started from: {base}.
- Trained on: {trained_on}

## How good it is

{scored_on}

AUROC, 95 % interval in brackets. 0.5 is chance. "All sources" mixes collections of films in which labels are frequent
and collections in which they are absent, and so flatters every model; the figures within one source are the honest
ones. Findings with fewer than ten films with or without it in a source have no figure there.

{table}

Probabilities are calibrated by Platt's method on the same out-of-fold predictions, and so follow how frequent each
finding is among these films, which is more frequent than in a hospital. The operating point is where sensitivity plus
specificity was largest.

## Training

```
{command}
```

## Limits

- The labels were mined from reports by text; radiologists who looked again agreed with fewer than half of some of them.
- Frontal films of adults. Lateral films, children, photographs of films and other scanners were not tested.
- A probability or a map is no diagnosis. A map shows where this model found its evidence, not where disease is.
"""


def write(spec: ModelSpec, command: str) -> str:
    """The card as Markdown with the Hub's front matter."""
    return TEMPLATE.format(
        licence=spec.licence.lower(),
        name=spec.name,
        what=f"{len(spec.labels)} findings" if len(spec.labels) > 1 else spec.labels[0].replace("_", " ").lower(),
        architecture=spec.architecture,
        arguments=", ".join(f"{key} {value}" for key, value in spec.arguments.items()),
        size=spec.size,
        base=spec.base_weights or "random weights",
        trained_on=spec.trained_on,
        scored_on=spec.scored_on,
        table=_table(spec.scores),
        command=command,
    )


def _table(scores: tuple[Score, ...]) -> str:
    subsets = list(dict.fromkeys(s.subset for s in scores))
    cells = {(s.finding, s.subset): f"{s.value:.2f} [{s.low:.2f}-{s.high:.2f}] ({s.positives})" for s in scores}
    findings = sorted({s.finding for s in scores}, key=lambda f: (f == "mean", f))
    films = {s.subset: s.films for s in scores}
    head = "| finding (films with it) | " + " | ".join(f"{s}, {films[s]} films" for s in subsets) + " |"
    rows = [f"| {f.replace('_', ' ')} | " + " | ".join(cells.get((f, s), "") for s in subsets) + " |" for f in findings]
    return "\n".join([head, "|---" * (len(subsets) + 1) + "|", *rows])
