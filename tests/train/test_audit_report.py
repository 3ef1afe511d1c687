"""Doubtful labels against two other truths, and what an audit says on screen, as JSON and as a page."""

import argparse
import gzip
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from cleanlab.filter import find_label_issues
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from cxr_demo.errors import DataError
from cxr_demo.films import label_tables
from tests.support.audits import EVIL, films_of
from train.audit import command, noise, page, pictures, report, run
from train.audit.base import Finding, Severity, Subject, Suspect

# ------------------------------------------------------------------ doubtful labels


def noisy(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) of which some are turned round, and a model's probabilities."""
    films = rng.integers(40, 600)
    truth = rng.random(films) < rng.uniform(0.03, 0.6)
    logits = rng.normal(0, rng.uniform(0.5, 2), films) + np.where(truth, 1, -1) * rng.uniform(0.3, 3)
    return (truth ^ (rng.random(films) < rng.uniform(0, 0.3))).astype(float), expit(logits + rng.normal() / 2)


def test_the_films_flagged_are_those_of_cleanlab():
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(150):
        truth, probability = noisy(rng)
        if 2 < truth.sum() < len(truth) - 2:
            both = np.stack([1 - probability, probability], 1)
            expected = find_label_issues(truth.astype(int), both, n_jobs=1)
            np.testing.assert_array_equal(noise.doubt(truth, probability).flagged, expected)
            compared += expected.any()
    assert compared > 100


def test_doubt_by_hand():
    # means of the own label's probability: 0.8 and 0.5; one of four and one of three confident films count against
    truth = np.array([0, 0, 0, 0, 1, 1, 1])
    probability = np.array([0.0, 0.05, 0.05, 0.7, 0.9, 0.55, 0.05])
    found = noise.doubt(truth, probability)
    assert found.usual == pytest.approx((0.8, 0.5))
    assert found.flagged.tolist() == [False, False, False, True, False, False, True]
    np.testing.assert_allclose(found.own, [1, 0.95, 0.95, 0.3, 0.9, 0.55, 0.05])


def test_real_errors_of_nih_are_found_as_often_as_was_measured(films):
    """A published model's out-of-sample predictions, and the relabels of 935 of its films by Google's radiologists."""
    from train.datasets import metadata

    with gzip.open(films / "reference" / "densenet121_nih_predictions.csv.gz", "rt") as file:
        scored = pd.read_csv(file)
    table = pd.read_csv(metadata() / "Data_Entry_2017_v2020.csv.gz")[["Image Index", "Finding Labels"]]
    google = pd.read_csv(metadata() / "google2019_nih-chest-xray-labels.csv.gz")
    joined = scored.merge(table, on="Image Index").merge(
        google.drop(columns="Finding Labels"), on="Image Index", how="left"
    )
    relabelled = joined["Set Id"].notna().to_numpy()
    assert (len(joined), relabelled.sum()) == (22433, 935)
    expected = {
        "Pneumothorax": (("Pneumothorax",), (9, 9), (13, 5)),
        "Nodule or mass": (("Nodule", "Mass"), (37, 27), (15, 11)),
        "Airspace opacity": (("Infiltration", "Consolidation", "Pneumonia", "Edema"), (54, 36), (62, 58)),
    }
    for name, (labels, positives, negatives) in expected.items():
        given = np.array([any(label in said.split("|") for label in labels) for said in joined["Finding Labels"]])
        none = np.prod([1 - joined[f"prob_{label}"].to_numpy() for label in labels], axis=0)
        flagged = noise.doubt(given.astype(float), 1 - none).flagged & relabelled
        wrong = given != (joined[name] == "YES").to_numpy()
        for side, figures in ((given, positives), (~given, negatives)):
            assert ((flagged & side).sum(), (flagged & side & wrong).sum()) == figures, name


def planted(folder: Path) -> tuple[Subject, dict[int, set[int]]]:
    """Films whose scores tell Effusion, but for five labels turned round per side, and tell Mass not at all."""
    rng = np.random.default_rng(1)
    truth = np.tile([0.0, 1.0], 60)
    turned = {0: {1, 3, 5, 7, 9}, 1: {0, 2, 4, 6, 8}}  # the label that is given now
    given = truth.copy()
    given[list(turned[0] | turned[1])] = 1 - given[list(turned[0] | turned[1])]
    films = films_of(folder, 120, np.stack([given, rng.permutation(truth)], 1).astype(int))
    scores = np.stack([(truth * 2 - 1) * 2 + rng.normal(0, 0.3, 120), -films.targets[:, 1]], 1)
    return Subject(films, scores=scores), turned


