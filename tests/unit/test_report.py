"""What leaves the program: pictures that say what they show, wherever they go."""

import dataclasses
import json
import re

import cv2
import numpy as np
import pytest
from PIL import Image

import cxr_demo
from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.films import image
from cxr_demo.output import export, render, report
from cxr_demo.output.result import Result
from cxr_demo.types import Unit
from tests.support import planted

FILM = planted.film(np.pad(planted.pixels().clip(0, 1), ((0, 0), (40, 60))), name="Åse.png")
CHOSEN = (methods.GradCAM(), methods.LIME(samples=100), methods.LayerCAM())


@pytest.fixture(scope="module")
def made():
    """The prediction of a wide film, and its maps by method."""
    case = Case(planted.classifier(), FILM)
    explanations = [list(case.explain(method))[-1] for method in CHOSEN]
    return case.predict(), {e.method: e for e in explanations}


def result_of(made, film=FILM, keys=("gradcam", "lime", "layercam")):
    prediction, explanations = made
    model = planted.classifier()
    return Result(model.name, model.spec, film, prediction, [explanations[key] for key in keys], 0, (), None)


def legend(made, key="gradcam", i=0, film=FILM, **changed):
    prediction, explanations = made
    return report.legend(film, dataclasses.replace(prediction, **changed), explanations[key], i, 0.5)


def test_a_saved_picture_is_the_overlay_with_what_it_shows_below(made, tmp_path):
    prediction, explanations = made
    export.save(tmp_path, result_of(made), ["Right", "Left"])
    assert len(list(tmp_path.glob("*.png"))) == 2 * len(CHOSEN)
    for key, e in explanations.items():
        limit = render.limit_of(e.values[:2])
        for i, label in enumerate(planted.LABELS[:2]):
            read = cv2.imread(str(tmp_path / f"{key}-{label}.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
            unsure = render.unsteady(e.values, e.sure)
            hatched = None if unsure is None else image.place(unsure[i], FILM, smooth=False) == 1
            bare = render.overlay(FILM.pixels, image.place(e.values[i], FILM), limit=limit, unit=e.unit, unsure=hatched)
            np.testing.assert_array_equal(read[: len(bare)], bare)
            told = report.legend(FILM, prediction, e, i, limit)
            np.testing.assert_array_equal(read, render.captioned(bare, told))
            assert len(read) > len(bare)


def test_a_saved_picture_alone_tells_how_to_make_it_again(made, tmp_path):
    prediction, explanations = made
    film = dataclasses.replace(FILM, name="Åse\n\udcff胸.png", correction="turn over")
    export.save(tmp_path, result_of(made, film, ["lime"]), ["Right", "Left"])
    texts = Image.open(tmp_path / "lime-Right.png").text
    assert texts["Title"] == legend(made, "lime", 1).title
    assert texts["Software"] == f"cxr_demo {cxr_demo.__version__}"
    told = json.loads(texts["Description"])
    assert methods.method(told["method"], told["settings"]) == CHOSEN[1]
    assert told["settings"]["seed"] == 0
    assert (told["file"], told["sha256"], told["correction"]) == (film.name, film.sha256, "turn over")
    assert (told["model"], told["label"]) == ("test:planted@1", "Right")
    assert told["probability"] == pytest.approx(float(prediction.probabilities[1]))
    assert told["full_colour"] == render.limit_of(explanations["lime"].values[:2])
    assert told["versions"] == report.versions()


def test_a_legend_says_what_the_folder_would(made):
    prediction, _ = made
    told = legend(
        made, labels=("Pleural_Thickening", *planted.LABELS[1:]), warnings=("It lies on its side.", "It is flat.")
    )
    assert told.title == f"Grad-CAM · Pleural Thickening · probability {report.percent(prediction.probabilities[0])}"
    assert (told.unit, told.limit) == (Unit.LOGIT, 0.5)
    assert told.notes[0] == "Colours: logits per 1/49 of the view"
    assert {"⚠ It lies on its side.", "⚠ It is flat."} < set(told.notes)
    assert told.notes[-3:] == ("Model test:planted@1", "File Åse.png", report.NOTICE)
    assert legend(made, "layercam").notes[0] == "Colours: ranking only"


def test_a_legend_explains_hatching_where_there_is_some(made):
    says = "Dark dots: the sign is uncertain"
    assert says not in legend(made, "gradcam").notes
    prediction, explanations = made
    for sure, said in ((0.1, True), (1, False)):
        lime = dataclasses.replace(explanations["lime"], sure=np.full_like(explanations["lime"].values, sure))
        assert (says in report.legend(FILM, prediction, lime, 0, 0.5).notes) == said


def test_a_legend_gives_settings_and_says_that_a_map_is_blurred_or_unfinished(made):
    prediction, explanations = made
    lime = explanations["lime"]
    settings = next(note for note in legend(made, "lime").notes if note.startswith("Settings: "))
    assert f"samples {lime.settings['samples']}" in settings
    assert not any("blurred" in note or "copies" in note for note in legend(made, "gradcam").notes)
    stopped = dataclasses.replace(lime, stopped="Stopped.", complete=False, steps=(40, 400), grain=1 / 21)
    notes = report.legend(FILM, prediction, stopped, 0, 0.5).notes
    assert "Shown blurred by 1/21 of the view's side" in notes
    assert "Stopped. Estimate from 40 of 400 copies; uncertainty not measured." in notes
    nothing = dataclasses.replace(stopped, forwards=0)
    assert "Stopped. There is no map." in report.legend(FILM, prediction, nothing, 0, 0.5).notes


def test_the_expected_sum_is_that_of_the_method():
    model, film = planted.classifier(), planted.film()
    case, method = Case(model, film), methods.method("ig", {"steps": 8, "fill": "black"})
    found = case.last_explanation(method)
    np.testing.assert_allclose(report.expected_sum(found), method.expected_sums(case.scorer()), atol=1e-4)


def test_long_names_keep_both_ends_and_a_commit_its_beginning(made):
    commit = "0123456789abcdef0123456789abcdef01234567"
    film = dataclasses.replace(FILM, name=f"first{'x' * 5000}last.dcm")
    model, file, _ = legend(made, film=film, model=f"owner/name@{commit}").notes[-3:]
    assert model == "Model owner/name@0123456789ab"
    assert re.fullmatch("File firstx+…x+last.dcm", file)
    assert len(file) == 69
    model = legend(made, model=f"./first{'/folder' * 50}@{commit}").notes[-3]
    assert re.fullmatch(r"Model \./first.*….*/folder@0123456789ab", model)
    labels = ("L" * 500, *planted.LABELS[1:])
    assert len(legend(made, labels=labels).title) < 120


@pytest.mark.parametrize(("p", "said"), [(0.004, "0.4 %"), (0.0994, "9.9 %"), (0.0996, "10 %"), (0.734, "73 %")])
def test_probabilities_are_written_as_on_the_page(p, said):
    assert report.percent(p) == said


def test_maps_of_single_pixels_are_blurred_for_display_alone():
    values = np.zeros((3, 63, 63), np.float32)
    values[0, 31, 31] = 1
    explained = planted.explanation(values, grain=1 / 21)
    shown = report.displayed(explained)
    assert explained.values[0, 31, 31] == 1
    assert shown.values[0, 31, 31] == pytest.approx(1 / (2 * np.pi * 9), rel=0.05), "a Gaussian of three pixels"
    np.testing.assert_allclose(shown.values.sum((1, 2)), values.sum((1, 2)), atol=1e-5)
    plain = planted.explanation(values)
    assert report.displayed(plain) is plain
