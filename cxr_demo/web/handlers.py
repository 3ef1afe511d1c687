"""What the page answers to the browser's events.

Every answer to the browser is a small record of numbers (`viewer_data.py`); the handlers below only read the request,
call the engine and pass on its sentences where something cannot be done.
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
from cxr_demo.web.requests import Request, card_of, choice_of, film_of, offered, refusal
from cxr_demo.web.sessions import Sessions
from cxr_demo.web.zerogpu import FORKS, gpu

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from threading import Event

    from cxr_demo.methods.base import Method
    from cxr_demo.types import Explanation

#: Events that ask for all of a film's pixels, how many copies a method would score, how far maps can be believed, for
#: maps of a model that has unlearnt, and for a model by its name.
PIXELS, ESTIMATE, TRUST, SCRAMBLE, NAMED = "pixels", "estimate", "trust", "scramble", "named"
#: What is said to the browser while one of them has no answer yet.
BUSY = {"busy": True}

sessions = Sessions()


def open_film(event: gr.EventData, caller: gr.Request) -> tuple[Any, ...]:
    """Answer a dropped film, or a change of the model, with what the model is and what it says of the film."""
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
    """Where a film's pixels lie, all of them and with all their grey levels, for who looks closer."""
    request, visitor = Request.of(event._data), visitor_of(caller)
    head = {"event": PIXELS, "run": request.run}
    try:
        film = sessions.film(visitor, _key(request.source), lambda: film_of(request.source))
        # one file for a film, however often it is asked for and by whomever: its name is known to who has the film
        path = uploads.claim() / "pixels" / f"{film.sha256}-{film.correction}".replace(" ", "-")
        if not path.exists():
            uploads.write(path, viewer_data.pixels_of(film))
        return head | {"path": str(path)}
    except Exception as error:
        return head | refusal(error)


def estimate(event: gr.EventData) -> dict[str, Any]:
    """How many altered copies a method would score with these settings, or what is wrong with them."""
    request = Request.of(event._data)
    head = {"event": ESTIMATE, "run": request.run, "method": request.method}
    try:
        copies = methods.method(request.method or "", request.settings).copies(offered(request.model).size)
        return head | {"copies": copies}
    except Exception as error:
        return head | refusal(error)


def named(event: gr.EventData) -> dict[str, Any]:
    """The choice that a visitor means by a name, once the model is here, or why there is none."""
    request = Request.of(event._data)
    head = {"event": NAMED, "run": request.run}
    try:
        choice = choice_of(request.model)
        return head | {"choice": viewer_data.model_fields(choice.name, choice.title)}
    except Exception as error:
        return head | refusal(error)


def run_handler(kind: type[Method]) -> Callable[..., Iterator[dict[str, Any]]]:
    """The handler of one method's own event, so that each card streams and ends by itself."""

    def run(event: gr.EventData, caller: gr.Request) -> Iterator[dict[str, Any]]:
        request, visitor = Request.of(event._data), visitor_of(caller)
        flag = sessions.begin(visitor, "aside" if request.aside else kind.key, request.run)
        head = {"method": kind.key, "run": request.run}
        try:
            offered(request.model)  # here, so that a process that is forked for a GPU has it
            cancelled = None if FORKS else flag

            def work() -> Generator[tuple[dict[str, Any], Explanation | None]]:
                return _maps(request.model, request.source, visitor, kind.key, request.settings, cancelled)

            latest = {**head, "at": 0}
            # a method that takes no time does not wait
            answers = attended(work, flag) if kind.cost is Cost.INSTANT else JOBS.in_turn(work, flag)
            with closing(answers):
                for at, found in enumerate(answers):
                    if isinstance(found, QueueStatus):
                        yield latest | _waiting(found)
                        continue
                    if found is not None:
                        answer, explanation = found
                        latest = {**head, "at": at, **answer}
                        if explanation is not None and not request.aside:
                            sessions.keep(visitor, maps_key(request), explanation)
                    # where the work is in another process, the flag is seen only here
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
    """The film and what the model says of it, in the browser's form; with a visitor it is the one they look at."""
    case = Case(offered(model), film_of(source)) if visitor is None else case_of(visitor, model, source)
    return viewer_data.case_fields(case.film, case.predict())


@gpu(seconds=DEADLINE)
def _maps(
    model: str, source: Mapping[str, Any], visitor: str, key: str, settings: Mapping[str, Any], flag: Event | None
) -> Generator[tuple[dict[str, Any], Explanation | None]]:
    """A method's maps as they get better, in the browser's form; with the last one, the maps themselves."""
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
    """Measure how far the maps that are shown can be believed, with curves for one finding."""
    yield from of_maps(TRUST, _trusted, event, caller)


def scramble(event: gr.EventData, caller: gr.Request) -> Iterator[dict[str, Any]]:
    """Show what becomes of the maps when the model's weights are permuted down to a depth."""
    yield from of_maps(SCRAMBLE, _scrambled, event, caller, end={"complete": True})


def of_maps(
    name: str,
    work: Callable[..., Generator[dict[str, Any]]],
    event: gr.EventData,
    caller: gr.Request,
    end: dict[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """The answers to a question about finished maps, once it is its turn, and what is said at their end."""
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
    """The finished maps, by method, that a later question is about; with settings, others can be made."""
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
    """End one of the visitor's methods, or all of them."""
    request = Request.of(event._data)
    sessions.end(visitor_of(caller), request.run, request.method)


def leave(caller: gr.Request) -> None:
    """End what a visitor who closed the page left behind."""
    sessions.forget(visitor_of(caller))


def case_of(visitor: str, model: str, source: Mapping[str, Any]) -> Case:
    """The film that a visitor looks at, before a model; errors of `offered` and `film_of`."""
    return sessions.case(visitor, _key(source), offered(model), lambda: film_of(source))


def _key(source: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(source.items()))


def maps_key(request: Request) -> tuple[Any, ...]:
    """What finished maps are kept under: their model and where their film comes from."""
    return (request.model, *_key(request.source))


def visitor_of(caller: gr.Request) -> str:
    """The name of a visitor's session."""
    return caller.session_hash or ""