def test_planted_errors_are_ranked_apart_by_side(tmp_path):
    subject, turned = planted(tmp_path)
    found = {finding.id: finding for finding in noise.label_noise(subject)}
    given_labels, logits = subject.films.targets[:, 0], subject.scores[:, :1]
    chances = LogisticRegression(C=np.inf).fit(logits, given_labels).predict_proba(logits)[:, 1]
    for given, name in enumerate(("doubtful-negatives", "doubtful-positives")):
        finding = found[name]
        assert {s.film for s in finding.suspects} == turned[given]
        assert {s.label for s in finding.suspects} == {"Effusion"}, "a label that the model cannot tell is left out"
        scores = [s.score for s in finding.suspects]
        assert scores == sorted(scores, reverse=True)
        assert finding.severity is Severity.INFO
        assert "second look" in finding.title
        row = finding.figures["by label"][0]
        assert (row["label"], row["flagged"], row["films"]) == ("Effusion", 5, 60)
        first = finding.suspects[0]
        assert f"{chances[first.film]:.2f}; films" in first.reason
        own = np.where(given_labels == 1, chances, 1 - chances)
        assert first.score == pytest.approx(own[given_labels == given].mean() - own[first.film], abs=1e-3)


def test_masked_soft_and_unscored_labels_are_no_suspects(tmp_path):
    subject, turned = planted(tmp_path)
    subject.films.targets[0, 0], subject.films.targets[1, 0], subject.scores[3, 0] = math.nan, 0.7, math.nan
    suspects = {s.film for finding in noise.label_noise(subject) for s in finding.suspects}
    assert suspects == (turned[0] | turned[1]) - {0, 1, 3}


def test_without_scores_or_with_few_films_nothing_is_said(tmp_path):
    films = films_of(tmp_path)
    assert list(noise.label_noise(Subject(films))) == []
    assert list(noise.label_noise(Subject(films, scores=np.zeros((6, 2))))) == []


# ------------------------------------------------------------------ the record


def findings(many: int = 0) -> tuple[Finding, ...]:
    table = [{"label": EVIL, "share": 0.123456, "known": True, "none": math.nan}, {"label": "Mass", "ci": [0.1, 0.9]}]
    grave = Finding(
        "patient-in-two-splits", Severity.ERROR, f"Half of {EVIL} leaks.", "Split by patient.",
        {"films": np.int64(12345), "share": np.float32(0.5), "by label": table, "pairs": [[1, 2], [3, 4]],
         "by source": {"a": {"films": 3}, "b": {"films": 4}}, "names": ["p", "q"]},
        (Suspect(0, "Mass", f"It says {EVIL}", 0.9), Suspect(1, None, "A copy", 0.8, other=2)),
    )  # fmt: skip
    mild = Finding("view", Severity.WARNING, "The label follows the view.", "Balance the views.", {"odds": math.inf})
    notes = [
        Finding(f"note-{i}", Severity.INFO, f"Fact {i} " + "of a long story " * 9, "Read on.") for i in range(many)
    ]
    return (mild, grave, *notes)


def made(folder: Path, accept=None, many: int = 0) -> tuple[run.Audit, label_tables.Films]:
    films = films_of(folder)

    def check(subject):
        yield from findings(many)

    return run.record(Subject(films), run.audit(Subject(films), (check,)), accept), films


def test_the_gravest_comes_first_and_decides_the_status(tmp_path):
    audit, _ = made(tmp_path)
    assert [f.id for f in audit.findings] == ["patient-in-two-splits", "view"]
    assert audit.status == 2
    assert made(tmp_path, {"patient-in-two-splits": "known"})[0].status == 1
    both = made(tmp_path, {"patient-in-two-splits": "known", "view": "known too"})[0]
    assert both.status == 0
    assert [f.severity for f in both.findings] == [2, 1], "what is accepted keeps its severity"
    assert run.record(Subject(films_of(tmp_path)), ()).status == 0


def test_a_misspelt_acceptance_is_refused(tmp_path):
    with pytest.raises(DataError, match="veiw"):
        made(tmp_path, {"veiw": "known"})


