"""Handlers of the browser's events.

A handler reads the request, calls the computation and answers with a small record of numbers (`viewer_data.py`), or
with the sentence of an error.
"""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 - gradio reads the handlers' annotations
from contextlib import closing
from typing import TYPE_CHECKING, Any

import gradio as gr

from cxr_demo import messages, methods
from cxr_demo.case import Case
from cxr_demo.errors import BadSetting, Cancelled, Stopped, sentence_of
from cxr_demo.evaluation import trust
from cxr_demo.inference.scoring import Budget
from cxr_demo.messages import record
from cxr_demo.output import trust_data, viewer_data
from cxr_demo.types import Cost
from cxr_demo.web import uploads
from cxr_demo.web.api import DEADLINE
from cxr_demo.web.queue import JOBS, QueueStatus, attended
from cxr_demo.web.requests import Request, answered, card_of, choice_of, film_of, offered, refusal
from cxr_demo.web.sessions import Sessions
from cxr_demo.web.zerogpu import FORKS, gpu

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from threading import Event

    from cxr_demo.methods.base import Method
    from cxr_demo.types import Explanation

#: Events that request a film's full pixels, the number of masked copies of a run, measures of trust, maps of a model
#: with permuted weights, and a model by its name.
PIXELS, ESTIMATE, TRUST, SCRAMBLE, NAMED = "pixels", "estimate", "trust", "scramble", "named"
#: The answer to the browser until one of these events has its first result.
BUSY = {"busy": True}

sessions = Sessions()


def open_film(event: gr.EventData, caller: gr.Request) -> tuple[Any, ...]:
    """Answer a new film or a change of model with the model's specification, prediction and card per language."""
    request, visitor = Request.of(event._data), visitor_of(caller)
    answer: dict[str, Any] = {"turn": request.turn}
    sessions.end(visitor, request.run)
    card = gr.skip()
    try:
        model = offered(request.model)
        answer["spec"] = viewer_data.spec_fields(model.spec, model.name)
        card = card_of(request.model)
        if request.source:
            answer |= _case_fields(request.model, request.source, None if request.aside else visitor)
    except Exception as error:
        answer |= refusal(error)
    return answer, *[card] * len(messages.languages())


def pixels(event: gr.EventData, caller: gr.Request) -> dict[str, Any]:
    """Answer with the path of a file that holds all pixels and grey levels of a film, for enlarged display."""
    request, visitor = Request.of(event._data), visitor_of(caller)

    def written() -> dict[str, Any]:
        film = sessions.film(visitor, _key(request.source), lambda: film_of(request.source))
        # all requests share one file per film; only a visitor who has the film can know its checksum, the file's name
        path = uploads.claim() / "pixels" / f"{film.sha256}-{film.correction}".replace(" ", "-")
        if not path.exists():
            uploads.write(path, viewer_data.pixels_of(film))
        return {"path": str(path)}

    return answered({"event": PIXELS, "run": request.run}, written)


def estimate(event: gr.EventData) -> dict[str, Any]:
    """Answer with the number of masked copies that a method would score with these settings, or with their error."""
    request = Request.of(event._data)

    def counted() -> dict[str, Any]:
        method = methods.method(request.method or "", request.settings)
        return {"copies": method.copies(offered(request.model).size)}

    return answered({"event": ESTIMATE, "run": request.run, "method": request.method}, counted)


def named(event: gr.EventData) -> dict[str, Any]:
    """Load the model that a visitor names and answer with its entry for the list of models, or with the error."""
    request = Request.of(event._data)

    def loaded() -> dict[str, Any]:
        choice = choice_of(request.model)
        return {"choice": viewer_data.model_fields(choice.name, choice.title)}

    return answered({"event": NAMED, "run": request.run}, loaded)


def run_handler(kind: type[Method]) -> Callable[..., Iterator[dict[str, Any]]]:
    """Make the handler of one method's event; each method has its own, so that each card streams and ends by itself."""

    def run(event: gr.EventData, caller: gr.Request) -> Iterator[dict[str, Any]]:
        request, visitor = Request.of(event._data), visitor_of(caller)
        flag = sessions.begin(visitor, "aside" if request.aside else kind.key, request.run)
        head = {"method": kind.key, "run": request.run}
        try:
            offered(request.model)  # load it before ZeroGPU forks, so that the forked process has it
            cancelled = None if FORKS else flag

            def work() -> Generator[tuple[dict[str, Any], Explanation | None]]:
                return _maps(request.model, request.source, visitor, kind.key, request.settings, cancelled)

            latest = {**head, "at": 0}
            # instant methods bypass the queue
            answers = attended(work, flag) if kind.cost is Cost.INSTANT else JOBS.in_turn(work, flag)
            with closing(answers):
                for at, found in enumerate(answers):
                    if isinstance(found, QueueStatus):
                        yield latest | _waiting(found)
                        continue
                    if found is not None:
                        answer, explanation = found
                        latest = {**head, "at": at, **answer}
                        if explanation is not None:  # complete, so that a stop comes too late
                            if not request.aside:
                                sessions.keep(visitor, maps_key(request), explanation)
                            yield latest
                            return
                    # a forked process does not see the flag, so it is checked here
                    over = {"stopped": record(sentence_of(Cancelled()))} if FORKS and flag.is_set() else {}
                    yield latest | over
                    if over:
                        return
        except Stopped as stop:
            yield {**head, "stopped": record(sentence_of(stop))}
        except Exception as error:
            yield {**head, **refusal(error)}
        finally:
            flag.set()

    return run


