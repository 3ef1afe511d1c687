"""The components that carry the viewer: one shows it and raises its events, each kind of answer has a channel.

So methods stream side by side.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gradio as gr

from cxr_demo.output import viewer_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxr_demo.methods.base import Method

# functions, not subclasses: gradio writes a stub beside the module of every subclass of a component


def show(about: Mapping[str, Any], kinds: Sequence[type[Method]]) -> gr.HTML:
    """The whole visible tool; its events are those of `viewer_data.script`."""
    return gr.HTML(
        html_template="<div></div>",
        js_on_load=viewer_data.script(kinds),
        apply_default_css=False,
        elem_id="viewer",
        about=about,
    )


def channel() -> gr.HTML:
    """Invisible: tells the viewer in the browser each value it is given."""
    return gr.HTML(html_template="<div></div>", js_on_load=f"watch('value', () => {_tell('props.value')});")


def failure_script(of: str) -> str:
    """For an event that Gradio itself refused: tells the viewer whose it was, a method's key or "film"."""
    return f"() => {{ {_tell(json.dumps({'failed': of}))}; }}"


def _tell(what: str) -> str:
    return f"document.dispatchEvent(new CustomEvent({viewer_data.CHANNEL_EVENT!r}, {{detail: {what}}}))"