def test_acceptance_needs_a_reason():
    assert run.acceptance(["view:seen: twice"]) == {"view": "seen: twice"}
    for word in ("view", "view:", "view: ", ":why"):
        with pytest.raises(DataError, match="reason"):
            run.acceptance([word])


def test_each_check_is_announced(tmp_path):
    heard = []
    run.audit(Subject(films_of(tmp_path)), (noise.label_noise,), heard.append)
    assert heard == ["label noise"]


def test_the_fingerprint_follows_labels_patients_and_names_but_not_order(tmp_path):
    films = films_of(tmp_path)
    print_ = run.fingerprint(films)
    assert re.fullmatch("[0-9a-f]{64}", print_)
    assert run.fingerprint(films.take(np.arange(6)[::-1])) == print_
    assert run.fingerprint(films.take(np.arange(5))) != print_
    changed = films_of(tmp_path / "other")
    assert run.fingerprint(changed) == print_
    changed.targets[3, 1] = math.nan
    assert run.fingerprint(changed) != print_


# ------------------------------------------------------------------ one screen


@pytest.mark.parametrize("many", [0, 5, 12, 30, 100])
def test_the_text_fits_on_one_screen_and_keeps_what_is_grave(tmp_path, many):
    audit, _ = made(tmp_path, many=many)
    lines = report.text(audit).splitlines()
    assert len(lines) <= report.LINES
    assert max(map(len, lines)) <= report.WIDTH
    text = "\n".join(lines)
    shown = sum(f"note-{i}:" in text for i in range(many))
    left_out = re.search(r"and (\d+) more", text)
    assert shown + (int(left_out[1]) if left_out else 0) == many
    assert "patient-in-two-splits" in lines[2]
    assert lines[2].startswith("error")
    assert ("Split by patient." in text) == (many <= 12)
    assert ("Read on." in text) == (0 < many <= 5)
    assert lines[-1] == f"1 error, 1 warning, {many} notes; 0 accepted. Exit status 2."


def test_what_was_accepted_says_why(tmp_path):
    text = report.text(made(tmp_path, {"view": "a study of views"})[0])
    assert re.search(r"^accepted +view", text, re.MULTILINE)
    assert "-> Accepted: a study of views" in text
    assert "Balance" not in text


# ------------------------------------------------------------------ audit.json and the page


def test_json_is_strict_and_complete(tmp_path):
    audit, films = made(tmp_path, {"view": "known"})
    command.write(audit, films, tmp_path / "out")
    held = json.loads((tmp_path / "out" / "audit.json").read_text(), parse_constant=pytest.fail)
    assert list(held) == [
        "format", "date", "films", "patients", "labels", "fingerprint", "versions", "status", "accepted", "findings",
    ]  # fmt: skip
    assert (held["films"], held["patients"], held["status"], held["accepted"]) == (6, 3, 2, {"view": "known"})
    grave, mild = held["findings"]
    assert grave["figures"]["films"] == 12345
    assert grave["figures"]["by label"][0]["none"] is None
    assert mild["figures"] == {"odds": None}
    assert (grave["accepted"], mild["accepted"]) == (False, True)
    assert grave["suspects"] == [
        {"file": "0.png", "label": "Mass", "reason": f"It says {EVIL}", "score": 0.9, "other": None},
        {"file": "1.png", "label": None, "reason": "A copy", "score": 0.8, "other": "2.png"},
    ]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["audit.html", "audit.json"]


