"""What is said of a film's maps: planted evidence is called supported, maps that know nothing are undecided."""

import numpy as np
import pytest

from cxr_demo.case import Case, maps_of_inputs
from cxr_demo.errors import Cancelled, DeadlinePassed
from cxr_demo.evaluation import trust
from cxr_demo.evaluation.covering import GRID
from cxr_demo.evaluation.trust import CoverScores, Trust, Verdict
from cxr_demo.films import image, lungs, phantom
from cxr_demo.inference.scoring import Budget
from cxr_demo.methods import METHODS, GradCAM, LayerCAM, Occlusion
from cxr_demo.types import Cost, Explanation, Unit
from tests.support import planted
from tests.support.planted import LABELS, SIZE

#: Maps of every kind that are tried at random.
TRIED = 60


@pytest.fixture(scope="module")
def model():
    return planted.classifier()


@pytest.fixture(scope="module")
def film():
    return planted.film()


@pytest.fixture(scope="module")
def case(model, film):
    return Case(model, film)


@pytest.fixture(scope="module")
def held(case):
    return trust.controls(case)


def explained(values, **more):
    known = {"seconds": 1.0, "forwards": 1, "steps": (0, 0), "settings": {}, "model": "m", "precision": "float32"}
    return Explanation("any", LABELS, np.asarray(values, np.float32), Unit.LOGIT, **(known | more))


def verdicts(case, maps, i=0):
    """Of a finding's maps (n, S, S); each is compared with itself as the map of every other finding."""
    held = trust.controls(case)
    test = held.best(i)
    found = []
    for cells in trust.on_grid(np.asarray(maps)):
        same = np.repeat(cells[None], len(held.logits), 0)
        found.append(CoverScores.of(test, same, held.lungs).verdict(i))
    return found


def predicted(**measures):
    """The measures of one finding; by default those of a supported map."""
    known = {"removed": 2.0, "score": 0.6, "lungs": 0.5, "rivals": 0, "chance": 0.01, "in_place": 0.01, "limit": 0.4}
    return CoverScores(**{name: np.array([value]) for name, value in (known | measures).items()})


def trusted(*each, cover="blurred", stability=0.9):
    one = np.array([stability])
    return Trust(dict(zip(("blurred", "wide"), each, strict=False)), [cover], one, *[np.zeros(1)] * 4)


class TestControls:
    def test_the_covered_film_and_the_film_itself_end_every_curve(self, model, film, held):
        import torch

        x = torch.from_numpy(image.model_input(film, SIZE))
        np.testing.assert_allclose(held.logits, model.logits(x)[0].numpy(), atol=1e-5)
        for curve in (*held.random[0], held.anatomy[0]):
            assert curve.deletion[0] == curve.insertion[-1] == pytest.approx(held.logits[0])
            assert curve.deletion[-1] == curve.insertion[0] == pytest.approx(held.covered[0])

    @pytest.mark.parametrize("fill", ["blurred", "wide"])
    def test_a_cover_takes_away_the_evidence_under_it(self, film, held, case, fill):
        """The planted model is linear: a covered place is worth the fill."""
        from cxr_demo.methods.fill import fill_of

        content = fill_of(fill, case.scorer())[0, 0].numpy() / 2048 + 0.5
        density = planted.density(film.pixels - content)
        test = held.tests[fill]
        fine = np.arange(SIZE) * GRID // SIZE
        expected = np.einsum("nyx,lyx->nl", test.covers[:, fine[:, None], fine].astype(float), density)
        np.testing.assert_allclose(test.effects, expected, atol=2e-4)
        np.testing.assert_allclose(test.removed, density.sum((1, 2)), atol=2e-4)

    def test_a_finding_is_tested_with_the_cover_that_takes_most_of_it_away(self, held):
        removed = {name: test.removed[0] for name, test in held.tests.items()}
        assert removed[held.cover(0)] == max(removed.values())

    def test_a_phantom_is_covered_by_the_normal_phantom(self):
        planted_film = phantom.PHANTOMS["heart"].film()
        other = trust.controls(Case(planted.classifier(), planted_film))
        assert list(other.tests) == ["blurred", "normal"]
        normal = Case(planted.classifier(), phantom.PHANTOMS["normal"].film()).first
        np.testing.assert_array_equal(Case(planted.classifier(), planted_film).scorer().unplanted, normal.x)
        turned = image.corrected(planted_film, "turn over")
        assert list(trust.controls(Case(planted.classifier(), turned)).tests) == ["blurred", "wide"]

    def test_they_are_scored_once_for_all_methods_and_findings(self):
        model, film = planted.classifier(), planted.film()
        case = Case(model, film)
        held = trust.controls(case)
        before = model.images()
        assert trust.controls(case) is held
        assert model.images() == before
        curves = 2 * (len(trust.SHARES) - 2) * (trust.RANDOM + 1)
        covers = sum(trust.FIRST.values()) + 1 + sum(trust.SECOND.values()) + 1
        assert held.forwards == covers + curves + 4

    def test_another_film_has_its_own(self, model, held):
        other = planted.film(planted.pixels()[::-1])
        assert trust.controls(Case(model, other)) is not held

    def test_they_end_when_told(self):
        import threading

        flag = threading.Event()
        flag.set()
        with pytest.raises(Cancelled):
            trust.controls(Case(planted.classifier(), planted.film()), Budget(cancelled=flag))
        with pytest.raises(DeadlinePassed):
            trust.controls(Case(planted.classifier(), planted.film()), Budget(seconds=0))

    def test_a_marker_moves_what_looks_at_its_corner(self):
        corner = {"Corner": planted.Spot(0, 0, 0.9), "Middle": planted.Spot(48, 48, 0.9)}
        moved = trust.controls(Case(planted.classifier(corner), planted.film())).marker
        assert moved.shape == (4, 2)
        assert moved[0, 0] > 0.01
        np.testing.assert_allclose(np.delete(moved[:, 0], 0), 0, atol=1e-5)
        np.testing.assert_allclose(moved[:, 1], 0, atol=1e-5)


