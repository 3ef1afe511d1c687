"""Model card in Markdown: description of a model, its figures, its training and its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxr_demo.models import hub_cards, registry
from train.backbones import ITSELF_FROM
from train.calibrate import SPECIFICITY
from train.evaluate import AT_CUTOFF

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxr_demo.types import ModelSpec, Score

TEMPLATE = """# {name}

{doubt}Predicts {what} on a frontal chest X-ray. **Not a medical device, not for clinical use**: it is there to study
how such models can be explained.

- Network: {architecture}; input {size} x {size} px, one channel.
- Started from: {base}.
- Trained on: {trained_on}

## How good it is

{scored_on}

95 % interval in brackets, then the films with the finding. An AUROC of 0.5 is chance.{sources} Findings with fewer than
ten films with or without it have no figure.{pointing}

{table}

Probabilities are calibrated by Platt's method on films that did not train the model that scored them, and so follow how
frequent each finding is among these films; elsewhere it may be rarer.
{cutoffs}
## Training

```
{command}
```

{notes}## Limits

- It was tested on the films named above alone; other hospitals, scanners and patients may give other figures.
- The figures are only as right as the labels that they compare with.
- A probability or a map is no diagnosis. A map shows where this model found its evidence, not where disease is.
"""

#: AUROC of a model that knows nothing.
CHANCE = 0.5

CUTOFFS = """
A finding counts as present from its cut-off on. It is chosen so that {specificity:.0f} % of the films without the
finding stay below; a film without any finding then has few above their cut-offs.{measured}

{table}
"""
MEASURED = """ Sensitivity, specificity and precision were
measured at the cut-offs of the folds' models, each on films that served neither to train the model nor to choose its
cut-offs; in parentheses is the number of films with the finding, without it, and above the cut-off. Precision falls
where the finding is rarer."""
POINTING = """ Pointing is how often the peak of a finding's Grad-CAM lies in a
box of that finding, on films that the model never saw."""
SOURCES = """ "All sources" mixes collections
of films in which labels are frequent and collections in which they are absent, and so flatters every model; the figures
within one source are the honest ones."""


def write(spec: ModelSpec, command: str, notes: Sequence[str] = (), datasets: Sequence[str] = ()) -> str:
    """The card as Markdown with YAML front matter for the Hub.

    `notes` are sentences about the films and labels, `datasets` names of data sets on the Hub.
    """
    # in one order and form, whether the description was just made or was read from its file
    arguments = ", ".join(
        f"{key} {list(value) if isinstance(value, tuple) else value}" for key, value in sorted(spec.arguments.items())
    )
    text = TEMPLATE.format(
        name=spec.name,
        doubt=_doubt(spec.scores),
        what=f"{len(spec.labels)} findings" if len(spec.labels) > 1 else spec.labels[0].replace("_", " ").lower(),
        architecture=f"{spec.architecture} ({arguments})" if arguments else spec.architecture,
        size=spec.size,
        base=spec.base_weights or "random weights",
        trained_on=spec.trained_on or "not said.",
        scored_on=spec.scored_on,
        sources=SOURCES if any(s.subset.startswith("within") for s in spec.scores) else "",
        pointing=POINTING if any("pointing" in s.metric for s in spec.scores) else "",
        table=_table([score for score in spec.scores if not score.metric.endswith(AT_CUTOFF)]),
        cutoffs=_cutoffs(spec),
        command=command,
        notes="".join(f"- {note}\n" for note in notes) + "\n" * bool(notes),
    )
    return hub_cards.joined(hub_cards.of_model(spec, datasets, _base(spec)), text)


def _base(spec: ModelSpec) -> str | None:
    """The repository on the Hub of the weights that training started from, or of those that these started from."""
    names = (spec.base_weights or "").split(ITSELF_FROM)
    return next(filter(None, map(registry.repository, names)), None)


def _doubt(scores: Sequence[Score]) -> str:
    """A first line about a model whose AUROC may be chance: the mean of all findings, or the only finding's."""
    found = [score for score in scores if score.metric == "AUROC" and score.finding == "mean"]
    found = found or [score for score in scores if score.metric == "AUROC"]
    unsure = [score for score in found if score.low <= CHANCE]
    if not unsure:
        return ""
    told = "; ".join(f"{s.subset}: {s.value:.2f} [{s.low:.2f}-{s.high:.2f}]" for s in unsure)
    return f"**Not shown to be better than chance.** AUROC with 95 % interval, {told}; chance is {CHANCE}.\n\n"


def with_front(text: str, changes: Mapping[str, Any]) -> str:
    """A card with other fields in its front matter, which is added if it has none."""
    front, rest = hub_cards.split(text)
    return hub_cards.joined({**front, **changes}, rest)


def _table(scores: Sequence[Score]) -> str:
    """Markdown table of scores: a row per finding, a column per metric and subset, empty where not measured."""
    columns = list(dict.fromkeys((s.metric, s.subset, s.films) for s in scores))
    cells = {(s.finding, s.metric, s.subset): _cell(s) for s in scores}
    findings = sorted({s.finding for s in scores}, key=lambda f: (f == "mean", f))
    heads = [f"{metric}, {subset}, {films} films" for metric, subset, films in columns]
    rows = [
        [finding.replace("_", " "), *(cells.get((finding, metric, subset), "") for metric, subset, _ in columns)]
        for finding in findings
    ]
    return _markdown(["finding", *heads], rows)


def _cutoffs(spec: ModelSpec) -> str:
    """The cut-offs with their figures, as far as they were measured, as a paragraph and a table; empty without any."""
    if not spec.thresholds:
        return ""
    scores = {(s.finding, s.metric): s for s in spec.scores if s.metric.endswith(AT_CUTOFF)}
    names = list(dict.fromkeys(metric for _, metric in scores))
    rows = [
        [
            label.replace("_", " "),
            f"{100 * threshold:.1f} %",
            *(_cell(scores[label, metric]) if (label, metric) in scores else "" for metric in names),
        ]
        for label, threshold in zip(spec.labels, spec.thresholds, strict=True)
    ]
    table = _markdown(["finding", "cut-off", *(metric.removesuffix(AT_CUTOFF).strip() for metric in names)], rows)
    return CUTOFFS.format(specificity=100 * SPECIFICITY, measured=MEASURED if scores else "", table=table)


def _cell(score: Score) -> str:
    """A score with its interval and count."""
    return f"{score.value:.2f} [{score.low:.2f}-{score.high:.2f}] ({score.positives})"


def _markdown(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