@gpu(seconds=30)
def _case_fields(model: str, source: Mapping[str, Any], visitor: str | None) -> dict[str, Any]:
    """The film and its prediction as a record for the browser; with a visitor, the film becomes their current one."""
    case = Case(offered(model), film_of(source)) if visitor is None else case_of(visitor, model, source)
    return viewer_data.case_fields(case.film, case.predict())


@gpu(seconds=DEADLINE)
def _maps(
    model: str, source: Mapping[str, Any], visitor: str, key: str, settings: Mapping[str, Any], flag: Event | None
) -> Generator[tuple[dict[str, Any], Explanation | None]]:
    """Yield a method's successively better maps as records for the browser; with a complete one, its Explanation."""
    method = methods.method(key, settings)
    budget = Budget(seconds=DEADLINE, cancelled=flag)
    explanations = case_of(visitor, model, source).explain(method, budget=budget)
    with closing(explanations):
        for explanation in explanations:
            nothing = explanation.stopped is not None and explanation.forwards == 0
            answer = {
                **viewer_data.progress_fields(explanation),
                "maps": None if nothing else viewer_data.map_fields(explanation),
            }
            yield answer, explanation if explanation.complete else None


def _waiting(wait: QueueStatus) -> dict[str, Any]:
    return {"ahead": wait.ahead, "wait": wait.seconds}


def trust_maps(event: gr.EventData, caller: gr.Request) -> Iterator[dict[str, Any]]:
    """Yield measures of how far the displayed maps can be trusted, with curves for one finding."""
    yield from of_maps(TRUST, _trusted, event, caller)


def scramble(event: gr.EventData, caller: gr.Request) -> Iterator[dict[str, Any]]:
    """Yield maps of the model with its weights permuted down to a depth (weight randomisation)."""
    yield from of_maps(SCRAMBLE, _scrambled, event, caller, end={"complete": True})


def of_maps(
    name: str,
    work: Callable[..., Generator[dict[str, Any]]],
    event: gr.EventData,
    caller: gr.Request,
    end: dict[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the answers of `work` on finished maps: the queue's status first, `end` last.

    Failures are answered as `refusal` records. `name` is the event, and the kind of run that a later one ends.
    """
    request, visitor = Request.of(event._data), visitor_of(caller)
    head = {"event": name, "run": request.run}
    flag = sessions.begin(visitor, name, request.run)
    try:
        offered(request.model)
        kept = _finished(request, visitor)
        cancelled = None if FORKS else flag
        latest = BUSY
        answers = JOBS.in_turn(lambda: work(request, visitor, kept, cancelled), flag)
        with closing(answers):
            for found in answers:
                if isinstance(found, QueueStatus):
                    yield head | _waiting(found)
                    continue
                latest = found or latest
                yield head | latest
        if end:
            yield head | end
    except Cancelled as stop:
        yield head | refusal(stop) | {"stopped": record(sentence_of(stop))}
    except Exception as error:
        yield head | refusal(error)
    finally:
        flag.set()


def _finished(request: Request, visitor: str) -> dict[str, Explanation]:
    """The finished maps of the request, by method; BadSetting if both maps and settings are missing."""
    known = sessions.kept(visitor, maps_key(request))
    kept = {key: known[key] for key in request.methods if key in known}
    if not kept and not request.settings:
        raise BadSetting(messages.NO_MAPS)
    return kept


@gpu(seconds=DEADLINE)
def _trusted(
    request: Request, visitor: str, kept: Mapping[str, Explanation], flag: Event | None
) -> Generator[dict[str, Any]]:
    budget = Budget(seconds=DEADLINE, cancelled=flag)
    case = case_of(visitor, request.model, request.source)
    assessment = trust.assess(case, kept, request.finding, budget)
    yield trust_data.assessment_fields(assessment, kept, case.film, request.boxes_on(case.film))


@gpu(seconds=DEADLINE)
def _scrambled(
    request: Request, visitor: str, kept: Mapping[str, Explanation], flag: Event | None
) -> Generator[dict[str, Any]]:
    budget = Budget(seconds=DEADLINE, cancelled=flag)
    yield from trust_data.scrambled(case_of(visitor, request.model, request.source), kept, request.depth, budget)


def stop(event: gr.EventData, caller: gr.Request) -> None:
    """End the runs of one of the visitor's methods, or of all."""
    request = Request.of(event._data)
    sessions.end(visitor_of(caller), request.run, request.method)


def wake() -> None:
    """Do nothing: like every queued event, this one has Gradio's client open its stream of answers if it is closed."""


def leave(caller: gr.Request) -> None:
    """End the runs and drop the data of a visitor who closed the page."""
    sessions.forget(visitor_of(caller))


def case_of(visitor: str, model: str, source: Mapping[str, Any]) -> Case:
    """The visitor's current film with a model; raises the errors of `offered` and `film_of`."""
    return sessions.case(visitor, _key(source), offered(model), lambda: film_of(source))


def _key(source: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(source.items()))


def maps_key(request: Request) -> tuple[Any, ...]:
    """The key of finished maps: their model and the source of their film."""
    return (request.model, *_key(request.source))


def visitor_of(caller: gr.Request) -> str:
    """The name of a visitor's session."""
    return caller.session_hash or ""