class TestVerdicts:
    def test_maps_that_know_nothing_are_undecided(self, case):
        for n, maps in enumerate((
            image.by_area(np.random.default_rng(1).standard_normal((TRIED, 7, 7)), SIZE),  # cells
            image.by_area(np.random.default_rng(2).standard_normal((TRIED, 14, 14)), SIZE),  # finer ones
            image.by_area((np.random.default_rng(3).uniform(size=(TRIED, 8, 8)) > 0.9).astype(float), SIZE),  # sparse
        )):  # fmt: skip
            called = verdicts(case, maps)
            assert np.mean([v is Verdict.UNDECIDED for v in called]) >= 0.9, n

    def test_planted_evidence_is_called_supported(self):
        """Anywhere on the film, of many sizes, with a map that is right but coarse or noisy."""
        random = np.random.default_rng(5)
        called = []
        for _ in range(20):
            side = int(random.choice([16, 32, 48]))
            top, left = random.integers(8, SIZE - side - 8, 2)
            spots = {"Planted": planted.Spot(int(top), int(left), 2.0, side)}
            film = planted.film(planted.pixels(spots))
            density = planted.density(film.pixels, spots)[0]
            coarse = image.by_area(image.by_area(density[None], 8), SIZE)[0]
            noisy = coarse + random.normal(0, 0.1 * coarse.max(), coarse.shape)
            called += verdicts(Case(planted.classifier(spots), film), [density, coarse, noisy])
        assert np.mean([v is Verdict.SUPPORTED for v in called]) >= 0.95

    def test_a_finding_that_covering_leaves_there_is_not_tested(self, film, case):
        density = planted.density(film.pixels)
        i = LABELS.index("Against")
        assert verdicts(case, density[i : i + 1], i) == [Verdict.UNTESTABLE]

    def test_an_empty_map_and_a_finding_without_evidence_are_not_tested(self, film, case):
        assert verdicts(case, np.zeros((1, SIZE, SIZE))) == [Verdict.UNTESTABLE]
        assert verdicts(case, planted.density(film.pixels)[:1], LABELS.index("Nothing")) == [Verdict.UNTESTABLE]

    def test_the_lungs_themselves_are_no_better_than_the_lungs(self):
        """A model that looks at the lungs: marking them is right, and no explanation."""
        case = Case(planted.classifier({"Left": planted.Spot(36, 22, -30.0, 36)}), phantom.PHANTOMS["normal"].film())
        held = trust.controls(case)
        found = CoverScores.of(held.tests["wide"], trust.prior(held.lungs)[None], held.lungs)
        assert found.verdict(0) is Verdict.UNSPECIFIC

    def test_maps_of_other_findings_that_do_better_are_counted(self, film, case):
        held = trust.controls(case)
        density = trust.on_grid(planted.density(film.pixels))
        wrong = density[[1, 0, 2, 3]]  # two findings exchanged
        found = CoverScores.of(held.best(0), wrong, held.lungs)
        assert found.rivals[0] >= 1
        assert (CoverScores.of(held.best(0), density, held.lungs).rivals[:2] == 0).all()

    @pytest.mark.parametrize(
        ("measures", "verdict", "words"),
        [
            ({"score": np.nan, "chance": np.nan}, Verdict.UNTESTABLE, "the same value everywhere"),
            ({"lungs": np.nan, "chance": np.nan}, Verdict.UNTESTABLE, "does not move this finding’s score"),
            ({"removed": 0.09}, Verdict.UNTESTABLE, "the film wholly covered scores nearly as high"),
            ({"chance": 0.06}, Verdict.UNDECIDED, "than as the same map put elsewhere"),
            ({"lungs": 0.6}, Verdict.UNSPECIFIC, "no better than marking the lungs of any film"),
            ({"rivals": 3}, Verdict.UNSPECIFIC, "3 of this method’s maps of other findings"),
            ({"rivals": 2}, Verdict.SUPPORTED, "hiding the places that it marks moves"),
            ({"in_place": 0.06, "chance": 0.021}, Verdict.SUPPORTED, "or up to a cell beside them"),
            ({"chance": 0.021}, Verdict.SUPPORTED, "at most 3 of 100 other places"),
        ],
    )
    def test_rules_and_words(self, measures, verdict, words):
        one = predicted(**measures)
        assert one.verdict(0) is verdict
        assert words in one.words(0)[0]
        assert trusted(one).verdict(0) is verdict
        assert trusted(one).says(0) == f"{one.words(0)[0]} Content of the covers: blurred."

    def test_another_cover_that_says_otherwise_is_quoted(self):
        said = trusted(predicted(), predicted(chance=0.5)).says(0)
        assert said.endswith("With another content (blurred widely): undecided.")
        assert "With" not in trusted(predicted(), predicted(removed=0.0)).says(0)
        assert "With" not in trusted(predicted(), predicted()).says(0)
        assert trusted(predicted(rivals=5), predicted(), cover="wide").says(0).endswith("(blurred): unspecific.")
        assert trusted(predicted(), predicted(rivals=5), cover="wide").says(0).endswith("(blurred): supported.")

    def test_a_card_says_so_where_one_cover_decides_and_the_other_does_not(self):
        undecided, unspecific, supported = predicted(chance=0.5), predicted(rivals=5), predicted()
        assert trusted(supported, undecided).short(0).endswith("Another cover: undecided.")
        assert trusted(undecided, supported).short(0).endswith("Another cover: supported.")
        assert trusted(undecided, unspecific).short(0).endswith("Another cover: unspecific.")
        assert trusted(unspecific, supported).short(0) == unspecific.words(0)[1]

    def test_an_unstable_map_is_called_so(self):
        assert trusted(predicted(), stability=0.3).says(0).endswith("A small change of the film gives another map.")


