"""One film's complete result: what leaves the program is made of it without running a model."""

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
    """A film, its prediction and maps, and all that was measured of the maps."""

    model: str  # the full name of the model that was chosen; of a run of folds, the run's
    spec: ModelSpec  # of that model
    film: Radiograph
    prediction: Prediction
    explanations: Sequence[Explanation]
    finding: int  # what a reader sees first
    boxes: Sequence[Box]  # where a reader sees findings
    assessment: Assessment | None  # None where there are no maps

    @property
    def trust(self) -> Mapping[str, Trust]:
        """How far each method's maps can be believed."""
        return self.assessment.trust if self.assessment else {}


def complete(
    case: Case,
    explanations: Sequence[Explanation],
    *,
    finding: int | None = None,
    boxes: Sequence[Box] = (),
    budget: Budget | None = None,
) -> Result:
    """A case's result with all its measures, curves for `finding`, or else for the one that the page shows first.

    BadSetting for a finding that the model has not; raises Cancelled or DeadlinePassed as the budget says.
    """
    prediction = case.predict()
    shown = viewer_data.foremost(prediction) if finding is None else finding
    by_method = {e.method: e for e in explanations}
    assessment = assess(case, by_method, shown, budget) if by_method else None
    chosen = case.chosen
    return Result(chosen.name, chosen.spec, case.film, prediction, explanations, shown, boxes, assessment)
