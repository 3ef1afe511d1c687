"""Local web page to review suspects one by one, saving each decision at once; the trainer's only user of gradio."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from cxr_demo.errors import CxrError
from train.audit import corrections
from train.audit.corrections import Correction, Decision
from train.audit.pictures import picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxr_demo.films.label_tables import Films
    from train.audit.base import Finding, Suspect

#: The longest side of a film on the page, in pixels.
SIDE = 1024
ASSETS = Path(__file__).parent
#: Script that tells the page that its last answer was rejected.
FAILED = "() => document.dispatchEvent(new CustomEvent('review-failed'))"
#: New value of a label that the reviewer calls wrong.
TURNED = {"0": "1", "1": "0"}


@dataclass(frozen=True)
class Item:
    """One decision to take: a label of a film, or the film itself, with all findings against it."""

    file: str
    film: int
    label: str  # "" for the film itself
    old: str
    new: str
    doubts: tuple[tuple[Finding, Suspect], ...]

    @property
    def key(self) -> tuple[str, str]:
        """File and label, as in the file of corrections."""
        return self.file, self.label


class Review:
    """Suspects of an audit and the decisions about them, which the file at `path` holds.

    DataError if the file exists and is not a file of corrections.
    """

    def __init__(self, films: Films, findings: Sequence[Finding], path: Path) -> None:
        self.films, self.path = films, path
        self.names = films.names.tolist()
        self.items = _items(films, self.names, findings)
        self.at = {item.key: i for i, item in enumerate(self.items)}
        corrections.read(path)  # reject an invalid file now instead of at the first answer

    def chosen(self, finding: str, label: str) -> list[int]:
        """Indices of the items with this finding and this label; "" means any."""
        return [
            i
            for i, item in enumerate(self.items)
            if (not finding or finding in (f.id for f, _ in item.doubts)) and (not label or item.label == label)
        ]

    def decided(self) -> dict[int, Decision]:
        """Valid decisions by index of the item, in the order in which they were taken."""
        made: dict[int, Decision] = {}
        for c in corrections.history(corrections.read(self.path)):
            if (at := self.at.get((c.file, c.label))) is not None:
                made.pop(at, None)
                made[at] = c.decision
        return made

    def decide(self, at: int, decision: Decision) -> None:
        """Save a decision; ignored if the item is decided already, as after a key pressed twice."""
        if self.decided().get(at, Decision.SKIP) is Decision.SKIP:
            item = self.items[at]
            why = "; ".join(f"{finding.id}: {suspect.reason}" for finding, suspect in item.doubts)
            self._append(item, item.new if decision is Decision.ACCEPT else item.old, decision, why)

    def undo(self) -> int | None:
        """Withdraw the last decision; the index of its item, None if there is no decision."""
        made = self.decided()
        if not made:
            return None
        at = list(made)[-1]
        self._append(self.items[at], self.items[at].old, Decision.UNDO, "taken back")
        return at

    def _append(self, item: Item, new: str, decision: Decision, why: str) -> None:
        """Append a decision about an item to the file."""
        corrections.append(self.path, Correction(*item.key, item.old, new, decision, why, corrections.now()))

    def screen(self, finding: str = "", label: str = "", at: int | None = None) -> dict[str, Any]:
        """Content of the page: item `at`, by default the next one, with the progress and the filters.

        New items come first, then the skipped ones, those skipped longest ago first.
        """
        chosen, made = self.chosen(finding, label), self.decided()
        among = set(chosen)
        done = [i for i, what in made.items() if i in among and what is not Decision.SKIP]
        skipped = [i for i, what in made.items() if i in among and what is Decision.SKIP]
        waiting = [i for i in chosen if i not in made] + skipped
        shown = next(iter(waiting), None) if at is None else at
        titles = {f.id: f.title for item in self.items for f, _ in item.doubts}
        labels = sorted({item.label for item in self.items if item.label})
        return {
            "item": None if shown is None else {"at": shown, **self._shown(self.items[shown])},
            "total": len(chosen),
            "done": len(done),
            "skipped": len(skipped),
            "percent": round(100 * len(done) / len(chosen)) if chosen else 100,
            "findings": [{"id": i, "title": title, "chosen": i == finding} for i, title in titles.items()],
            "labels": [{"name": name, "chosen": name == label} for name in labels],
            "undo": bool(made),
            "path": str(self.path),
        }

    def _shown(self, item: Item) -> dict[str, Any]:
        """An item as JSON values for the page: its label, both choices, reasons and films."""
        others = dict.fromkeys(s.other for _, s in item.doubts if s.other is not None)
        return {
            "label": item.label,
            "given": item.old,
            "accept": f"it becomes {item.new}" if item.label else "the film is left out",
            "reject": f"it stays {item.old}" if item.label else "the film stays",
            "doubts": [{"id": f.id, "reason": s.reason, "score": f"{s.score:.3g}"} for f, s in item.doubts],
            "films": [self._film(row, item.label) for row in (item.film, *others)],
        }

    def _film(self, row: int, label: str) -> dict[str, Any]:
        """A film as JSON values for the page: picture, metadata, its other labels and its boxes."""
        seen = picture(self.films.paths[row], self.films.boxes[row], SIDE, quality=92)
        says = [
            f"{finding} {corrections.written(float(value))}"
            for finding, value in zip(self.films.labels, self.films.targets[row], strict=True)
            if value > 0 and finding != label
        ]
        about = [self.films.views[row], self.films.sexes[row], f"patient {self.films.patients[row]}"]
        return {
            "uri": seen.uri,
            "ratio": seen.width / max(seen.height, 1),
            "problem": seen.problem,
            "name": self.names[row],
            "about": ", ".join(str(part) for part in about if part),
            "labels": ", ".join(says),
            "frames": [vars(frame) | {"same": frame.label == label} for frame in seen.frames],
        }


def _items(films: Films, names: Sequence[str], findings: Sequence[Finding]) -> tuple[Item, ...]:
    """One item per label of a film, in the order of the findings.

    Labels other than 0 and 1 are left out, because they have no opposite.
    """
    found: dict[tuple[int, str], list[tuple[Finding, Suspect]]] = {}
    for finding in findings:
        for suspect in finding.suspects:
            found.setdefault((suspect.film, suspect.label or ""), []).append((finding, suspect))
    items = []
    for (film, label), doubts in found.items():
        old = (
            corrections.written(float(films.targets[film, films.labels.index(label)])) if label in films.labels else ""
        )
        new = TURNED.get(old, "") if label else corrections.LEFT_OUT
        if new:
            items.append(Item(names[film], film, label, old, new, tuple(doubts)))
    return tuple(items)


def build(review: Review) -> gr.Blocks:
    """The page: a single HTML component draws everything and reports each key press and click.

    Events run one at a time, since each appends to the file of corrections.
    """
    with gr.Blocks(title="Second look", analytics_enabled=False, fill_width=True) as page:
        shown = gr.HTML(
            html_template=(ASSETS / "review.html").read_text(encoding="utf-8"),
            js_on_load=(ASSETS / "review.js").read_text(encoding="utf-8"),
            value=None,
            apply_default_css=False,
            elem_id="review",
        )

        def answer(event: gr.EventData) -> dict[str, Any]:
            return _answer(review, event._data)

        # the page stays empty, and so without buttons, until the file is read
        page.load(review.screen, None, shown, api_visibility="private", show_progress="hidden")
        said = shown.said(answer, None, shown, api_visibility="private", show_progress="hidden", concurrency_limit=1)
        said.failure(None, js=FAILED, api_visibility="private", show_progress="hidden")
    return page


def _answer(review: Review, said: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out an event of the page and return the page's next content.

    gr.Error with the sentence of any CxrError, for the browser to show.
    """
    finding, label = str(said.get("finding") or ""), str(said.get("label") or "")
    at = None
    try:
        if said["what"] == "undo":
            at = review.undo()
        elif said["what"] != "choose":
            review.decide(int(said["at"]), Decision(said["what"]))
        return review.screen(finding, label, at)
    except CxrError as error:
        raise gr.Error(str(error), print_exception=False) from None


def serve(review: Review, **launch: Any) -> Any:
    """Serve the page on 127.0.0.1 only, never shared; `launch` holds further arguments of `Blocks.launch`."""
    look = {"css_paths": [ASSETS / "review.css"], "footer_links": [], "run_history": False, "ssr_mode": False}
    return build(review).queue().launch(**{**look, **launch, "server_name": "127.0.0.1", "share": False})
