"""The page: builds it, binds the viewer's events, and serves it.

Every answer to the browser is a small record of numbers (`fields.py`); the handlers below only read the request,
call the engine and pass on its sentences where something cannot be done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator  # noqa: TC003 - gradio reads the handlers' annotations
from contextlib import closing
from pathlib import Path
from signal import SIGTERM, signal
from threading import Thread, current_thread, main_thread
from typing import TYPE_CHECKING, Any, NoReturn

import gradio as gr
from starlette.middleware import Middleware

from cxr_demo import explain, messages, methods
from cxr_demo.errors import BadSetting, Cancelled, Stopped, sentence_of
from cxr_demo.evaluation import trust
from cxr_demo.films import phantom
from cxr_demo.inference import memory
from cxr_demo.inference.engine import engine_of
from cxr_demo.inference.scoring import Budget
from cxr_demo.messages import record
from cxr_demo.models import failure_cases, hub, registry
from cxr_demo.output import html_report, report, trust_data, viewer_data
from cxr_demo.types import Cost
from cxr_demo.web import api, components, mcp, uploads
from cxr_demo.web.api import DEADLINE
from cxr_demo.web.queue import CAPACITY, JOBS, WORKERS, QueueStatus, attended
from cxr_demo.web.requests import Request, card_of, choice_of, film_of, offered, refusal
from cxr_demo.web.sessions import Sessions
from cxr_demo.web.zerogpu import FORKS, gpu

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from threading import Event

    from cxr_demo.methods.base import Method
    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Explanation, Radiograph

#: What the file chooser offers; the reader decides by content.
ACCEPTED = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom")

#: Events that ask for all of a film's pixels, how many copies a method would score, how far maps can be believed, for
#: maps of a model that has unlearnt, for all as a zip, of all films as one, and for a model by its name.
PIXELS, ESTIMATE, TRUST, SCRAMBLE = "pixels", "estimate", "trust", "scramble"
EXPORT, BUNDLE, NAMED = "export", "bundle", "named"
#: What is said to the browser while one of them has no answer yet.
BUSY = {"busy": True}

sessions = Sessions()


def build() -> gr.Blocks:
    """The page with its queue, ready to launch; the page's own model is loaded, or its error raised."""
    uploads.claim()  # before any component is made: each remembers the folder
    own = offered()
    kinds = methods.METHODS
    with api.Strict(title=messages.TITLE, analytics_enabled=False, fill_width=True) as page:
        shown = components.show(_about(own), kinds)
        cards = [card for code in messages.languages() for card in _chapters(code)]
        handlers = {
            PIXELS: pixels,
            ESTIMATE: estimate,
            TRUST: trust_maps,
            SCRAMBLE: scramble,
            EXPORT: export,
            BUNDLE: bundle,
            NAMED: named,
        }
        with gr.Column(elem_classes="channels"):
            film_channel = components.channel()
            channels = [components.channel() for _ in kinds]
            later = {name: components.channel() for name in handlers}
        for kind, channel in zip(kinds, channels, strict=True):
            _wire(shown, viewer_data.run_event(kind), _run_handler(kind), [channel], kind.key, concurrency_limit=None)
        _wire(shown, "film", open_film, [film_channel, *cards], "film", concurrency_limit=8)
        for name, handler in handlers.items():
            limit = 2 if name in (PIXELS, NAMED, BUNDLE) else None
            _wire(shown, name, handler, [later[name]], name, concurrency_limit=limit)
        _wire(shown, "stop", stop, None, "stop", queue=False)
        page.unload(leave)
        gr.api(api.predict, api_name="predict", concurrency_limit=4)
        gr.api(api.explain, api_name="explain", concurrency_limit=2)
    return page.queue(max_size=64)


def _chapters(code: str) -> list[gr.Markdown]:
    """What stands under the viewer in a language, for who reads it; a chapter without a text is the model's card."""
    cards = []
    with gr.Column(elem_classes=f"in-{code}"):
        for heading, body in messages.chapters(code).items():
            with gr.Accordion(heading, open=False):
                shown = gr.Markdown(body or registry.card(registry.choices()[0].name))
            if not body:
                cards.append(shown)
    return cards


def _wire(shown: gr.HTML, event: str, handler: Any, outputs: Any, name: str, **more: Any) -> Any:
    """Bind an event of the viewer; where Gradio refuses to serve it, the viewer is told."""
    bound = getattr(shown, event)(
        handler, None, outputs, show_progress="hidden", api_visibility="private", trigger_mode="multiple", **more
    )
    bound.failure(None, js=components.failure_script(name), api_visibility="private", show_progress="hidden")
    return bound


