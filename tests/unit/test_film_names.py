"""Names of films: ends of paths, unique, and found again."""

from pathlib import Path

import pytest

from cxr_demo.errors import DataError
from cxr_demo.films import film_names

CHEXPERT = [Path(f"/films/p{p}/study{s}/view1_frontal.jpg") for p in (1, 2) for s in (1, 2)]


def test_a_name_has_as_many_folders_as_all_names_need():
    assert film_names.unique([Path("a/x.png"), Path("b/y.png")]) == ("x.png", "y.png")
    assert film_names.unique([Path("a/x.png"), Path("b/x.png")]) == ("a/x.png", "b/x.png")
    assert film_names.unique(CHEXPERT)[0] == "p1/study1/view1_frontal.jpg"
    assert film_names.unique([]) == ()


def test_names_find_their_films_with_more_or_fewer_folders():
    names = ["p2/study1/view1_frontal.jpg", r"films\p1\study2\view1_frontal.jpg", "p9/study1/view1_frontal.jpg"]
    assert film_names.rows(names, CHEXPERT, "list.csv") == {names[0]: 2, names[1]: 1}


def test_a_name_that_fits_several_films_is_refused():
    with pytest.raises(DataError, match=r"list\.csv: study1/view1_frontal\.jpg fits 2 films, e\.g\. .*p1.* and .*p2"):
        film_names.rows(["study1/view1_frontal.jpg"], CHEXPERT, "list.csv")


def test_the_ending_may_differ_unless_a_film_has_it():
    paths = [Path("a.dcm"), Path("b.png"), Path("b.dcm"), Path("1.2.840")]
    assert film_names.rows(["a.png", "b.dcm", "1.2.840.png", "1.2"], paths, "x") == {
        "a.png": 0, "b.dcm": 2, "1.2.840.png": 3,
    }  # fmt: skip
    assert film_names.rows(["b.png", "b.jpeg"], [Path("b.png")], "x") == {"b.png": 0}, "its own name is the one"
    with pytest.raises(DataError, match=r"x: b\.jpg fits 2 films, e\.g\. b\.png and b\.dcm"):
        film_names.rows(["b.jpg"], paths, "x")