class Read(HTMLParser):
    """Tags, addresses and text of a page; complains about tags that are not closed."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.addresses, self.words, self.inside = [], [], [], []
        self.feed(text)
        assert self.inside == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset", "action", "data")]
        if tag not in self.VOID:
            self.inside.append(tag)

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag

    def handle_data(self, text):
        self.words.append(text)

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def test_the_page_needs_nothing_else_and_takes_no_text_for_code(tmp_path):
    audit, films = made(tmp_path, {"view": EVIL})
    text = page.write(audit, films)
    read = Read(text)
    assert read.count("script") == 0
    assert all(url.startswith(("data:image/jpeg;base64,", "#f")) for url in read.addresses)
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert "http" not in text.replace("http-equiv", "")
    assert "url(" not in text
    words = " ".join(read.words)
    # a title twice, a reason twice, a table's cell, the reason of an acceptance
    assert words.count(EVIL) == 6
    for figure in ("12,345", "0.123", "0.1, 0.9", "0.5"):
        assert figure in words
    assert read.count("img") == 3, "a suspect, and a pair"
    assert words.count("Mass: 1") == 2 * int(films.targets[0, 1])


def test_boxes_lie_where_they_were_drawn(tmp_path):
    films = films_of(tmp_path)
    seen = pictures.picture(films.paths[0], films.boxes[0], 60)
    assert (seen.width, seen.height) == (60, 48)
    assert seen.frames == (pictures.Frame("Mass", 50.0, 50.0, 50.0, 50.0),)
    text = page.write(*made(tmp_path))
    assert '<i style="left:50.0%;top:50.0%;width:50.0%;height:50.0%" title="Mass"></i>' in text


def test_a_picture_shows_the_film(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 100).astype(np.uint8), (80, 1))
    cv2.imwrite(str(tmp_path / "ramp.png"), ramp)
    uri = pictures.picture(tmp_path / "ramp.png", (), 50, quality=95).uri
    import base64

    shown = cv2.imdecode(np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shown.shape == (40, 50)
    assert np.abs(shown.astype(int) - ramp[::2, ::2]).mean() < 4


def test_a_film_that_cannot_be_read_says_so_in_its_place(tmp_path):
    audit, films = made(tmp_path)
    films.paths[0].write_text("no film")
    read = Read(page.write(audit, films))
    assert read.count("img") == 2
    assert "0.png" in " ".join(read.words)
    assert any(attributes.get("class") == "none" for _, attributes in read.tags)


def test_pictures_are_limited_in_all_and_for_one_finding(tmp_path, monkeypatch):
    films = films_of(tmp_path)
    crowd = tuple(Suspect(i % 6, None, f"suspect {i}", other=(i + 1) % 6) for i in range(30))
    audit = run.record(Subject(films), [Finding(f"f{k}", Severity.INFO, "t", suspects=crowd) for k in range(3)])
    monkeypatch.setattr(page, "MOST_PICTURES", 71)
    monkeypatch.setattr(page, "MOST_LISTED", 20)
    text = page.write(audit, films)
    read = Read(text)
    # 24 pairs, then what is left of 71
    assert read.count("img") == 70
    assert text.count("10 more are in audit.json") == 3
    assert Read(page.write(audit, films, pictures=False)).count("img") == 0


# ------------------------------------------------------------------ the command


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


def test_the_command_writes_says_and_returns_the_status(tmp_path, monkeypatch):
    films = films_of(tmp_path)
    seen = []

    def check(subject):
        seen.append(subject)
        yield from findings()

    monkeypatch.setattr(run, "CHECKS", (check,))
    (tmp_path / "split.csv").write_text(
        "file,split\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in reversed(range(6)))
    )
    order = np.arange(6)[::-1]
    np.savez(
        tmp_path / "out_of_fold.npz",
        logits=np.stack([order, order * 10.0, order * 100.0], 1),
        files=films.names[order],
        labels=["Hernia", "Mass", "Effusion"],
    )
    lines = []
    status = command.run(
        arguments(
            "--split", str(tmp_path / "split.csv"), "--scores", str(tmp_path / "out_of_fold.npz"), "--backbone", "x",
            "--out", str(tmp_path / "out"), "--accept", "patient-in-two-splits:so it is",
        ),
        films, say=lines.append,
    )  # fmt: skip
    assert status == 1
    assert seen[0].split.tolist() == list("ababab")
    np.testing.assert_array_equal(seen[0].scores, np.stack([np.arange(6) * 100.0, np.arange(6) * 10.0], 1))
    assert seen[0].backbone == "x"
    assert "accepted patient-in-two-splits" in lines[0]
    assert json.loads((tmp_path / "out" / "audit.json").read_text())["status"] == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--split", "labels.csv"], "column 'split'"),
        (["--split", "none.csv"], "none.csv"),
        (["--split", "short.csv"], r"does not know 5 of 6 films, e.g. 1.png"),
        (["--scores", "labels.csv"], "out-of-fold"),
        (["--accept", "view"], "reason"),
        (["--review", "--corrections", "labels.csv"], "--corrections"),
    ],
)
def test_what_does_not_fit_the_films_is_refused_by_name(tmp_path, monkeypatch, words, complaint):
    films = films_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("short.csv").write_text("file,split\n0.png,a\n")
    with pytest.raises(DataError, match=complaint):
        command.run(arguments(*words), films)
