"""Occlusion against a plain loop over windows, and against what is known of a linear model."""

import cv2
import numpy as np
import pytest
import torch

from cxr_demo.case import Case
from cxr_demo.errors import BadSetting
from cxr_demo.evaluation import trust
from cxr_demo.films import phantom
from cxr_demo.inference.scoring import Budget, Scorer
from cxr_demo.methods import Occlusion, method
from cxr_demo.methods.fill import fill_of
from cxr_demo.methods.occlusion import Windows
from cxr_demo.output import render
from cxr_demo.types import REFERENCE_AREA
from tests.support import planted

SETTINGS = [(32, 16), (32, 32), (24, 16), (16, 4), (96, 64), (24, 8), (32, 10)]


def final(model, film, **settings):
    *_, result = Case(model, film).explain(Occlusion(**settings))
    return result


def plain_loop(film, size, window, stride):
    """One copy at a time with a black window, on the numbers of the film alone."""
    carried = planted.density(film.pixels)
    sums, counts = np.zeros_like(carried), np.zeros((size, size))
    for top in range(stride - window, size, stride):
        for left in range(stride - window, size, stride):
            place = np.s_[max(top, 0) : max(top + window, 0), max(left, 0) : max(left + window, 0)]
            area = counts[place].size
            drop = carried[(..., *place)].sum((1, 2))
            sums[(..., *place)] += drop[:, None, None] * (size**2 / 49) / area
            counts[place] += 1
    return sums / counts, counts


@pytest.mark.parametrize(("window", "stride"), SETTINGS)
def test_a_linear_model_loses_what_the_window_covers(window, stride):
    film = planted.film()
    result = final(planted.classifier(), film, window=window, stride=stride, scored=100, fill="black")
    expected, _ = plain_loop(film, planted.SIZE, window, stride)
    np.testing.assert_allclose(result.values, expected, atol=2e-5)
    assert result.forwards == 1 + len(range(stride - window, planted.SIZE, stride)) ** 2


@pytest.mark.parametrize("fill", ["blurred", "wide", "mirror", "mean", "black"])
def test_the_drop_is_that_of_the_altered_film(fill):
    """The model itself on whole films put together by hand, for each kind of cover."""
    model, film = planted.classifier(), planted.film()
    covers = {
        "black": np.zeros_like(film.pixels),
        "mean": np.full_like(film.pixels, film.pixels.mean()),
        "blurred": cv2.GaussianBlur(film.pixels, (0, 0), planted.SIZE / 16, borderType=cv2.BORDER_REFLECT),
        "wide": cv2.GaussianBlur(film.pixels, (0, 0), planted.SIZE / 4, borderType=cv2.BORDER_REFLECT),
        "mirror": film.pixels[:, ::-1],
    }
    whole = Case(model, film).predict().logits
    sums, counts = np.zeros((4, 128, 128)), np.zeros((128, 128))
    for top in range(0, 128, 32):
        for left in range(0, 128, 32):
            place = np.s_[top : top + 32, left : left + 32]
            altered = film.pixels.copy()
            altered[place] = covers[fill][place]
            sums[(..., *place)] = (whole - Case(model, planted.film(altered)).predict().logits)[:, None, None]
            counts[place] += 1
    result = final(model, film, window=32, stride=32, fill=fill)
    np.testing.assert_allclose(result.values, sums * 16 / 49, atol=2e-5)  # a window is 1/16 of the view


def test_the_normal_phantom_shows_the_effect_of_the_planted_finding():
    """A linear model: the map adds up to the difference between the two phantoms, and is 0 where they are alike."""
    drawn = phantom.PHANTOMS["heart"].film()
    spots = {"Heart": planted.Spot(60, 60, 5.0)}
    model = planted.classifier(spots)
    values = final(model, drawn, window=32, stride=32, scored=100, fill="normal").values[0]
    with_finding, without = (
        Case(model, phantom.PHANTOMS[key].film()).predict().logits[0] for key in ("heart", "normal")
    )
    assert with_finding != pytest.approx(without, abs=0.01)
    assert values.mean() * 49 == pytest.approx(with_finding - without, abs=1e-3)
    assert np.abs(values[:32]).max() < 1e-6


def test_only_a_phantom_is_known_without_its_finding():
    for film in (planted.film(), phantom.PHANTOMS["normal"].film()):
        with pytest.raises(BadSetting, match="fill=normal needs a phantom with a planted finding") as refused:
            final(planted.classifier(), film, fill="normal")
        assert refused.value.field == "fill"


