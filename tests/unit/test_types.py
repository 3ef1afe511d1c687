"""Why one class rather than all others of a softmax: differences of maps, beside autograd."""

import numpy as np
import pytest
import torch

from cxr_demo.types import OTHERS, Explanation, Unit


def explanation(values):
    labels = tuple("abcd"[: len(values)])
    return Explanation("gradcam", labels, values, Unit.LOGIT, 0, 1, (0, 0), {}, "m@1", "float32", complete=True)


@pytest.mark.parametrize("scale", [1, 200], ids=["sure and unsure", "a probability of one"])
def test_it_is_the_slope_of_the_log_odds(scale):
    random = np.random.default_rng(0)
    values, logits = random.normal(size=(4, 5, 5)).astype(np.float32), scale * random.normal(size=4)
    found = explanation(values).rather_than_others(logits)

    def odds(z):
        return torch.stack([z[i] - torch.cat([z[:i], z[i + 1 :]]).logsumexp(0) for i in range(4)])

    slopes = torch.autograd.functional.jacobian(odds, torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(found.values, np.einsum("ij,jhw->ihw", slopes, values), atol=1e-5)
    assert (found.against, found.error, found.missing) == (OTHERS, None, None)
    assert not found.values.flags.writeable


def test_of_two_classes_it_is_their_difference():
    values = np.random.default_rng(1).normal(size=(2, 3, 3)).astype(np.float32)
    found = explanation(values).rather_than_others(np.array([3.0, -1.0]))
    np.testing.assert_allclose(found.values[0], explanation(values).rather_than(1).values[0], atol=1e-6)
    np.testing.assert_allclose(found.values[1], -found.values[0], atol=1e-6)
