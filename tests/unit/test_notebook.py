"""What a cell of a notebook shows: read as HTML, its pictures decoded, and looked at in a real browser."""

import dataclasses
import json
import re
from html import escape

import cv2
import numpy as np
import pytest
from PIL import Image

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.errors import BadSetting, UnknownLabel
from cxr_demo.films import image
from cxr_demo.output import notebook, render, report
from cxr_demo.types import Unit
from tests.support import planted
from tests.support.notebook import HOSTILE, Seen, hostile, pixels_of
from tests.support.notebook import explained as planted_cell


@pytest.fixture(scope="module")
def explained():
    return planted_cell()


def test_everything_that_a_reader_needs_is_said(explained):
    seen = Seen(explained.of("Left", "Against")._repr_html_())
    for said in (
        "wide.png", "564 × 384 pixels", "⚠ It was scanned upside down.", "test:planted@1", "Left", "Against",
        "Grad-CAM", "LIME", "Occlusion", "LayerCAM", "logits per 1/49 of the view", "ranking only",
        "window 32, stride 16", "samples 100", "R² ", "forward pass", "not for clinical use",
    ):  # fmt: skip
        assert said in seen.text, said
    assert "Incomplete" not in seen.text
    assert all(i["alt"] for i in seen.images)


def test_pictures_are_the_films_and_maps_own_pixels(explained):
    """Two truths: the same overlay made here, of the film at the size it is shown in."""
    labels = ("Left", "Against")
    seen = Seen(explained.of(*labels)._repr_html_())
    pixels = cv2.resize(explained.film.pixels, (256, 174), interpolation=cv2.INTER_AREA)
    small = dataclasses.replace(explained.film, pixels=pixels, crop=image.centre_square(174, 256))
    rows = [seen.maps[k : k + 5] for k in (0, 5)]
    for label, (film, *maps) in zip(labels, rows, strict=True):
        i = planted.LABELS.index(label)
        view = np.s_[:, 41 : 41 + 174]
        np.testing.assert_array_equal(film[view], np.rint(255 * pixels)[view])
        assert np.median(film[:, :41]) < 0.5 * 255 * pixels[:, :41].mean(), "what the model does not see is dim"
        for e, shown in zip(explained.explanations, maps, strict=True):
            hatched = None
            if e.sure is not None:
                hatched = image.place(render.unsteady(e.values, e.sure)[i], small, smooth=False) == 1
            limit = render.limit_of(e.values[[planted.LABELS.index(name) for name in labels]])
            placed = image.place(e.values[i], small)
            wanted = render.overlay(pixels, placed, limit=limit, unit=e.unit, unsure=hatched)
            np.testing.assert_array_equal(shown, wanted)


def test_scales_are_signed_or_ranks(explained):
    seen = Seen(explained.of("Left")._repr_html_())
    bars = [pixels_of(i["src"]) for i in seen.images if i["class"] == "bar"]
    for e, bar in zip(explained.explanations, bars, strict=True):
        np.testing.assert_array_equal(bar, render.scale_bar(e.unit, bar.shape[1]))
    limits = [np.abs(e.values[0]).max() for e in explained.explanations if e.unit is Unit.LOGIT]
    ends = re.findall(r"−([\d.]+) against 0 for \+([\d.]+)", seen.text)
    np.testing.assert_allclose(np.array(ends, float), np.transpose([limits, limits]), rtol=0.01)
    assert len(ends) == 3
    assert seen.text.count("nothing highest") == 1
    assert seen.text.count("from ") == 3, "the numbers of a ranking mean nothing"


def test_a_map_of_nothing_says_so(explained):
    text = Seen(explained.of("Left", "Nothing")._repr_html_()).text
    assert text.count("nothing to see at this scale") == 4
    assert "nan" not in text, "there is no R2 where nothing varies"


def test_unsure_places_are_hatched_and_said(explained):
    lime = explained.explanations[1]
    sure = np.ones_like(lime.values)
    steady, unsteady = (
        dataclasses.replace(explained, explanations=[dataclasses.replace(lime, sure=s)], labels=["Left"])
        for s in (sure, 0 * sure)
    )
    plain, hatched = (Seen(e._repr_html_()) for e in (steady, unsteady))
    assert "dotted" not in plain.text
    assert "dotted: the sign is uncertain" in hatched.text
    darker = hatched.maps[1].astype(int).sum(2) < plain.maps[1].astype(int).sum(2)
    assert 0.005 < darker.mean() < 0.2


