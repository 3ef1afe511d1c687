"""Both sides of the speed benchmark, once."""

import pytest

from benchmarks import speed


@pytest.mark.parametrize("name", speed.SIDES)
def test_both_sides_do_what_they_are_timed_for(name):
    """Grad-CAM of each side once; the rest takes minutes."""
    model = speed._classifier("bundled")
    about, tasks = speed.SIDES[name](model)
    assert about["findings"] == (14 if name == "ours" else 1)
    assert set(tasks) >= ({"gradcam", "occlusion", "lime", *speed.FURTHER} if name == "peers" else set(speed.PAGE))
    tasks["gradcam" if name == "peers" else "prediction and Grad-CAM"]()
