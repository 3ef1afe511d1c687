"""The page's Gradio components, the viewer's initial data, and the server's settings.

One component shows the viewer and raises its events; each kind of answer has its own channel component, so that
methods stream side by side.
"""

from __future__ import annotations

import json
import os
from signal import SIGTERM, signal
from threading import Thread, current_thread, main_thread
from typing import TYPE_CHECKING, Any, NoReturn

import gradio as gr
from starlette.middleware import Middleware

from cxr_demo import messages, methods
from cxr_demo.films import archives, dicom
from cxr_demo.inference import memory
from cxr_demo.inference.engine import engine_of
from cxr_demo.models import failure_cases, hub, registry
from cxr_demo.output import viewer_data
from cxr_demo.web import api, example, exports, handlers, mcp, uploads
from cxr_demo.web.queue import CAPACITY, WORKERS
from cxr_demo.web.requests import offered
from cxr_demo.web.zerogpu import FORKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxr_demo.methods.base import Method
    from cxr_demo.models.classifier import Classifier


def build() -> gr.Blocks:
    """Build the page with its queue, ready to launch; loads the default model and raises its errors."""
    uploads.claim()  # first: each component remembers the upload folder at its creation
    own = offered()
    kinds = methods.METHODS
    with api.Strict(title=messages.TITLE, analytics_enabled=False, fill_width=True) as page:
        shown = _show(_about(own), kinds)
        cards = [card for code in messages.languages() for card in _chapters(code)]
        answers = {
            handlers.PIXELS: handlers.pixels,
            handlers.ESTIMATE: handlers.estimate,
            handlers.TRUST: handlers.trust_maps,
            handlers.SCRAMBLE: handlers.scramble,
            exports.EXPORT: exports.export_film,
            exports.BUNDLE: exports.export_films,
            handlers.NAMED: handlers.named,
        }
        with gr.Column(elem_classes="channels"):
            film_channel = _channel()
            channels = [_channel() for _ in kinds]
            later = {name: _channel() for name in answers}
        for kind, channel in zip(kinds, channels, strict=True):
            event, run = viewer_data.run_event(kind), handlers.run_handler(kind)
            _wire(shown, event, run, [channel], kind.key, concurrency_limit=None)
        _wire(shown, "film", handlers.open_film, [film_channel, *cards], "film", concurrency_limit=8)
        for name, handler in answers.items():
            limit = 2 if name in (handlers.PIXELS, handlers.NAMED, exports.BUNDLE) else None
            _wire(shown, name, handler, [later[name]], name, concurrency_limit=limit)
        _wire(shown, "stop", handlers.stop, None, "stop", queue=False)
        _wire(shown, "wake", handlers.wake, None, "wake", concurrency_limit=None)
        page.unload(handlers.leave)
        gr.api(api.predict, api_name="predict", concurrency_limit=4)
        gr.api(api.explain, api_name="explain", concurrency_limit=2)
    return page.queue(max_size=64)


def _chapters(code: str) -> list[gr.Markdown]:
    """Build the chapters in one language, which the viewer's menu opens; returns those that show the model's card."""
    cards = []
    with gr.Column(elem_classes=["chapters", f"in-{code}"]):
        for heading, body in messages.chapters(code).items():
            with gr.Accordion(heading, open=False):
                shown = gr.Markdown(body or registry.card(registry.choices()[0].name))
            if not body:
                cards.append(shown)
    return cards


def _wire(shown: gr.HTML, event: str, handler: Any, outputs: Any, name: str, **more: Any) -> Any:
    """Bind a handler to an event of the viewer; if Gradio refuses the event, a script tells the viewer."""
    bound = getattr(shown, event)(
        handler, None, outputs, show_progress="hidden", api_visibility="private", trigger_mode="multiple", **more
    )
    bound.failure(None, js=_failure_script(name), api_visibility="private", show_progress="hidden")
    return bound


def serve(page: gr.Blocks, **launch: Any) -> Any:
    """Launch on 127.0.0.1:7860, or on the address in Gradio's environment variables (as on a Space)."""
    memory.share()
    if current_thread() is main_thread():
        signal(SIGTERM, _end)
    if not FORKS:  # with ZeroGPU each forked process chooses its own engine
        Thread(target=engine_of, args=(offered(),), name="engine", daemon=True).start()
    look = {"theme": theme(), "css_paths": [viewer_data.ASSETS / "viewer.css"], "footer_links": ["api"]}
    limits = {
        "run_history": False,
        "show_error": False,
        "max_file_size": uploads.MEGABYTES * 2**20,
        "app_kwargs": {"middleware": [Middleware(uploads.Uploading)], **mcp.offer(page)},
        "mcp_server": False,  # `mcp.offer` replaces Gradio's own
        # each queued computation waits in a thread; predictions of new films need free ones
        "max_threads": WORKERS + CAPACITY + 32,
    }
    return page.launch(**{**look, **limits, **launch})


def _end(*_: Any) -> NoReturn:
    """Handle SIGTERM, which ends a Space: delete all films and exit at once, since a regular exit waits for engines."""
    uploads.release()
    os._exit(0)


def theme() -> gr.themes.Base:
    """A calm, dense theme with system fonts, so that the page fetches none."""
    fonts = ["system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"]
    return gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=fonts, font_mono=["ui-monospace", "monospace"])


def _about(own: Classifier) -> dict[str, Any]:
    """The viewer's initial data: models, methods, example films and limits."""
    shown = [viewer_data.method_fields(kind, on=kind in methods.DEFAULTS) for kind in methods.METHODS]
    return {
        **viewer_data.about_fields(viewer_data.spec_fields(own.spec, own.name), registry.choices()[0].name, shown),
        "models": [viewer_data.model_fields(choice.name, choice.title) for choice in registry.choices()],
        "guests": registry.takes_guests(),
        "phantoms": example.phantoms(),
        "lessons": [viewer_data.lesson_fields(kind) for kind in methods.METHODS if kind.key in failure_cases.LESSONS],
        "examples": [viewer_data.example_fields(film) for film in hub.example_films()],
        "example": example.fields(own),
        "signatures": [[at, start.hex()] for at, start in archives.SIGNATURES],
        "withoutImage": [kind.decode() for kind in dicom.WITHOUT_IMAGE],
        "megabytes": uploads.MEGABYTES,
    }


# ------------------------------------------------------------------ components

# functions, not subclasses: gradio writes a stub beside the module of every subclass of a component


def _show(about: Mapping[str, Any], kinds: Sequence[type[Method]]) -> gr.HTML:
    """The component of the whole viewer; `viewer_data.script` defines its events."""
    return gr.HTML(
        html_template="<div></div>",
        js_on_load=viewer_data.script(kinds),
        apply_default_css=False,
        elem_id="viewer",
        about=about,
    )


def _channel() -> gr.HTML:
    """An invisible component that passes each new value to the viewer in the browser."""
    return gr.HTML(html_template="<div></div>", js_on_load=f"watch('value', () => {_tell('props.value')});")


def _failure_script(of: str) -> str:
    """The script that tells the viewer which event Gradio refused: a method's key, "film" or another event's name."""
    return f"() => {{ {_tell(json.dumps({'failed': of}))}; }}"


def _tell(what: str) -> str:
    return f"document.dispatchEvent(new CustomEvent({viewer_data.CHANNEL_EVENT!r}, {{detail: {what}}}))"