def serve(page: gr.Blocks, **launch: Any) -> Any:
    """Launch on 127.0.0.1:7860, or where Gradio's own environment variables say (as on a Space)."""
    memory.share()
    if current_thread() is main_thread():
        signal(SIGTERM, _end)
    if not FORKS:  # a forked process chooses its own
        Thread(target=engine_of, args=(offered(),), name="engine", daemon=True).start()
    look = {"theme": theme(), "css_paths": [viewer_data.ASSETS / "viewer.css"], "footer_links": ["api"]}
    limits = {
        "run_history": False,
        "show_error": False,
        "max_file_size": uploads.MEGABYTES * 2**20,
        "app_kwargs": {"middleware": [Middleware(uploads.Uploading)], **mcp.offer(page)},
        "mcp_server": False,  # not as Gradio does it
        # who waits for a turn waits in a thread, and a new film must still find one
        "max_threads": WORKERS + CAPACITY + 32,
    }
    return page.launch(**{**look, **limits, **launch})


def _end(*_: Any) -> NoReturn:
    """What a Space is ended by: no film stays behind. Not by way of the interpreter's end, which waits for engines."""
    uploads.release()
    os._exit(0)


def theme() -> gr.themes.Base:
    """Calm and dense, with the visitor's own fonts, so that nothing is fetched."""
    fonts = ["system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"]
    return gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=fonts, font_mono=["ui-monospace", "monospace"])


def _about(own: Classifier) -> dict[str, Any]:
    """What the viewer knows before any film."""
    shown = [viewer_data.method_fields(kind, on=kind in methods.DEFAULTS) for kind in methods.METHODS]
    return {
        **viewer_data.about_fields(own, registry.choices()[0].name, shown),
        "models": [viewer_data.model_fields(choice.name, choice.title) for choice in registry.choices()],
        "guests": registry.takes_guests(),
        "phantoms": [viewer_data.phantom_fields(item) for item in phantom.PHANTOMS.values()],
        "lessons": [viewer_data.lesson_fields(kind) for kind in methods.METHODS if kind.key in failure_cases.LESSONS],
        "examples": [viewer_data.example_fields(film) for film in hub.example_films()],
        "accepts": list(ACCEPTED),
        "megabytes": uploads.MEGABYTES,
    }


# ------------------------------------------------------------------ what the browser asks


