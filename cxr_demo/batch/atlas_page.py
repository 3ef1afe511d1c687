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

from cxr_demo.batch.atlas import FEWEST, SHARED, SIDE, SPOT
from cxr_demo.evaluation import metrics
from cxr_demo.evaluation.regions import CORNER, REGIONS
from cxr_demo.files import write_whole
from cxr_demo.output import render, report
from cxr_demo.types import Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxr_demo.batch.atlas import Atlas, Cluster, FindingAtlas, Picture

TEMPLATE = Path(__file__).with_name("atlas.html")
#: Legends of the maps.
COLOURS = {
    Unit.LOGIT: "Orange is evidence for the finding, blue evidence against it, each picture on a scale of its own.",
    Unit.RANKING: "Bright places rank highest, each picture on a scale of its own.",
}
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
        "findings": {
            one.finding: {
                "above_cutoff": one.above,
                "evidence_above": _by_region(one.shares_above),
                "area_above": _by_region(one.areas_above),
                "evidence_below": _by_region(one.shares_below),
                "area_below": _by_region(one.areas_below),
                "examined": one.examined,
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
        title=_escape(f"Atlas of {_short(atlas.model) if Path(atlas.model).is_absolute() else atlas.model}"),
        about=_escape(f"{atlas.films:,} films, maps by {atlas.method}: {atlas.unit.value}"),
        shortcuts="".join(f"<li>{_suspect(one, part)}</li>" for one, part in suspects) or _no_suspects(atlas),
        colours=COLOURS[atlas.unit],
        shared=_percent(SHARED),
        spot=_percent(SPOT),
        fewest=FEWEST,
        border=_percent(metrics.BORDER),
        corner=_percent(CORNER),
        table=_table(atlas),
        findings="".join(_section(atlas, one) for one in ordered if one.above),
    )


def _escape(value: Any) -> str:
    return html.escape(str(value), quote=True)


def _suspect(one: FindingAtlas, part: Cluster) -> str:
    return (
        f"<b>{_escape(report.readable(one.finding))}: a shortcut?</b> On {len(part.films):,} of {_examined(one)}, "
        f"{_percent(part.spot)} of all evidence is evidence for the finding in one spot outside the chest."
    )


def _no_suspects(atlas: Atlas) -> str:
    """The line of an atlas without a suspect cluster, which may be one of too few films."""
    tested = sum(any(len(part.films) >= FEWEST for part in one.clusters) for one in atlas.findings)
    if not tested:
        return f"<li>No finding has a cluster of at least {FEWEST} films, so none was tested.</li>"
    return (
        f"<li>No cluster looks like a shortcut; {tested} of {len(atlas.findings)} findings had a cluster of at least "
        f"{FEWEST} films.</li>"
    )


def _examined(one: FindingAtlas) -> str:
    """The films of a finding that were divided into clusters, in words."""
    if one.examined == one.above:
        return f"{one.above:,} films at or above the cut-off"
    return f"{one.examined:,} films that were examined of {one.above:,} at or above the cut-off"


def _table(atlas: Atlas) -> str:
    """Shares of the evidence in each region, and of the film that it covers, by finding."""
    head = "".join(f"<th>{name}</th>" for name in REGIONS)
    rows = "".join(
        f'<tr><th scope="row">{_escape(report.readable(one.finding))}</th><td>{one.above:,}</td>'
        + "".join(
            f'<td>{_percent(share)} <span class="soft">on {_percent(area)}</span></td>'
            for share, area in zip(one.shares_above, one.areas_above, strict=True)
        )
        + "</tr>"
        for one in atlas.findings
    )
    return f"<table><thead><tr><th></th><th>films</th>{head}</tr></thead><tbody>{rows}</tbody></table>"


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
        f"{_percent(part.spot)} of all evidence is evidence for the finding in one spot outside the chest.</p>"
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
        f"<h3>Most evidence, for or against, outside the chest</h3>{_row(outside)}"
        f"{''.join(parts)}{_undivided(one)}</section>"
    )


def _undivided(one: FindingAtlas) -> str:
    """A sentence on the films at or above the cut-off that are in no cluster."""
    rest = one.examined - sum(len(part.films) for part in one.clusters)
    if not rest:
        return ""
    return (
        f'<p class="soft">{rest:,} of {_examined(one)} are in no cluster: their maps have no evidence for the '
        "finding.</p>"
    )


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