class TestCurves:
    def test_the_right_map_deletes_fast_and_inserts_fast(self, film, held, case):
        density = planted.density(film.pixels)[0]
        right, wrong, flat = trust.curves(case, 0, [density, -density, np.zeros_like(density)])
        assert right.gap > 0.5 * (held.logits[0] - held.covered[0])
        assert wrong.gap < 0
        assert right.gap > max(abs(flat.gap), *(abs(c.gap) for c in held.random[0]))
        # the spot is 1/16 of the film: covered after the 8 percent node, whatever the ties
        after = np.flatnonzero(trust.SHARES >= 0.16)[0]
        np.testing.assert_allclose(right.deletion[after:], held.covered[0], atol=0.02)
        np.testing.assert_allclose(right.insertion[after:], held.logits[0], atol=0.02)

    def test_the_gap_of_random_orders_is_zero_in_the_mean(self, case):
        gaps = [curve.gap for curve in trust.curves(case, 0, list(image.by_area(trust.random_maps(120, 3), SIZE)))]
        assert abs(np.mean(gaps)) < 3 * np.std(gaps) / np.sqrt(len(gaps))


class TestStability:
    def test_a_methods_own_word_is_weighed_by_strength(self, case):
        values, sure = np.zeros((4, SIZE, SIZE)), np.ones((4, SIZE, SIZE))
        values[0, 0, 0], values[0, 1, 1], sure[0, 1, 1] = 3, -1, 0.2
        found = trust.measure(case, Occlusion(), explained(values, sure=sure))
        assert found.stability[0] == pytest.approx((3 + 0.2) / 4)
        assert np.isnan(found.stability[1])

    def test_quick_methods_are_tried_on_changed_films(self, case):
        *_, last = case.explain(GradCAM())
        found = trust.measure(case, GradCAM(), last)
        assert (found.stability[:3] > 0.6).all()
        assert np.isnan(found.stability[LABELS.index("Nothing")])

    def test_what_takes_seconds_and_does_not_say_is_unknown(self, film, case):
        assert np.isnan(trust.measure(case, Occlusion(), explained(planted.density(film.pixels))).stability).all()

    def test_moved_back_a_moved_map_is_the_map(self, model):
        import torch

        x = torch.arange(SIZE * SIZE, dtype=torch.float32).reshape(1, 1, SIZE, SIZE) / SIZE**2
        pixels = x[0, 0].numpy()
        changed = trust._changed(x, (2, -3), 1.0, (0.0, 1.0))
        np.testing.assert_array_equal(changed[2:, :-3], pixels[:-2, 3:])
        np.testing.assert_allclose(trust._changed(x * 0.5, (0, 0), 1.05, (0.0, 1.0)), pixels * 0.525, rtol=1e-6)

    def test_changed_films_are_explained_as_each_by_itself(self, model, case):
        x = case.first.x
        inputs = x.new_tensor(np.stack([trust._changed(x, (k, 0), 1.0, (-1024.0, 1024.0)) for k in range(3)])[:, None])
        together = maps_of_inputs(model, inputs, GradCAM())
        for k, maps in enumerate(together):
            np.testing.assert_allclose(maps_of_inputs(model, inputs[k : k + 1], GradCAM())[0], maps, atol=1e-5)
        assert np.ptp(together[:, 0], axis=0).max() > 1e-3


