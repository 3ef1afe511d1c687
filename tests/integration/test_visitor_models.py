"""Visitors' models that are let go of leave no converted ones."""

import weakref

from cxr_demo.inference import engine
from cxr_demo.models import visitor_models
from tests.support import hub_server, visitors
from tests.support.visitors import all_of, kept

hub = hub_server.hub
publish, _nobody_has_come_yet = visitors.publish, visitors.nobody_has_come_yet


# ------------------------------------------------------------------ how many, and how long


def test_the_three_asked_for_last_are_kept_and_others_leave_nothing(publish, no_engines_kept):
    models = all_of(publish, "a", "b", "c")
    engine.engine_of(models[1])
    (converted,) = no_engines_kept.iterdir()
    names, gone = [model.name for model in models], weakref.ref(models[1])
    running = weakref.ref(engine._ENGINES[models[1]])
    models.clear()
    visitor_models.load(names[0])  # b is now the one asked for longest ago
    all_of(publish, "d")
    assert gone() is None
    assert running() is None
    assert not converted.exists()
    assert len(kept()) == 3
    assert [visitor_models._shelf.get(name) is not None for name in names] == [True, False, True]
    visitor_models.load(names[1])
    assert len(kept()) == 3
