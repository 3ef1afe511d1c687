"""Export of maps from the page: one film as a zip, or several of these zips packed into one."""

from __future__ import annotations

import re
from collections.abc import Iterator  # noqa: TC003 - gradio reads the handlers' annotations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr  # noqa: TC002 - as above

from cxr_demo import messages, methods
from cxr_demo.errors import BadSetting
from cxr_demo.inference.scoring import Budget
from cxr_demo.output import export
from cxr_demo.output.result import complete
from cxr_demo.web import uploads
from cxr_demo.web.api import DEADLINE
from cxr_demo.web.handlers import case_of, maps_key, of_maps, sessions, visitor_of
from cxr_demo.web.requests import Request, answered
from cxr_demo.web.zerogpu import gpu

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from threading import Event

    from cxr_demo.case import Case
    from cxr_demo.methods.base import Method
    from cxr_demo.types import Explanation

#: Events that request the export of one film as a zip, and of several such zips as one.
EXPORT, BUNDLE = "export", "bundle"


def export_film(event: gr.EventData, caller: gr.Request) -> Iterator[dict[str, Any]]:
    """Yield the progress and then the path of a zip with a film's prediction, maps and measures.

    Maps that are missing or have other settings are computed first. Failures are answered as `refusal` records.
    """
    for answer in of_maps(EXPORT, _exported, event, caller):
        if "path" in answer:
            sessions.packed(visitor_of(caller)).add(answer["path"])
        yield answer


def export_films(event: gr.EventData, caller: gr.Request) -> dict[str, Any]:
    """Pack the visitor's zips of several films into one; a path that was not packed for this visitor is refused."""
    request, made = Request.of(event._data), sessions.packed(visitor_of(caller))

    def bundled() -> dict[str, Any]:
        # only zips made here, each once: a zip that a visitor made might unpack to any size
        paths = dict.fromkeys(request.paths)
        archives = [Path(path) for path in paths if path in made and Path(path).is_file()]
        if not archives or len(archives) < len(paths):
            raise BadSetting(messages.NOT_PACKED)
        with uploads.new_folder() as folder:
            archive = export.bundle(archives, folder / "films.zip")
        return {"path": str(archive), "name": archive.name}

    return answered({"event": BUNDLE, "run": request.run}, bundled)


@gpu(seconds=DEADLINE)
def _exported(
    request: Request, visitor: str, kept: Mapping[str, Explanation], flag: Event | None
) -> Generator[dict[str, Any]]:
    budget = Budget(seconds=DEADLINE, cancelled=flag)
    case = case_of(visitor, request.model, request.source)
    labels = case.model.labels
    fit = {key: e for key, e in kept.items() if key not in request.settings or _fits(request, e)}
    explanations = [
        fit.get(key) or _made(case, request, visitor, key, budget) for key in dict.fromkeys(request.methods)
    ]
    finding = request.finding if 0 <= request.finding < len(labels) else None
    result = complete(case, explanations, finding=finding, boxes=request.boxes_on(case.film), budget=budget)
    boxed = [box.label for box in result.boxes if box.label in labels]
    first, *top = (labels[i] for i in (result.finding, *result.prediction.ranked()[:3]))
    # dots are replaced: "..", the stem of "...png", would name the parent folder, which holds all visitors' films
    name = re.sub(r"[^\w-]", "_", Path(case.film.name).stem)
    with uploads.new_folder() as folder:
        export.save(folder / name, result, list(dict.fromkeys([first, *boxed, *top])))
        archive = export.pack(folder / name)
    yield {"path": str(archive), "name": archive.name}


def _made(case: Case, request: Request, visitor: str, key: str, budget: Budget) -> Explanation:
    """Compute and keep a method's complete maps; Cancelled or DeadlinePassed if the budget ends first."""
    made = case.last_explanation(_method_of(request, key), budget=budget)
    if made.stopped:
        budget.check()  # raises the error that stopped the method
    sessions.keep(visitor, maps_key(request), made)
    return made


def _fits(request: Request, known: Explanation) -> bool:
    """Whether finished maps were computed with the requested settings."""
    return dict(known.settings) == methods.values_of(_method_of(request, known.method))


def _method_of(request: Request, key: str) -> Method:
    settings = request.settings.get(key)
    return methods.method(key, settings if isinstance(settings, dict) else {})