def test_a_map_is_compared_with_the_sum_that_its_method_aims_at(case):
    """Exact for Grad-CAM; for occlusion of every window of a linear model too, by another sum."""
    *_, last = case.explain(GradCAM())
    found = trust.measure(case, GradCAM(), last)
    np.testing.assert_allclose(found.sums, found.expected_sums, atol=1e-4)
    np.testing.assert_allclose(found.expected_sums, case.predict().logits - planted.BIAS, atol=1e-4)
    whole = Occlusion(window=32, stride=16, scored=100, fill="black")
    *_, last = case.explain(whole)
    found = trust.measure(case, whole, last)
    np.testing.assert_allclose(found.sums, found.expected_sums, atol=1e-3)
    np.testing.assert_allclose(
        found.expected_sums, case.predict().logits - planted.BIAS, atol=1e-3
    )  # black is worth nothing
    *_, last = case.explain(LayerCAM())
    assert np.isnan(trust.measure(case, LayerCAM(), last).sums).all()


def test_shares_outside_the_lungs_and_at_the_border(case):
    seen = trust.controls(case).lungs.mask
    inside = image.by_area(seen[None].astype(float), SIZE)[0] == 1
    corner = np.zeros((4, SIZE, SIZE))
    corner[:, :4, :4] = 1
    corner[1] = inside
    found = trust.measure(case, Occlusion(), explained(corner))
    assert found.outside[0] == 1
    assert found.border[0] == 1
    assert found.outside[1] < 0.2


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.key)
def test_every_method_is_supported_on_planted_evidence(kind, case):
    *_, last = case.explain(kind())
    found = trust.measure(case, kind(), last)
    assert found.verdict(LABELS.index("Left")) is Verdict.SUPPORTED
    assert found.verdict(LABELS.index("Nothing")) is Verdict.UNTESTABLE
    assert (kind.cost is Cost.INSTANT or last.sure is not None) == bool(np.isfinite(found.stability[0]))


class TestLungs:
    @pytest.mark.parametrize("key", ["normal", "nodule", "heart"])
    def test_are_found_on_phantoms(self, key):
        film = phantom.PHANTOMS[key].film()
        found = lungs.lungs(film.pixels, 64)
        # the phantom's own lung at the left of the picture, whatever its heart does to the other one
        truth = image.by_area(lungs._atlas(False)[None].astype(float), 64)[0] > 0.5
        left = found.mask & (np.arange(64) < 32)
        assert 2 * (left & truth).sum() / (left.sum() + truth.sum()) > 0.8
        assert found.found == (True, True)
        assert 0.15 < found.mask.mean() < 0.5

    def test_a_film_without_lungs_gets_the_usual_place_and_says_so(self):
        noise = np.random.default_rng(0).uniform(size=(224, 224))
        found = lungs.lungs(noise, 28)
        assert found.found == (False, False)
        assert "Neither lung was found" in found.said
        assert 0.15 < found.mask.mean() < 0.5


def test_a_random_curve_and_its_inverse_favour_neither_end():
    """By hand: what the map covers first is what its inverse shows first."""
    straight = trust.Curve(deletion=2 - 3 * trust.SHARES, insertion=np.full(len(trust.SHARES), 0.5))
    both = straight.both_ways()
    # the inverse deletes as this inserts, backwards, and inserts as this deletes, backwards
    assert both.deletion == pytest.approx((2 - 3 * trust.SHARES + 0.5) / 2)
    assert both.insertion == pytest.approx((0.5 + 2 - 3 * (1 - trust.SHARES)) / 2)
    assert straight.gap == pytest.approx(0)
    steep = trust.Curve(deletion=1 - trust.SHARES, insertion=3 * trust.SHARES)
    assert steep.gap == pytest.approx(1)
    assert steep.both_ways().gap == pytest.approx(0)
