"""The audit of image files, against defects planted in real films, or in pictures drawn at random."""

import cv2
import numpy as np
import pytest
from sklearn.svm import SVC

from cxr_demo.films.gate import edges
from cxr_demo.films.label_tables import read_tables
from tests.support.defects import COPIES, plant_copies, spoil
from train import cache
from train.audit import duplicates, files, orientation, thumbs
from train.audit.base import Severity, Subject
from train.demo import draw

EACH = 50
#: The least recall of a defect.
ENOUGH = dict.fromkeys(COPIES, 0.95) | dict.fromkeys(("mirrored", "inverted", "turned"), 0.9)


def decoded(films):
    return cache.decode(films, 32, cache.shared_folder())


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
    pairs = [sorted((copy.film, copy.other)) for copy in duplicates.find(decoded(planted.films))]
    found = {(later, earlier) for earlier, later in pairs}
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


def test_of_two_copies_the_smaller_is_the_one_to_leave_out(clouds):
    for row, side in ((2, 100), (7, 100)):
        pixels = cv2.imread(str(clouds.paths[7]), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(clouds.paths[2]), pixels)
        cv2.imwrite(str(clouds.paths[row]), cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA))
        (copy,) = duplicates.find(decoded(clouds))
        assert (copy.film, copy.other) == (row, 9 - row)
        cv2.imwrite(str(clouds.paths[7]), pixels)


def test_copies_in_another_table_at_another_size_are_found(films):
    tables = [films / name / "labels.csv" for name in ("nih", "nih64", "nih_rsna")]
    three = read_tables(tables, ["Pneumothorax"])
    three = three.take(np.isin(three.patients, three.patients[three.sources == "nih_kcr64"]))
    (finding,) = duplicates.copies(Subject(three, decoded=decoded(three)))
    assert finding.id == "copies-of-one-patient"
    assert set(three.sources[[suspect.film for suspect in finding.suspects]]) == {"nih_kcr64"}
    names = [path.stem for path in three.paths]
    twice = {name for name in names if names.count(name) > 1}
    assert {names[suspect.film] for suspect in finding.suspects} == twice
    assert len(twice) == 9


def _suspects(films):
    found = {finding.id: finding for finding in orientation.orientation(Subject(films, decoded=decoded(films)))}
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


def _spoilt(clouds, defect):
    """Films of which number 7 has a defect."""
    path = clouds.paths[7]
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if defect == "copy":
        path.write_bytes(clouds.paths[2].read_bytes())
    elif defect == "mirrored copy":
        cv2.imwrite(str(path), cv2.imread(str(clouds.paths[2]), cv2.IMREAD_GRAYSCALE)[:, ::-1])
    else:
        changed = {
            "flat": 100 + pixels // 64,
            "colour": cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR),
            "small": cv2.resize(pixels, (100, 100)),
            "wide": cv2.resize(pixels, (900, 256)),
        }
        cv2.imwrite(str(path), changed.get(defect, pixels))
    if defect == "cut off":
        path.write_bytes(path.read_bytes()[:99])
    return Subject(clouds, decoded=decoded(clouds))


@pytest.mark.parametrize(
    ("check", "defect", "id_", "reason"),
    [
        (files.unreadable, "cut off", "unreadable-files", "7.png"),
        (files.flat, "flat", "flat-films", "Its grey values spread by"),
        (files.kinds, "colour", "mixed-files", "It is stored as PNG RGB, most as PNG L."),
        (files.small, "small", "small-films", "It has 100 x 100 pixels."),
        (files.unusual, "wide", "unusual-sizes", "It has 900 x 256 pixels."),
        (duplicates.copies, "copy", "copies-across-patients", "Has the same pixels as 2.png of patient p2"),
        (duplicates.copies, "mirrored copy", "copies-across-patients", "Looks like a copy, mirrored, of 2.png"),
    ],
)
def test_a_planted_film_is_suspected_with_its_reason(clouds, check, defect, id_, reason):
    assert not list(check(Subject(clouds, decoded=decoded(clouds))))
    (finding,) = check(_spoilt(clouds, defect))
    assert finding.id == id_
    (suspect,) = finding.suspects
    assert suspect.film == 7
    assert reason in suspect.reason
    assert not list(check(Subject(clouds))), "without files it says nothing"


def test_few_films_say_nothing(clouds):
    few = clouds.take(np.arange(orientation.FEWEST - 1))
    assert not list(orientation.orientation(Subject(few, decoded=decoded(few))))


def _pixels(how):
    """The transform of thumbnails that an order of columns stands for."""
    return thumbs.inverted if how == "inverted" else thumbs.TURNED[how]


@pytest.mark.parametrize("how", orientation.DEFECTS)
def test_edges_of_transformed_films_are_those_of_the_films_in_another_order(clouds, how):
    seen = decoded(clouds).thumbs
    made, undone = orientation.DEFECTS[how]
    found = edges(seen)
    np.testing.assert_allclose(found[:, undone], edges(_pixels(how)(seen)), atol=2e-4)
    assert (found[:, made][:, undone] == found).all()


def test_decisions_are_those_of_the_machine():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 20)), rng.integers(0, 2, 300)
    machine = SVC(C=5.0, gamma=0.05).fit(x, y)
    others = rng.normal(size=(50, 20))
    np.testing.assert_allclose(orientation.decisions(machine, others), machine.decision_function(others), atol=1e-9)
