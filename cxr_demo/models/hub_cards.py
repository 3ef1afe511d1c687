"""Front matter of cards and evaluation results as the Hugging Face Hub reads them, by huggingface_hub's own classes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxr_demo.types import ModelSpec, Score

TASK, LANGUAGE, LIBRARY = "image-classification", "en", "cxr_demo"
TAGS = ("chest-x-ray", "medical-imaging", "explainability", "not-for-clinical-use")
#: The Hub's ids (huggingface.co/metrics) of the measures that it knows; others are in the card's text alone.
METRICS = {"AUROC": "roc_auc"}
#: Folder of a model repository from which the Hub reads results on benchmarks.
RESULTS = ".eval_results"
ALL = "all sources"


def of_model(spec: ModelSpec, datasets: Sequence[str] = (), base: str | None = None) -> dict[str, Any]:
    """Front matter of a model's card.

    `datasets` are those of its films and `base` the repository of the weights that training started from, both on the
    Hub. Has the figures of `headline` as `model-index`.
    """
    from huggingface_hub import EvalResult

    results = [
        EvalResult(
            task_type=TASK,
            dataset_type="other",
            dataset_name=f"own films, {score.subset}",
            dataset_config=score.subset,  # else the Hub takes all subsets for one
            metric_type=METRICS[score.metric],
            metric_name=score.metric,
            metric_value=round(score.value, 4),
        )
        for score in headline(spec)
    ]
    return of_weights(
        spec.licence,
        datasets,
        base_model=base,
        metrics=sorted({result.metric_type for result in results}) or None,
        **({"model_name": spec.name, "eval_results": results} if results else {}),
    )


def of_weights(licence: str, datasets: Sequence[str], **more: Any) -> dict[str, Any]:
    """Front matter of the card of any weights; `more` are fields of huggingface_hub's ModelCardData."""
    from huggingface_hub import ModelCardData

    return _front(
        ModelCardData(
            language=LANGUAGE,
            license=licence.lower() or None,
            library_name=LIBRARY,
            pipeline_tag=TASK,
            tags=list(TAGS),
            datasets=list(datasets) or None,
            **more,
        ).to_dict()
    )


def headline(spec: ModelSpec) -> list[Score]:
    """The scores of METRICS that stand for a model: the mean over its findings, or its only finding's."""
    return [
        score
        for score in spec.scores
        if score.metric in METRICS and score.finding == ("mean" if len(spec.labels) > 1 else spec.labels[0])
    ]


def results(spec: ModelSpec, benchmark: str, task: str) -> str:
    """A file of RESULTS: the model's AUROC on the films of a benchmark data set `OWNER/NAME`, as the result of `task`.

    "" if the model has none over all sources.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = [
        EvalResultEntry(
            dataset_id=benchmark,
            task_id=task,
            value=round(score.value, 4),
            notes=f"{score.metric} [{score.low:.3f}, {score.high:.3f}], {score.films} films. {spec.scored_on}".strip(),
        )
        for score in headline(spec)
        if score.subset == ALL
    ]
    return _yaml(eval_result_entries_to_yaml(entries)) if entries else ""


def of_data(title: str, licence: str, files: Mapping[str, str]) -> dict[str, Any]:
    """Front matter of a data set's card; each of `files`, parquet by the name of its table, becomes a table there."""
    from huggingface_hub import DatasetCardData

    tables = [
        {"config_name": name, "data_files": [{"split": "test", "path": path}], "default": i == 0}
        for i, (name, path) in enumerate(files.items())
    ]
    return _front(
        DatasetCardData(
            language=LANGUAGE,
            license=licence.lower() or None,
            pretty_name=title,
            task_categories=[TASK],
            tags=[*TAGS, "benchmark"],
            configs=tables,
        ).to_dict()
    )


def split(card: str) -> tuple[dict[str, Any], str]:
    """The front matter of a card, {} if it has none or one that is no YAML object, and the Markdown after it."""
    found = re.match(r"---\n(.*?\n)?---\n", card, re.DOTALL)
    if not found:
        return {}, card
    try:
        front = yaml.safe_load(found[1] or "")
    except yaml.YAMLError:
        front = None
    return front if isinstance(front, dict) else {}, card[found.end() :]


def joined(front: Mapping[str, Any], text: str) -> str:
    """A card of front matter and Markdown."""
    return f"---\n{_yaml(dict(front))}---\n{text}"


def _front(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value, as plain YAML values."""
    plain: dict[str, Any] = yaml.safe_load(_yaml({key: value for key, value in fields.items() if value is not None}))
    return plain


def _yaml(content: Any) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text
