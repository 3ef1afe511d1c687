"""What the page keeps of each visitor."""

import gc
import weakref

import numpy as np

from cxr_demo import methods
from cxr_demo.evaluation import trust
from cxr_demo.output import render
from cxr_demo.types import Crop, Radiograph
from cxr_demo.web.sessions import Sessions
from tests.support import planted


class TestSessions:
    def test_a_new_run_of_a_method_ends_its_earlier_one_only(self):
        sessions = Sessions()
        lime, occlusion = sessions.begin("a", "lime", 1), sessions.begin("a", "occ", 2)
        other, again = sessions.begin("b", "lime", 1), sessions.begin("a", "lime", 3)
        assert [f.is_set() for f in (lime, occlusion, other, again)] == [True, False, False, False]
        sessions.end("a", 3, "occ")
        assert [f.is_set() for f in (occlusion, other, again)] == [True, False, False]
        sessions.forget("a")
        assert [f.is_set() for f in (other, again)] == [False, True]

    def test_what_is_kept_is_hatched_as_it_was(self):
        """Also where as many refits agree as it takes, of ten or of any other number."""
        sure = np.array([[k / n for k in range(11)] for n in range(10, 21)], np.float32)[None].clip(0, 1)
        values = np.ones_like(sure)
        made = planted.explanation(values, sure=sure)
        sessions = Sessions()
        sessions.keep("a", "film", made)
        again = sessions.kept("a", "film")["lime"]
        hatched = render.unsteady(values, sure)
        assert hatched[0, 0].tolist() == [True] * 8 + [False] * 3
        np.testing.assert_array_equal(render.unsteady(again.values, again.sure), hatched)

    def test_large_values_are_kept_whole(self):
        values = np.array([[[1e6, -2.0], [0, 3]]] * 3, np.float32)
        sessions = Sessions()
        sessions.keep("a", "film", planted.explanation(values, error=values))
        kept = sessions.kept("a", "film")["lime"]
        np.testing.assert_array_equal(kept.values, values)
        np.testing.assert_array_equal(kept.error, values)

    def test_requests_may_overtake_one_another(self):
        sessions = Sessions()
        second = sessions.begin("a", "lime", 2)
        late = sessions.begin("a", "lime", 1)
        assert (late.is_set(), second.is_set()) == (True, False)
        sessions.end("a", 1)
        assert not second.is_set(), "what ends the first does not end the second"
        sessions.end("a", 4, "lime")
        assert second.is_set()
        assert sessions.begin("a", "lime", 4).is_set(), "stopped before it began"
        assert not sessions.begin("a", "occ", 4).is_set()
        sessions.end("a", 6)
        assert sessions.begin("a", "occ", 6).is_set()
        assert not sessions.begin("a", "occ", 7).is_set()

    def test_a_film_is_read_once_and_never_given_to_another(self):
        sessions, read = Sessions(), []
        film = Radiograph(np.zeros((2, 2)), Crop(0, 0, 2), "a", "0")

        def reading():
            read.append(1)
            return film

        assert sessions.film("a", "x", reading) is sessions.film("a", "x", reading) is film
        assert len(read) == 1
        sessions.film("b", "x", reading)
        assert len(read) == 2
        sessions.film("a", "y", reading)
        sessions.film("a", "x", reading)
        assert len(read) == 4

    def test_what_a_visitors_case_knows_is_kept_with_the_film_for_each_model(self):
        sessions, read = Sessions(), [planted.film(), planted.film(), planted.film()]
        models = one, other = planted.classifier(), planted.classifier()

        def predict(visitor, model, key="x"):
            sessions.case(visitor, key, model, read.pop).predict()
            return [model.images() for model in models]

        assert predict("a", one) == [1, 0]
        assert predict("a", one) == [1, 0]
        assert predict("a", other) == [1, 1]
        assert predict("a", one) == [1, 1], "and what the first model made of it is still there"
        assert len(read) == 2
        assert predict("b", one) == [2, 1], "nothing is shared with another visitor"
        assert predict("a", one, "y") == [3, 1], "nor between two films"

    def test_a_visitors_film_keeps_no_model_alive(self):
        """A visitor may name one of 500 MB; others then push it out."""
        sessions, model = Sessions(), planted.classifier()
        trust.controls(sessions.case("a", "x", model, planted.film))
        list(sessions.case("a", "x", model, planted.film).explain(methods.Occlusion()))
        gone = weakref.ref(model)
        del model
        gc.collect()
        assert gone() is None

    def test_a_film_that_its_visitor_leaves_takes_what_was_computed_along(self):
        sessions, model = Sessions(), planted.classifier()
        features = weakref.ref(sessions.case("a", "x", model, planted.film).first.features)
        assert features() is not None
        sessions.film("a", "y", planted.film)
        gc.collect()
        assert features() is None

    def test_a_crowd_stops_nobody_and_only_the_film_of_the_visitor_away_longest_is_dropped(self):
        sessions, read = Sessions(most=2), []
        film = Radiograph(np.zeros((2, 2)), Crop(0, 0, 2), "a", "0")

        def reading():
            read.append(1)
            return film

        flags = [sessions.begin(f"v{i}", "lime", 1) for i in range(200)]
        for visitor in ("v0", "v1", "v2"):
            sessions.film(visitor, "x", reading)
            sessions.end(f"{visitor} left", 1)
        assert not any(flag.is_set() for flag in flags)
        assert len(read) == 3
        sessions.film("v2", "x", reading)
        sessions.film("v1", "x", reading)
        assert len(read) == 3, "the two who came last are remembered"
        sessions.film("v0", "x", reading)
        assert len(read) == 4, "the one away longest costs one more reading"