def test_a_map_that_is_not_complete_says_so():
    case = Case(planted.classifier(), planted.film())
    first, *_, last = case.explain(methods.Occlusion())
    assert not first.complete
    early = dataclasses.replace(first, stopped="Stopped at the limit of 2 seconds.")
    shown = notebook.Explained(case, case.predict(), (early, last), ["Left"])
    done, asked = first.steps
    text = Seen(shown._repr_html_()).text
    said = f"Stopped at the limit of 2 seconds. Estimate from {done} of {asked} copies; uncertainty not measured."
    assert f"Incomplete. {said}" in text
    assert text.count("Incomplete") == 1


def test_where_there_is_no_map_no_empty_one_is_shown():
    shown = notebook.explain(planted.classifier(), planted.film(), methods.Occlusion(), seconds=0)
    seen = Seen(shown._repr_html_())
    assert "Incomplete. Stopped at the limit of 0 seconds. There is no map." in seen.text
    assert len(seen.images) == 1, "the film alone, and no scale"


def test_another_finding_costs_nothing():
    model = planted.classifier()
    shown = notebook.explain(model, planted.film(), methods.GradCAM())
    assert shown.labels == ("Right",), "the most probable one"
    before = model.images()
    assert "Against" in Seen(shown.of("against")._repr_html_()).text
    assert model.images() == before
    with pytest.raises(UnknownLabel, match="'Measles' is not predicted by this model; choose one of Left"):
        shown.of("Measles")


def test_a_wrong_setting_is_answered_before_any_work():
    model = planted.classifier()
    with pytest.raises(BadSetting, match="window=7000"):
        notebook.explain(model, planted.film(), methods.GradCAM(), methods.Occlusion(window=7000))
    assert model.images() == 0


def test_the_defaults_are_the_pages(monkeypatch):
    monkeypatch.setattr(methods, "DEFAULTS", (methods.GradCAM, methods.LayerCAM))
    shown = notebook.explain(planted.classifier(), planted.film())
    assert [e.method for e in shown.explanations] == ["gradcam", "layercam"]
    assert repr(shown) == "<planted.png: Right by Grad-CAM, LayerCAM of test:planted@1>"


def test_it_is_saved_as_the_command_line_saves_it(tmp_path):
    shown = notebook.explain(planted.classifier(), planted.film(), methods.GradCAM()).of("Left", "Against")
    shown.save(tmp_path / "new")
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"result.json", "maps.npz", "report.html", "gradcam-Left.png", "gradcam-Against.png"}
    fields = json.loads((tmp_path / "new" / "result.json").read_text())
    assert fields["pictures"]["labels"] == ["Left", "Against"]
    assert fields["methods"]["gradcam"]["trust"]["verdict"][0] == "supported"
    with np.load(tmp_path / "new" / "maps.npz") as maps:
        np.testing.assert_array_equal(maps["gradcam"], shown.explanations[0].values)


def test_one_picture_has_the_film_and_its_maps_in_a_row(tmp_path):
    shown = notebook.explain(planted.classifier(), planted.film(), methods.GradCAM(), methods.Occlusion()).of("Against")
    shown.save_picture(tmp_path / "row.png", side=64)
    picture = np.asarray(Image.open(tmp_path / "row.png")).astype(int)
    film = image.shrunk(shown.film, 64)
    height, width = film.pixels.shape
    assert picture.shape[1] == 3 * width
    np.testing.assert_array_equal(picture[:height, :width, 1], np.rint(255 * film.pixels))
    i = shown.prediction.labels.index("Against")
    for k, explanation in enumerate(map(report.displayed, shown.explanations), 1):
        alone = report.picture(film, explanation, i, render.limit_of([explanation.values[i]]))
        np.testing.assert_array_equal(picture[:height, k * width : (k + 1) * width], alone)
    assert (picture[height:] < 128).any(), "legends"


def test_maps_that_would_overwrite_each_other_are_not_saved(tmp_path):
    twice = (methods.GradCAM(), methods.GradCAM())
    with pytest.raises(BadSetting, match="twice"):
        notebook.explain(planted.classifier(), planted.film(), *twice).save(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_words_from_outside_stay_words(explained):
    html = hostile(explained)._repr_html_()
    seen = Seen(html)
    assert {tag for tag, _ in seen.elements} <= {
        "div", "style", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "b", "s", "br", "span", "strong", "img",
    }  # fmt: skip
    assert all(
        name in ("class", "style", "scope", "width", "height", "alt", "src") for _, a in seen.elements for name in a
    )
    assert all(i["src"].startswith("data:image/png;base64,") for i in seen.images)
    assert html.count(escape(HOSTILE)) >= 10
    assert "mathjax_ignore" in seen.elements[0][1]["class"]


def test_it_is_small_and_asks_nobody(explained):
    html = explained.of("Left")._repr_html_()
    assert len(html) < 700_000
    assert not re.search(r"https?:|url\(|@import|<script|\son\w+=", html)