@pytest.mark.parametrize(("window", "stride"), [(32, 16), (32, 32), (16, 4)])
@pytest.mark.parametrize("fill", ["blurred", "black"])
def test_windows_add_up_to_covering_everything(window, stride, fill):
    """No place counts more than another, the border neither: then the map adds up as a class activation map does."""
    model, film = planted.classifier(), planted.film(np.random.default_rng(0).random((128, 128)))
    result = final(model, film, window=window, stride=stride, scored=100, fill=fill)
    x = torch.from_numpy(film.pixels * 2048 - 1024)[None, None]
    covered = model.logits(fill_of(fill, Scorer(model, x, Budget())))[0].numpy()
    lost = Case(model, film).predict().logits - covered
    np.testing.assert_allclose(49 * result.values.mean((1, 2)), lost, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("size", [100, 128])
@pytest.mark.parametrize(("window", "stride"), SETTINGS)
def test_every_pixel_is_covered_equally_often(size, window, stride):
    windows = Windows(size, window, stride)
    times = windows[: len(windows)].sum(0)
    first = windows[: windows.cover].sum(0)
    assert times.min() >= 1
    assert first.min() >= 1
    if window % stride == 0:
        assert times.max() == times.min() == (window // stride) ** 2
        assert first.max() == 1 or window // stride % 2
    assert len(set(zip(windows.row, windows.column, strict=True))) == len(windows)  # none twice
    assert windows.spans.any(1).all()  # none beside the film
    windows.choose_change(np.ones((windows.coarse, 1)))  # every second window fills a grid
    windows.choose_tops(np.ones((len(windows), 1)))
    assert len(set(zip(windows.row, windows.column, strict=True))) == len(windows)


def test_a_coarse_map_is_that_of_windows_side_by_side():
    model, film = planted.classifier(), planted.film()
    windows = Windows(128, 32, 8)
    x = torch.from_numpy(film.pixels * 2048 - 1024)[None, None]
    scorer = Scorer(model, x, Budget())
    drops = np.concatenate([scorer.base - s for _, s in scorer.scores(windows, torch.full_like(x, -1024))])
    coarse = windows.average(drops[: windows.cover])
    carried = planted.density(film.pixels)
    for mask in windows[: windows.cover].astype(bool):
        expected = (carried * mask).sum((1, 2)) * (128**2 / 49) / mask.sum()
        np.testing.assert_allclose(coarse[:, mask], np.broadcast_to(expected[:, None], (4, mask.sum())), atol=2e-5)


def test_each_map_shown_is_the_average_so_far():
    model, film = planted.classifier(), planted.film()
    runs = list(Case(model, film).explain(Occlusion(window=32, stride=8, scored=100, fill="black")))
    total = 19**2
    assert [e.steps[1] for e in runs] == [total] * len(runs)
    done = [e.steps[0] / total for e in runs]
    assert 16 / total <= done[0] < 16 / total + 16 / total  # windows side by side, to the end of their batch
    assert done[1:] == pytest.approx([n / 10 for n in range(1, 11)], abs=0.05)
    assert done[-1] == 1
    expected, _ = plain_loop(film, 128, 32, 8)
    errors = [np.abs(e.values - expected).mean() for e in runs]
    assert errors[0] > errors[-1]
    assert errors[-1] < 1e-6


def test_a_stride_beyond_the_window_is_refused():
    with pytest.raises(BadSetting, match=r"stride=32 leaves gaps between windows of 16"):
        method("occlusion", {"window": "16", "stride": "32"})


def test_of_a_third_of_the_windows_the_others_are_estimated():
    model, film = planted.classifier(), planted.film()
    third = final(model, film, window=32, stride=8, scored=35, fill="black")
    expected, _ = plain_loop(film, 128, 32, 8)
    assert third.forwards == 1 + round(0.35 * 19**2)
    for i, spot in enumerate(planted.SPOTS.values()):
        if spot.strength:
            assert np.corrcoef(third.values[i].ravel(), expected[i].ravel())[0, 1] > 0.98
        else:
            np.testing.assert_allclose(third.values[i], 0, atol=1e-6)


def test_between_windows_that_change_evenly_nothing_is_lost():
    """On a slope a straight line between every second window is right, so the map is that of all windows."""
    slope = np.linspace(0, 1, 19)[:, None] + np.linspace(0, 2, 19)
    windows = Windows(128, 32, 8)
    drops = (slope * windows.spans.sum(1)[:, None] * windows.spans.sum(1) / 128**2)[windows.row, windows.column, None]
    inside = np.s_[0, 32:96, 32:96]  # beyond the last of every second window its own value goes on
    full = windows.average(drops)
    np.testing.assert_allclose(windows.average(drops[: windows.coarse])[inside], full[inside], atol=1e-12)


def test_windows_are_spent_where_the_map_changes():
    windows = Windows(224, 32, 8, 40)
    start = np.arange(-24, 224, 8)
    before = set(zip(windows.row[: windows.coarse], windows.column[: windows.coarse], strict=True))
    # two findings of very different size, each with an edge of its own
    left, low = start[windows.column] < 60, start[windows.row] > 150
    areas = windows.spans.sum(1)[windows.row] * windows.spans.sum(1)[windows.column]
    windows.choose_change((np.stack([left * 1.0, low * 1e-4], 1) * areas[:, None])[: windows.coarse])
    assert set(zip(windows.row[: windows.coarse], windows.column[: windows.coarse], strict=True)) == before
    added = np.s_[windows.coarse : len(windows)]
    column, row = start[windows.column[added]], start[windows.row[added]]
    at_an_edge = (np.abs(column - 60) <= 24) | (np.abs(row - 150) <= 24)
    assert at_an_edge.mean() > 0.9
    assert (np.abs(column - 60) <= 24).sum() > 20
    assert (np.abs(row - 150) <= 24).sum() > 20
    assert len(set(zip(windows.row, windows.column, strict=True))) == 31**2
    assert len(windows) == round(0.4 * 31**2)


def hill(windows, top, left, width):
    """Drops (n,) per area like a hill, of all windows."""
    centre = np.arange(-24, 224, 8) + 16
    areas = windows.spans.sum(1)[windows.row] * windows.spans.sum(1)[windows.column]
    apart = np.hypot(centre[windows.row] - top, centre[windows.column] - left)
    return np.exp(-((apart / width) ** 2)) * areas, apart


def test_the_last_windows_are_spent_around_the_tops():
    """Of two findings, one a million times the other, each with a top and, half as high, the other's."""
    windows = Windows(224, 32, 8, 60)
    one, other = (hill(windows, *place, 30)[0] for place in ((60, 60), (170, 160)))
    windows.choose_tops(np.stack([one + other / 2, 1e-6 * (other + one / 2)], 1)[: windows.coarse])
    added = np.s_[windows.coarse : windows.coarse + 40]
    apart = np.stack([hill(windows, *place, 30)[1][added] for place in ((60, 60), (170, 160))])
    assert (apart.min(0) < 40).all()
    assert ((apart < 40).sum(1) > 10).all()


@pytest.mark.parametrize("place", [(96, 128), (104, 40), (8, 216), (190, 75)])
def test_the_top_is_found_between_every_second_window(place):
    windows, whole = Windows(224, 32, 8, 30), Windows(224, 32, 8)
    windows.choose_tops(hill(windows, *place, 12)[0][: windows.coarse, None])
    found = windows.average(hill(windows, *place, 12)[0][: len(windows), None])
    expected = whole.average(hill(whole, *place, 12)[0][:, None])
    np.testing.assert_array_equal(*(np.argmax(maps) for maps in (found, expected)))


@pytest.mark.parametrize("scored", [40, 100])
def test_the_spread_is_that_of_the_windows_that_mask_a_place(scored):
    windows = Windows(48, 16, 8, scored)
    drops = np.random.RandomState(0).normal(0, 1, (len(windows), 2))
    masks = windows[slice(0, len(windows))]
    per_area = drops / masks.mean((1, 2))[:, None] * REFERENCE_AREA
    deviation, number = windows.spread(drops)
    for row, column in [(0, 0), (20, 31), (47, 5)]:
        inside = masks[:, row, column] == 1
        if inside.sum() > 1:
            assert number[row, column] == inside.sum()
            np.testing.assert_allclose(deviation[:, row, column], per_area[inside].std(0, ddof=1), rtol=1e-4)
        else:
            assert np.isnan(deviation[:, row, column]).all()


def test_of_a_place_in_a_single_window_the_error_is_unknown():
    *_, result = Case(planted.classifier(), planted.film()).explain(Occlusion(window=32, stride=32, scored=100))
    assert np.isnan(result.error).all()
    assert np.isnan(result.sure[result.values != 0]).all()
    assert not render.unsteady(result.values, result.sure).any()
    assert np.isnan(trust._stability(Case(planted.classifier(), planted.film()), Occlusion(), result, None)).all()


def test_a_place_whose_windows_agree_is_sure():
    *_, result = Case(planted.classifier(), planted.film()).explain(Occlusion())
    spot = planted.SPOTS["Left"]
    values, error, sure = result.values[0], result.error[0], result.sure[0]
    assert sure[spot.box].min() > 0.9
    assert error[spot.box].mean() < values[spot.box].mean()
