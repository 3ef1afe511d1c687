"""Decisions about suspects: their file, what it changes, and the page on which they are taken, in a real browser."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxr_demo.errors import DataError
from tests.support.audits import TARGETS, films_of, lines, opened
from train.audit import corrections, review
from train.audit.corrections import Correction, Decision


@pytest.fixture
def films(tmp_path):
    return films_of(tmp_path, 6, TARGETS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "corrections.csv"


def decision(file="0.png", label="Mass", old="1", new="0", what=Decision.ACCEPT, reason="why"):
    return Correction(file, label, old, new, what, reason, corrections.now())


# ------------------------------------------------------------------ the file


def test_what_is_written_is_read_again(path):
    made = [
        decision(),
        decision("a, b.png", reason='with "quotes", commas\nand lines'),
        decision(label="", new="left out"),
    ]
    for one in made:
        corrections.append(path, one)
    read = corrections.read(path)
    assert read == [made[0], replace(made[1], reason='with "quotes", commas and lines'), made[2]]
    assert path.read_text().splitlines()[0] == "file,label,old,new,decision,reason,date"
    assert corrections.read(path.with_name("none.csv")) == []


def test_a_half_written_line_never_counts_and_is_cut_off(path):
    corrections.append(path, decision("0.png"))
    whole = path.read_bytes()
    corrections.append(path, decision("1.png"))
    both = path.read_bytes()
    for cut in range(len(whole), len(both)):
        path.write_bytes(both[:cut])
        assert [c.file for c in corrections.read(path)] == ["0.png"]
    corrections.append(path, decision("2.png"))
    assert [c.file for c in corrections.read(path)] == ["0.png", "2.png"]
    path.write_bytes(b"file,la")  # killed while the first line was written
    assert corrections.read(path) == []
    corrections.append(path, decision("3.png"))
    assert [c.file for c in corrections.read(path)] == ["3.png"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b\n", "first line"),
        ("file,label,old,new,decision,reason,date\n0.png,Mass,1,0,maybe,why,2026\n", "line 2"),
        ("file,label,old,new,decision,reason,date\n0.png,Mass,1,0\n", "line 2"),
        ("\xff\n", "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, films, text, complaint):
    bad = tmp_path / "bad.csv"
    bad.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=complaint):
        corrections.read(bad)
    with pytest.raises(DataError, match=complaint):
        review.Review(films, [], bad)


def test_the_last_decision_stands_until_it_is_taken_back():
    kept, skipped = decision(what=Decision.REJECT, new="1"), decision(what=Decision.SKIP, new="1")
    back = decision(what=Decision.UNDO)
    other = decision("1.png")
    key, second = ("0.png", "Mass"), ("1.png", "Mass")
    assert corrections.standing([skipped, kept]) == {key: kept}
    assert corrections.standing([skipped, other, kept, back]) == {key: skipped, second: other}
    assert corrections.standing([kept, other, back]) == {second: other}
    assert corrections.standing([back, kept, back, back]) == {}
    assert corrections.history([skipped, other, kept, back]) == [skipped, other]


def test_accepted_labels_change_and_accepted_films_are_left_out(films, path):
    for one in (
        decision("0.png", "Mass", "1", "0"),
        decision("3.png", "Effusion", "0", "1"),
        decision("1.png", "Mass", "1", "1", Decision.REJECT),
        decision("2.png", "Mass", "0", "0", Decision.SKIP),
        decision("5.png", "", "", "left out"),
        decision("4.png", "", "", "left out"),
        decision("4.png", "", "", "", Decision.UNDO),
        decision("4.png", "Mass", "1", ""),
        decision("4.png", "Hernia", "1", "0"),  # these films are not read for it
    ):
        corrections.append(path, one)
    changed = corrections.apply(films, path)
    expected = np.array([[1, 0], [0, 1], [1, 0], [1, 0], [1, np.nan]])
    np.testing.assert_array_equal(changed.targets, expected)
    assert changed.names.tolist() == [f"{i}.png" for i in range(5)]
    assert changed.targets.dtype == films.targets.dtype
    np.testing.assert_array_equal(films.targets, TARGETS)
    said = corrections.summary(path)
    for part in ("4 labels of 3 films", "Mass 1 to 0: 1", "Mass 1 to masked: 1", "left out 1 film", "kept 1 suspect"):
        assert part in said
    assert re.search("sha256 [0-9a-f]{64}", said)


def test_no_file_changes_nothing(films, path):
    np.testing.assert_array_equal(corrections.apply(films, path).targets, TARGETS)
    assert corrections.summary(path) == "No label was corrected by a person."


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (decision(old="0", new="1"), r"0.png, Mass was '0' when"),
        (decision("9.png"), "9.png is not among"),
        (decision("images/9.png"), "images/9.png is not among"),
        (decision(label="Mas"), "'Mas' is no label"),
        (decision(new="2x"), "'2x'"),
    ],
)
def test_corrections_of_another_table_are_refused(films, path, wrong, complaint):
    corrections.append(path, wrong)
    with pytest.raises(DataError, match=complaint):
        corrections.apply(films, path)


def test_files_of_one_name_are_told_apart_by_their_folders(films, path):
    twins = replace(films, paths=(Path("/x/p1/view.png"), Path("/x/p2/view.png"), *films.paths[2:]))
    assert films.names.tolist() == [f"{i}.png" for i in range(6)]
    assert twins.names[:2].tolist() == ["p1/view.png", "p2/view.png"]
    corrections.append(path, decision("p2/view.png"))
    moved = replace(twins, paths=tuple(Path("/other/root") / p.relative_to("/") for p in twins.paths))
    assert corrections.apply(moved, path).targets[:2].tolist() == [[1, 1], [0, 0]]
    corrections.append(path, decision("view.png"))
    with pytest.raises(DataError, match="fits 2 films"):
        corrections.apply(twins, path)


# ------------------------------------------------------------------ the review without its page


def test_one_decision_per_label_however_many_doubts(films, path):
    items = opened(films, path).items
    assert [(i.file, i.label, i.old, i.new) for i in items] == [
        ("1.png", "", "", "left out"),
        ("0.png", "Mass", "1", "0"),
        ("2.png", "Effusion", "1", "0"),
        ("3.png", "Mass", "0", "1"),
    ]
    assert [f.id for f, _ in items[1].doubts] == ["doubtful", "boxes"]


def test_a_label_that_is_neither_yes_nor_no_is_not_asked_for(films, path):
    films.targets[0, 1], films.targets[2, 0] = np.nan, 0.7
    assert [item.file for item in opened(films, path).items] == ["1.png", "3.png"]


def test_decisions_are_written_counted_and_gone_on_with(films, path):
    page = opened(films, path)
    assert (page.screen()["item"]["at"], page.screen()["done"], page.screen()["total"]) == (0, 0, 4)
    page.decide(0, Decision.ACCEPT)
    page.decide(0, Decision.REJECT)  # a second press, before the next film was seen
    page.decide(1, Decision.SKIP)
    page.decide(2, Decision.REJECT)
    assert lines(path) == [
        ("1.png", "", "", "left out", "accept"),
        ("0.png", "Mass", "1", "1", "skip"),
        ("2.png", "Effusion", "1", "1", "reject"),
    ]
    again = opened(films, path).screen()
    assert (again["item"]["at"], again["done"], again["skipped"], again["percent"]) == (3, 2, 1, 50)
    page.decide(3, Decision.SKIP)
    assert page.screen()["item"]["at"] == 1, "what was skipped first comes back first"
    page.decide(1, Decision.SKIP)
    assert page.screen()["item"]["at"] == 3
    page.decide(3, Decision.ACCEPT)
    page.decide(1, Decision.ACCEPT)
    assert page.screen()["item"] is None
    assert corrections.apply(films, path).targets[[0, 2], 1].tolist() == [0, 1]


def test_undo_goes_back_step_by_step(films, path):
    page = opened(films, path)
    assert page.undo() is None
    corrections.append(path, decision("5.png"))  # another audit's: not ours to take back
    for at, what in ((0, Decision.SKIP), (1, Decision.ACCEPT), (0, Decision.ACCEPT)):
        page.decide(at, what)
    assert [page.undo() for _ in range(4)] == [0, 1, 0, None]
    assert len(lines(path)) == 7, "the file only grows"
    assert list(corrections.standing(corrections.read(path))) == [("5.png", "Mass")]


def test_a_choice_of_finding_and_label(films, path):
    page = opened(films, path)
    assert page.chosen("", "") == [0, 1, 2, 3]
    assert page.chosen("boxes", "") == [1]
    assert page.chosen("doubtful", "Mass") == [1, 3]
    page.decide(1, Decision.ACCEPT)
    shown = page.screen("doubtful", "Mass")
    assert (shown["item"]["at"], shown["done"], shown["total"]) == (3, 1, 2)
    assert [f["id"] for f in shown["findings"] if f["chosen"]] == ["doubtful"]
    assert page.screen("near-duplicates", "Mass")["total"] == 0


def test_a_file_that_cannot_be_written_is_said_and_nothing_is_lost(films, path):
    page = opened(films, path)
    path.parent.write_text("in the way")
    with pytest.raises(review.gr.Error, match="cannot be"):
        review._answer(page, {"what": "accept", "at": 0})
