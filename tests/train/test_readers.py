"""Second opinions: whom they doubt, and whose boxes count."""

import numpy as np
import pytest

from cxr_demo.errors import DataError
from cxr_demo.films import label_tables, phantom
from train import readers

TABLE = """file,patient_id,Mass,Nodule,reader,opacities
a.png,1,1,0,Normal,
b.png,2,1,1,Opacity,"[{""x"": 1, ""y"": 2, ""w"": 3, ""h"": 4}]"
c.png,3,0,,,"[{""x"": 1, ""y"": 2, ""w"": 3, ""h"": 4}]"
"""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Three films with two findings, and the columns of a second reader."""
    folder = tmp_path_factory.mktemp("films")
    for name in "abc":
        (folder / f"{name}.png").write_bytes(phantom.png("normal", 64))
    (folder / "labels.csv").write_text(TABLE)
    return label_tables.read_tables([folder / "labels.csv"], ["Mass", "Nodule"], images=folder)


def test_findings_of_films_called_normal_move_towards_absent(films):
    normal = readers.called_normal(films, "reader=Normal")
    assert normal.tolist() == [True, False, False]
    found = readers.doubted(films.targets, normal, 0.75)
    np.testing.assert_array_equal(found, [[0.25, 0], [1, 1], [0, np.nan]])


def test_boxes_without_a_finding_are_of_the_present_ones_among_the_named(films):
    found = readers.with_hints(films, "opacities=Nodule,Mass").boxes
    assert [[box.label for box in drawn] for drawn in found] == [[], ["Nodule", "Mass"], []]
    assert found[1][0].edges == (1, 2, 4, 6)
    assert [len(drawn) for drawn in readers.with_hints(films, "opacities=Mass").boxes] == [0, 1, 0]


@pytest.mark.parametrize(
    ("ask", "rule", "said"),
    [
        (readers.called_normal, "reader", "should be COLUMN=VALUE"),
        (readers.called_normal, "doctor=Normal", "no column 'doctor'; they have opacities, reader"),
        (readers.called_normal, "reader=normal", "no film has 'normal'"),
        (readers.with_hints, "opacities", "should be COLUMN=FINDING"),
        (readers.with_hints, "opacities=Hernia", "Hernia is not trained on"),
        (readers.with_hints, "reader=Mass", "reader holds no list of boxes"),
    ],
)
def test_a_rule_that_does_not_fit_is_named(films, ask, rule, said):
    with pytest.raises(DataError, match=said):
        ask(films, rule)
