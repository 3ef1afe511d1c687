"""The audit of image files, against defects planted in real films, or in pictures drawn at random."""

from functools import cache

import cv2
import numpy as np
import pytest

from cxr_demo.films.label_tables import read_tables
from tests.support.defects import COPIES, plant_copies, spoil
from train.audit import duplicates, orientation, thumbs
from train.audit.base import Severity, Subject
from train.audit.thumbs import look
from train.demo import draw

EACH = 50
#: The least recall of a defect.
ENOUGH = dict.fromkeys(COPIES, 0.95) | dict.fromkeys(("mirrored", "inverted", "turned"), 0.9)


@pytest.fixture(scope="module", autouse=True)
def _each_file_is_read_once():
    """Tests plant defects in new files and leave the films as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thumbs, "_look", cache(thumbs._look))
        yield


@pytest.fixture(scope="module")
def real(films):
    return read_tables([films / "nih" / "labels.csv"], ["Pneumothorax"])


@pytest.fixture
def clouds(tmp_path):
    """120 pictures of smooth noise, each its own."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    rows = ["file,patient_id,Mass"]
    for i in range(120):
        smooth = cv2.GaussianBlur(rng.normal(size=(256, 256)), None, 12)
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX))
        rows.append(f"{i}.png,p{i},0")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    return read_tables([tmp_path / "labels.csv"], ["Mass"])


def _copies_found(films, tmp_path, each):
    """Recall by defect, and the share of films wrongly said to be copies."""
    planted = plant_copies(films, tmp_path, each)
    found = {(copy.film, copy.other) for copy in duplicates.find(look(planted.films))}
    recall = {
        name: np.mean([(row, planted.source[row]) in found for row in rows]) for name, rows in planted.rows.items()
    }
    wrong = {film for film, other in found if planted.source[film] != other}
    return recall, len(wrong) / len(planted.films)


def test_copies_of_real_films_are_found(real, tmp_path):
    recall, wrong = _copies_found(real, tmp_path, EACH)
    assert all(recall[name] >= enough for name, enough in ENOUGH.items()), recall
    assert wrong <= 0.01


def test_copies_of_drawn_pictures_are_found(clouds, tmp_path):
    recall, wrong = _copies_found(clouds, tmp_path, 20)
    assert min(recall.values()) == 1
    assert wrong == 0


def _suspects(films):
    found = {finding.id: finding for finding in orientation.orientation(Subject(films))}
    rows = {id_: {suspect.film for suspect in finding.suspects} for id_, finding in found.items()}
    return found, {name: rows.get(f"{name}-films", set()) for name in ("mirrored", "inverted", "turned")}


def test_real_films_that_lie_wrong_are_found(real, tmp_path):
    planted = spoil(real, tmp_path, EACH)
    findings, rows = _suspects(planted.films)
    recall = {name: np.mean([row in rows[name] for row in planted.rows[name]]) for name in rows}
    assert recall["inverted"] >= 0.9
    assert recall["turned"] >= 0.9
    # without the other copy beside it, a mirrored film must be told by its anatomy alone
    assert recall["mirrored"] >= 0.75
    spoiled = set(np.concatenate(list(planted.rows.values())).tolist())
    assert len(set.union(*rows.values()) - spoiled) <= 0.01 * len(real)
    assert findings["turned-films"].severity is Severity.WARNING


def test_mirrored_and_inverted_films_that_came_with_the_collection_are_found(real):
    _, rows = _suspects(real)
    names = {real.names[row] for row in rows["mirrored"]}
    # marker, heart and arch of these say so to the eye
    assert {"00020440_000.jpg", "00000449_003.jpg", "00000139_002.jpg", "00002645_002.jpg"} <= names
    # letters are black on these two, lungs white
    assert {real.names[row] for row in rows["inverted"]} == {"00017999_000.jpg", "00017625_000.jpg"}


def test_drawn_films_that_lie_wrong_are_found(tmp_path):
    labels = draw(tmp_path / "labels.csv")
    films = read_tables([tmp_path / "labels.csv"], labels)
    planted = spoil(films, tmp_path, 8)
    _, rows = _suspects(planted.films)
    for name, spoiled in planted.rows.items():
        assert rows[name] >= set(spoiled.tolist()), name
    assert len(set.union(*rows.values())) <= 24 + 0.01 * len(films)


def test_few_films_say_nothing(clouds):
    assert not list(orientation.orientation(Subject(clouds.take(np.arange(orientation.FEWEST - 1)))))
