"""Class activation maps of real films."""

import numpy as np

from cxr_demo.case import Case
from cxr_demo.films import image
from cxr_demo.methods import GradCAM
from tests.support.networks import build


def test_real_films_too(films):
    model = build("DenseNet", 224)
    for path in sorted((films / "xrays").glob("*.png"))[:3]:
        film = image.read(path)
        case = Case(model, film)
        logits = case.predict().logits
        made = case.last_explanation(GradCAM())
        np.testing.assert_allclose(49 * made.values.mean((1, 2)) + model.head[1].numpy(), logits, atol=1e-4)