def open_film(event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
    """Answer a dropped film, or a change of the model, with what the model is and what it says of the film."""
    asked, visitor = Request.of(event._data), _visitor(request)
    answer: dict[str, Any] = {"turn": asked.turn}
    sessions.end(visitor, asked.run)
    card = gr.skip()
    try:
        model = offered(asked.model)
        answer["spec"] = viewer_data.spec_fields(model)
        card = card_of(asked.model)
        if asked.source:
            answer |= _seen(asked.model, asked.source, None if asked.aside else visitor)
    except Exception as error:
        answer |= refusal(error)
    return answer, *[card] * len(messages.languages())


def pixels(event: gr.EventData, request: gr.Request) -> dict[str, Any]:
    """Where a film's pixels lie, all of them and with all their grey levels, for who looks closer."""
    asked, visitor = Request.of(event._data), _visitor(request)
    head = {"event": PIXELS, "run": asked.run}
    try:
        film = _film(visitor, asked.source)
        # one file for a film, however often it is asked for and by whomever: its name is known to who has the film
        path = uploads.claim() / "pixels" / f"{film.sha256}-{film.correction}".replace(" ", "-")
        if not path.exists():
            uploads.write(path, viewer_data.pixels_of(film))
        return head | {"path": str(path)}
    except Exception as error:
        return head | refusal(error)


def estimate(event: gr.EventData) -> dict[str, Any]:
    """How many altered copies a method would score with these settings, or what is wrong with them."""
    asked = Request.of(event._data)
    head = {"event": ESTIMATE, "run": asked.run, "method": asked.method}
    try:
        copies = methods.method(asked.method or "", asked.settings).copies(offered(asked.model).size)
        return head | {"copies": copies}
    except Exception as error:
        return head | refusal(error)


def named(event: gr.EventData) -> dict[str, Any]:
    """The choice that a visitor means by a name, once the model is here, or why there is none."""
    asked = Request.of(event._data)
    head = {"event": NAMED, "run": asked.run}
    try:
        choice = choice_of(asked.model)
        return head | {"choice": viewer_data.model_fields(choice.name, choice.title)}
    except Exception as error:
        return head | refusal(error)


def _run_handler(kind: type[Method]) -> Callable[..., Iterator[dict[str, Any]]]:
    """The handler of one method's own event, so that each card streams and ends by itself."""

    def run(event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
        asked, visitor = Request.of(event._data), _visitor(request)
        flag = sessions.begin(visitor, "aside" if asked.aside else kind.key, asked.run)
        head = {"method": kind.key, "run": asked.run}
        try:
            offered(asked.model)  # here, so that a process that is forked for a GPU has it
            cancelled = None if FORKS else flag

            def work() -> Generator[tuple[dict[str, Any], Explanation | None]]:
                return _maps(asked.model, asked.source, visitor, kind.key, asked.settings, cancelled)

            told = {**head, "at": 0}
            # a method that takes no time does not wait
            answers = attended(work, flag) if kind.cost is Cost.INSTANT else JOBS.in_turn(work, flag)
            with closing(answers):
                for at, found in enumerate(answers):
                    if isinstance(found, QueueStatus):
                        yield told | _waiting(found)
                        continue
                    if found is not None:
                        answer, explanation = found
                        told = {**head, "at": at, **answer}
                        if explanation is not None and not asked.aside:
                            sessions.keep(visitor, _shown(asked), explanation)
                    # where the work is in another process, the flag is seen only here
                    over = {"stopped": record(sentence_of(Cancelled()))} if FORKS and flag.is_set() else {}
                    yield told | over
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
def _seen(model: str, source: Mapping[str, Any], visitor: str | None) -> dict[str, Any]:
    """The film and what the model says of it, in the browser's form; with a visitor it is the one they look at."""
    film = film_of(source) if visitor is None else _film(visitor, source)
    return viewer_data.prediction_fields(film, explain.predict(offered(model), film))


@gpu(seconds=DEADLINE)
def _maps(
    model: str, source: Mapping[str, Any], visitor: str, key: str, settings: Mapping[str, Any], flag: Event | None
) -> Generator[tuple[dict[str, Any], Explanation | None]]:
    """A method's maps as they get better, in the browser's form; with the last one, the maps themselves."""
    method = methods.method(key, settings)
    budget = Budget(seconds=DEADLINE, cancelled=flag)
    explanations = explain.explain(offered(model), _film(visitor, source), method, budget=budget)
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


def trust_maps(event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
    """Measure how far the maps that are shown can be believed, with curves for one finding."""
    yield from _of_maps(TRUST, _trusted, event, request)


def export(event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
    """Pack a film's maps, and all that belongs to them, into a zip to take away; what is not finished is made now."""
    for answer in _of_maps(EXPORT, _exported, event, request):
        if "path" in answer:
            sessions.packed(_visitor(request)).add(answer["path"])
        yield answer


def bundle(event: gr.EventData, request: gr.Request) -> dict[str, Any]:
    """Pack zips of several films into one."""
    asked, made = Request.of(event._data), sessions.packed(_visitor(request))
    head = {"event": BUNDLE, "run": asked.run}
    try:
        # nobody's own zip is opened: what it unpacks to may have no end; nor one twice
        paths = dict.fromkeys(asked.paths)
        archives = [Path(path) for path in paths if path in made and Path(path).is_file()]
        if not archives or len(archives) < len(paths):
            raise BadSetting(messages.NOT_PACKED)
        with uploads.new_folder() as folder:
            archive = report.bundle(archives, folder / "films.zip")
        return head | {"path": str(archive), "name": archive.name}
    except Exception as error:
        return head | refusal(error)


def scramble(event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
    """Show what becomes of the maps when the model's weights are permuted down to a depth."""
    yield from _of_maps(SCRAMBLE, _scrambled, event, request, end={"complete": True})


def _of_maps(
    name: str,
    work: Callable[..., Generator[dict[str, Any]]],
    event: gr.EventData,
    request: gr.Request,
    end: dict[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """The answers to a question about finished maps, once it is its turn, and what is said at their end."""
    asked, visitor = Request.of(event._data), _visitor(request)
    head = {"event": name, "run": asked.run}
    flag = sessions.begin(visitor, name, asked.run)
    try:
        offered(asked.model)
        kept = _finished(asked, visitor)
        cancelled = None if FORKS else flag
        told = BUSY
        answers = JOBS.in_turn(lambda: work(asked, visitor, kept, cancelled), flag)
        with closing(answers):
            for found in answers:
                if isinstance(found, QueueStatus):
                    yield head | _waiting(found)
                    continue
                told = found or told
                yield head | told
        if end:
            yield head | end
    except Cancelled as stop:
        yield head | refusal(stop) | {"stopped": record(sentence_of(stop))}
    except Exception as error:
        yield head | refusal(error)
    finally:
        flag.set()


def _finished(asked: Request, visitor: str) -> dict[str, Explanation]:
    """The finished maps, by method, that a later question is about; with settings, others can be made."""
    known = sessions.kept(visitor, _shown(asked))
    kept = {key: known[key] for key in asked.methods if key in known}
    if not kept and not asked.settings:
        raise BadSetting(messages.NO_MAPS)
    return kept


def _shown(asked: Request) -> tuple[Any, ...]:
    return (asked.model, *sorted(asked.source.items()))


@gpu(seconds=DEADLINE)
def _trusted(
    asked: Request, visitor: str, kept: Mapping[str, Explanation], flag: Event | None
) -> Generator[dict[str, Any]]:
    budget = Budget(seconds=DEADLINE, cancelled=flag)
    film = _film(visitor, asked.source)
    yield trust_data.trust_fields(offered(asked.model), film, kept, asked.finding, asked.boxes_on(film), budget)


@gpu(seconds=DEADLINE)
def _exported(
    asked: Request, visitor: str, kept: Mapping[str, Explanation], flag: Event | None
) -> Generator[dict[str, Any]]:
    budget = Budget(seconds=DEADLINE, cancelled=flag)
    model, film = offered(asked.model), _film(visitor, asked.source)
    fit = {key: e for key, e in kept.items() if key not in asked.settings or _fits(asked, e)}
    kept = {key: fit.get(key) or _made(asked, visitor, key, budget) for key in asked.methods}
    measured = {key: trust.measure(model, film, methods.method(key, e.settings), e, budget) for key, e in kept.items()}
    prediction, explanations = explain.predict(model, film), list(kept.values())
    shown = viewer_data.foremost(prediction) if not 0 <= asked.finding < len(model.labels) else asked.finding
    boxes = asked.boxes_on(film)
    boxed = [box.label for box in boxes if box.label in prediction.labels]
    first, *top = (prediction.labels[i] for i in (shown, *prediction.ranked()[:3]))
    labels = dict.fromkeys([first, *boxed, *top])
    # no dots: what remains of "...png" would be the folder above, with everybody's films
    name = re.sub(r"[^\w-]", "_", Path(film.name).stem)
    html = html_report.page(model, film, prediction, explanations, measured, shown, boxes)
    with uploads.new_folder() as folder:
        report.save(folder / name, film, prediction, explanations, list(labels), measured, html, boxes)
        archive = report.pack(folder / name)
    yield {"path": str(archive), "name": archive.name}


def _made(asked: Request, visitor: str, key: str, budget: Budget) -> Explanation:
    """A method's whole map, which is kept; Cancelled or DeadlinePassed as the budget says."""
    method = _asked_for(asked, key)
    made = explain.last_explanation(offered(asked.model), _film(visitor, asked.source), method, budget=budget)
    if made.stopped:
        budget.check()  # raises, as it did there
    sessions.keep(visitor, _shown(asked), made)
    return made


def _fits(asked: Request, known: Explanation) -> bool:
    """Whether finished maps have the settings that are asked for."""
    return dict(known.settings) == methods.values_of(_asked_for(asked, known.method))


def _asked_for(asked: Request, key: str) -> Method:
    settings = asked.settings.get(key)
    return methods.method(key, settings if isinstance(settings, dict) else {})


@gpu(seconds=DEADLINE)
def _scrambled(
    asked: Request, visitor: str, kept: Mapping[str, Explanation], flag: Event | None
) -> Generator[dict[str, Any]]:
    budget = Budget(seconds=DEADLINE, cancelled=flag)
    yield from trust_data.scrambled(offered(asked.model), _film(visitor, asked.source), kept, asked.depth, budget)


def _film(visitor: str, source: Mapping[str, Any]) -> Radiograph:
    return sessions.film(visitor, tuple(sorted(source.items())), lambda: film_of(source))


def stop(event: gr.EventData, request: gr.Request) -> None:
    """End one of the visitor's methods, or all of them."""
    asked = Request.of(event._data)
    sessions.end(_visitor(request), asked.run, asked.method)


def leave(request: gr.Request) -> None:
    """End what a visitor who closed the page left behind."""
    sessions.forget(_visitor(request))


def _visitor(request: gr.Request) -> str:
    return request.session_hash or ""
