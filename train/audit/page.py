"""The audit as a single HTML file, without scripts or links to other files."""

from __future__ import annotations

import html
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from train.audit import corrections
from train.audit.pictures import picture
from train.audit.report import count, plain, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxr_demo.films.label_tables import Films
    from train.audit.base import Finding, Suspect
    from train.audit.pictures import Picture
    from train.audit.run import Audit

#: Most thumbnails on the page, and of one finding; their longest side in pixels.
MOST_PICTURES, MOST_OF_ONE, SIDE = 200, 24, 128
#: Most suspects that the page lists per finding; audit.json has all of them.
MOST_LISTED = 200
TEMPLATE = Path(__file__).with_name("page.html")


def write(audit: Audit, films: Films, *, pictures: bool = True) -> str:
    """The audit as HTML: figures as tables, suspects with thumbnails unless `pictures` is False."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=_escape(f"Audit of {audit.films:,} films"),
        about=_escape(f"{audit.patients:,} patients, {len(audit.labels)} findings, {audit.date}"),
        verdict=_escape(verdict(audit)),
        status=audit.status.name.lower(),
        contents="".join(_entry(audit, finding, n) for n, finding in enumerate(audit.findings)),
        findings="".join(_sections(audit, films, MOST_PICTURES if pictures else 0)),
        fingerprint=_escape(audit.fingerprint),
        versions=_escape(", ".join(f"{name} {version}" for name, version in audit.versions.items())),
    )


def _escape(value: Any) -> str:
    return html.escape(str(value), quote=True)


def _entry(audit: Audit, finding: Finding, n: int) -> str:
    """A line of the table of contents."""
    return f'<li>{_badge(audit, finding)} <a href="#f{n}">{_escape(finding.title)}</a></li>'


def _badge(audit: Audit, finding: Finding) -> str:
    """Severity of a finding, and a mark if it is accepted."""
    name = finding.severity.name.lower()
    mark = '<b class="badge accepted">accepted</b>' if finding.id in audit.accepted else ""
    return f'<b class="badge {name}">{name}</b>{mark}'


def _sections(audit: Audit, films: Films, pictures: int) -> list[str]:
    """A section per finding; all sections together show at most `pictures` thumbnails.

    Each has severity, title, advice, id, figures, thumbnails of the first suspects, and a folded list of suspects.
    """
    names, made = films.names.tolist(), []
    for n, finding in enumerate(audit.findings):
        shown = _shown(finding, pictures)
        pictures -= sum(1 + (suspect.other is not None) for suspect in shown)
        cards = "".join(_card(suspect, films, names) for suspect in shown)
        why = audit.accepted.get(finding.id)
        made.append(
            f'<section id="f{n}"><h2>{_badge(audit, finding)} {_escape(finding.title)}</h2>'
            + (f'<p class="advice">{_escape(finding.advice)}</p>' if finding.advice else "")
            + (f'<p class="why">Accepted: {_escape(why)}</p>' if why else "")
            + f'<p class="id"><code>{_escape(finding.id)}</code></p>'
            + _figures(plain(finding.figures))
            + (f'<div class="cards">{cards}</div>' if cards else "")
            + _list(finding.suspects, films, names)
            + "</section>"
        )
    return made


def _shown(finding: Finding, pictures: int) -> list[Suspect]:
    """The first suspects, as many as the thumbnails allow; a suspect with another film takes two."""
    shown: list[Suspect] = []
    for suspect in finding.suspects:
        needed = 1 + (suspect.other is not None)
        if len(shown) == MOST_OF_ONE or needed > pictures:
            break
        shown.append(suspect)
        pictures -= needed
    return shown


def _card(suspect: Suspect, films: Films, names: Sequence[str]) -> str:
    """Thumbnails of a suspect and of the film compared with it, with label and reason."""
    rows = [suspect.film] if suspect.other is None else [suspect.film, suspect.other]
    seen = "".join(_figure(picture(films.paths[row], films.boxes[row], SIDE), names[row]) for row in rows)
    label = f"<b>{_escape(given(films, suspect))}</b> " if suspect.label else ""
    return f'<div class="card"><div class="seen">{seen}</div><p>{label}{_escape(suspect.reason)}</p></div>'


def given(films: Films, suspect: Suspect) -> str:
    """The label in question as in the table, e.g. "Mass: 1"; "" for a suspect film."""
    if suspect.label is None:
        return ""
    if suspect.label not in films.labels:
        return suspect.label
    value = corrections.written(float(films.targets[suspect.film, films.labels.index(suspect.label)]))
    return f"{suspect.label}: {value or 'masked'}"


def _figure(seen: Picture, name: str) -> str:
    """A thumbnail with its boxes, or the reason why it is missing."""
    frames = "".join(
        f'<i style="left:{f.left}%;top:{f.top}%;width:{f.width}%;height:{f.height}%" title="{_escape(f.label)}"></i>'
        for f in seen.frames
    )
    inside = f'<img src="{seen.uri}" width="{seen.width}" height="{seen.height}" alt="">{frames}'
    inside = inside if seen.uri else f'<span class="none">{_escape(seen.problem)}</span>'
    return f'<figure><div class="film">{inside}</div><figcaption>{_escape(name)}</figcaption></figure>'


def _list(suspects: Sequence[Suspect], films: Films, names: Sequence[str]) -> str:
    """A folded table of the first MOST_LISTED suspects."""
    if not suspects:
        return ""
    rows = [
        {
            "file": names[s.film],
            "label": given(films, s),
            "other film": "" if s.other is None else names[s.other],
            "score": s.score,
            "reason": s.reason,
        }
        for s in suspects[:MOST_LISTED]
    ]
    rest = len(suspects) - len(rows)
    more = f"<p>{rest} more are in audit.json.</p>" if rest else ""
    return f"<details><summary>{count(len(suspects), 'suspect')}</summary>{_table(rows)}{more}</details>"


def _figures(figures: Mapping[str, Any]) -> str:
    """Single figures as one table of two columns; each list of rows as a table under its name."""
    single = {k: v for k, v in figures.items() if not _is_table(v)}
    tables = "".join(f"<h3>{_escape(k)}</h3>{_table(_rows(v))}" for k, v in figures.items() if _is_table(v))
    return (_table([{"": k, " ": v} for k, v in single.items()]) if single else "") + tables


def _is_table(value: Any) -> bool:
    """Whether a value needs a table of its own."""
    parts = list(value.values() if isinstance(value, dict) else value) if isinstance(value, dict | list) else []
    return isinstance(value, dict) or (bool(parts) and all(isinstance(part, dict | list) for part in parts))


def _rows(value: Any) -> list[dict[str, Any]]:
    """Rows by column of a list of mappings, a list of lists, or a mapping of mappings or of figures."""
    if isinstance(value, dict):
        return [{"": key, **(part if isinstance(part, dict) else {" ": part})} for key, part in value.items()]
    return [row if isinstance(row, dict) else {" " * n: cell for n, cell in enumerate(row)} for row in value]


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """An HTML table with the union of the rows' columns, without a head if no column has a name."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    head = "".join(f"<th>{_escape(column)}</th>" for column in columns) if any(c.strip() for c in columns) else ""
    body = "".join("<tr>" + "".join(_cell(row.get(column)) for column in columns) + "</tr>" for row in rows)
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f'<div class="table"><table>{head}<tbody>{body}</tbody></table></div>'


def _cell(value: Any) -> str:
    """A table cell: numbers right-aligned, lists separated by commas, a dash for None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        shown = "–" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else value
        return f"<td>{_escape(shown)}</td>"
    return f'<td class="number">{value:,}</td>' if isinstance(value, int) else f'<td class="number">{value:.3g}</td>'
