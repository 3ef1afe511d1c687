"""The atlas of a data set as a single HTML file, without scripts or links to other files, and as JSON."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from cxr_demo.batch.atlas import CLUSTERED, FEWEST, SHARED, SIDE
from cxr_demo.evaluation.regions import REGIONS
from cxr_demo.files import write_whole
from cxr_demo.output import render, report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxr_demo.batch.atlas import Atlas, Cluster, FindingAtlas, Picture

TEMPLATE = Path(__file__).with_name("atlas.html")
PAGE, FIGURES = "atlas.html", "atlas.json"


def write(atlas: Atlas, folder: Path) -> Path:
    """Write `atlas.html` and `atlas.json` to a folder; the path of the page."""
    write_whole(folder / FIGURES, json.dumps(fields(atlas), indent=1, allow_nan=False) + "\n")
    write_whole(folder / PAGE, page(atlas))
    return folder / PAGE


def fields(atlas: Atlas) -> dict[str, Any]:
    """The figures of an atlas as JSON values; None for nan."""
    return {
        "method": atlas.method,
        "model": atlas.model,
        "films": atlas.films,
        "regions": {name: _rounded(area) for name, area in zip(REGIONS, atlas.areas, strict=True)},
        "findings": {
            one.finding: {
                "above_cutoff": one.above,
                "evidence_above": _by_region(one.shares_above),
                "evidence_below": _by_region(one.shares_below),
                "clusters": [
                    {"films": list(part.films), "spot": _rounded(part.spot), "suspect": part.suspect}
                    for part in one.clusters
                ],
            }
            for one in atlas.findings
        },
    }


def _by_region(values: np.ndarray) -> dict[str, float | None]:
    return {name: _rounded(value) for name, value in zip(REGIONS, values, strict=True)}


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def page(atlas: Atlas) -> str:
    """The atlas as HTML; findings with a cluster that may be a shortcut come first."""
    ordered = sorted(atlas.findings, key=lambda one: (-sum(part.suspect for part in one.clusters), -one.above))
    suspects = [(one, part) for one in ordered for part in one.clusters if part.suspect]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=_escape(f"What {_short(atlas.model)} looks at"),
        about=_escape(f"{atlas.films:,} films, maps by {atlas.method}: {atlas.unit.value}"),
        verdict="".join(f"<li>{_accusation(one, part)}</li>" for one, part in suspects)
        or "<li>No cluster of maps shares a spot outside the chest.</li>",
        rule=f"{_percent(SHARED)} of the absolute evidence, all for the finding, on at least {FEWEST} films",
        table=_table(atlas),
        findings="".join(_section(atlas, one) for one in ordered if one.above),
    )


def _escape(value: Any) -> str:
    return html.escape(str(value), quote=True)


def _accusation(one: FindingAtlas, part: Cluster) -> str:
    return (
        f"<b>{_escape(report.readable(one.finding))}: a shortcut?</b> On {len(part.films)} of {one.above} films with "
        f"this finding, {_percent(part.spot)} of all evidence speaks for it from one spot outside the chest."
    )


def _table(atlas: Atlas) -> str:
    """Shares of the evidence in each region, by finding."""
    head = "".join(f"<th>{name}</th>" for name in REGIONS)
    areas = "".join(f"<td>{_percent(area)}</td>" for area in atlas.areas)
    rows = "".join(
        f'<tr><th scope="row">{_escape(report.readable(one.finding))}</th><td>{one.above:,}</td>'
        + "".join(f"<td>{_percent(share)}</td>" for share in one.shares_above)
        + "</tr>"
        for one in atlas.findings
    )
    return (
        f"<table><thead><tr><th></th><th>films</th>{head}</tr></thead><tbody>"
        f'<tr class="area"><th scope="row">share of the film itself</th><td>{atlas.films:,}</td>{areas}</tr>'
        f"{rows}</tbody></table>"
    )


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if np.isfinite(value) else "–"


def _section(atlas: Atlas, one: FindingAtlas) -> str:
    means = [
        _figure(atlas, picture, f"mean of {count:,} films {said} the cut-off")
        for picture, count, said in (
            (one.mean_above, one.above, "at or above"),
            (one.mean_below, one.below, "below"),
        )
        if picture is not None
    ]
    outside = [
        _figure(atlas, picture, f"{_short(name)}: {_percent(share)}", name) for name, share, picture in one.outside
    ]
    parts = [
        f"<h3>Cluster of {len(part.films)} films{', a shortcut?' if part.suspect else ''}</h3>"
        '<p class="soft">'
        f"{_percent(part.spot)} of all evidence speaks for the finding from one spot outside the chest.</p>"
        + _row(
            [
                _figure(atlas, part.mean, "mean of the cluster"),
                *(_figure(atlas, picture, _short(name), name) for name, picture in part.shown),
            ]
        )
        for part in one.clusters
    ]
    return (
        f"<section><h2>{_escape(report.readable(one.finding))}</h2>"
        f"<h3>Mean maps, lungs moved to one place</h3>{_row(means)}"
        f"<h3>Most evidence outside the chest</h3>{_row(outside)}{''.join(parts)}{_undivided(one)}</section>"
    )


def _undivided(one: FindingAtlas) -> str:
    """A sentence on the films at or above the cut-off that are in no cluster."""
    rest = min(one.above, CLUSTERED) - sum(len(part.films) for part in one.clusters)
    if not rest:
        return ""
    return f'<p class="soft">{rest:,} films at or above the cut-off have a map without evidence for the finding.</p>'


def _row(figures: Iterable[str]) -> str:
    return f'<div class="row">{"".join(figures)}</div>'


def _figure(atlas: Atlas, picture: Picture, caption: str, title: str = "") -> str:
    """A map over its film, on a scale of its own."""
    film = cv2.resize(picture.film.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    values = cv2.resize(picture.values.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    drawn = render.overlay(film, values, limit=render.limit_of([picture.values]), unit=atlas.unit)
    data = base64.b64encode(cv2.imencode(".jpg", drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
    return (
        f'<figure title="{_escape(title)}"><img alt="" width="{SIDE}" height="{SIDE}" '
        f'src="data:image/jpeg;base64,{data.decode()}"><figcaption>{_escape(caption)}</figcaption></figure>'
    )


def _short(name: str) -> str:
    return Path(name).name
