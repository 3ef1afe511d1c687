"""The complete result of one film, from which all files and reports are written without running the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxr_demo.evaluation.trust import assess
from cxr_demo.output import viewer_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxr_demo.case import Case
    from cxr_demo.evaluation.trust import Assessment, Trust
    from cxr_demo.films.label_tables import Box
    from cxr_demo.inference.scoring import Budget
    from cxr_demo.types import Explanation, ModelSpec, Prediction, Radiograph


@dataclass(frozen=True, eq=False)
class Result:
    """A film, its prediction, its maps and all measures of the maps."""

    model: str  # the full name of the chosen model; for a run of several folds, the run's name
    spec: ModelSpec  # of that model
    film: Radiograph
    prediction: Prediction
    explanations: Sequence[Explanation]
    finding: int  # index of the finding shown first
    boxes: Sequence[Box]  # a reader's boxes of findings, on the film
    assessment: Assessment | None  # None without maps

    @property
    def trust(self) -> Mapping[str, Trust]:
        """The trust measures by method key; empty without maps."""
        return self.assessment.trust if self.assessment else {}


def complete(
    case: Case,
    explanations: Sequence[Explanation],
    *,
    finding: int | None = None,
    boxes: Sequence[Box] = (),
    budget: Budget | None = None,
) -> Result:
    """Measure a case's maps and return its complete result.

    Curves are for the finding with index `finding`, by default the one that the page shows first. BadSetting for an
    index that the model does not have; Cancelled or DeadlinePassed when the budget ends the run.
    """
    prediction = case.predict()
    shown = viewer_data.foremost(prediction) if finding is None else finding
    by_method = {e.method: e for e in explanations}
    assessment = assess(case, by_method, shown, budget) if by_method else None
    chosen = case.chosen
    return Result(chosen.name, chosen.spec, case.film, prediction, explanations, shown, boxes, assessment)
