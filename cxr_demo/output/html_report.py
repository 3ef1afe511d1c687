"""Writes a film's result as a single HTML file: the viewer with all its data, usable offline."""

from __future__ import annotations

import html
import json
import shlex
from typing import TYPE_CHECKING, Any

from cxr_demo import messages, methods
from cxr_demo.output import report, trust_data, viewer_data

if TYPE_CHECKING:
    from cxr_demo.output.result import Result
    from cxr_demo.types import Explanation

#: Content security policy with which the browser blocks all requests of the page.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def page(result: Result) -> str:
    """An HTML page of a film's result: the viewer with its maps and trust measures, and the command to reproduce it.

    The page opens at `result.finding`. It makes no requests.
    """
    film, prediction = result.film, result.prediction
    by_key = {e.method: e for e in result.explanations}
    kinds = [kind for kind in methods.METHODS if kind.key in by_key]
    spec = viewer_data.spec_fields(result.spec, result.model)
    told = answers(result)
    told["film"]["film"]["deeper"] = False  # no server to request more grey levels from
    recorded = {
        "about": viewer_data.about_fields(spec, result.model, [_method(kind, by_key[kind.key]) for kind in kinds]),
        "answers": told,
        "name": film.name,
        "label": prediction.labels[result.finding],
        "boxes": viewer_data.box_fields(film, result.boxes),
    }
    command = f"python -m cxr_demo explain --from result.json {shlex.quote(film.name)} --out again"
    fields = report.result_fields(film, prediction, result.explanations, result.trust, result.boxes)
    style = (viewer_data.ASSETS / "viewer.css").read_text(encoding="utf-8")
    # an escaped "<" cannot close the script element
    data = json.dumps(plain(recorded), allow_nan=False).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{html.escape(film.name)} · {html.escape(messages.TITLE)}</title>
<style>{style}</style></head>
<body class="portable"><div id="viewer"></div>
<details class="cxr record"><summary>How to reproduce this</summary><pre>{html.escape(command)}

{html.escape(json.dumps(fields, indent=2))}</pre></details>
<script type="application/json" id="recorded">{data}</script>
<script type="module">
{viewer_data.recorded_script(kinds)}
</script></body></html>
"""


def answers(result: Result, film_side: int = viewer_data.FILM_SIDE) -> dict[str, Any]:
    """The server's answers about a film by event, for `recorded.js`, with the film in at most `film_side` pixels."""
    film, by_key = result.film, {e.method: e for e in result.explanations}
    spec = viewer_data.spec_fields(result.spec, result.model)
    found: dict[str, Any] = {"film": {"spec": spec, **viewer_data.case_fields(film, result.prediction, film_side)}}
    for kind in (kind for kind in methods.METHODS if kind.key in by_key):
        explanation = by_key[kind.key]
        made = {**viewer_data.progress_fields(explanation), "maps": viewer_data.map_fields(explanation)}
        found[viewer_data.run_event(kind)] = {"method": kind.key, "at": 1, **made}
    if result.assessment:
        measured = trust_data.assessment_fields(result.assessment, by_key, film, result.boxes)
        found["trust"] = {"event": "trust", **measured}
    return found


def plain(recorded: dict[str, Any]) -> Any:
    """The same JSON values as from the server: null for nan."""
    return json.loads(json.dumps(recorded), parse_constant=lambda _: None)


def _method(kind: type[methods.Method], explanation: Explanation) -> dict[str, Any]:
    """A method's card as JSON values, with the settings of the run as defaults."""
    card = viewer_data.method_fields(kind, on=True)
    used = [{**setting, "default": explanation.settings[setting["name"]]} for setting in card["settings"]]
    return {**card, "settings": used}
