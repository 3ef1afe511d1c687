"""Class activation maps of real films."""

import numpy as np

from cxr_demo import explain
from cxr_demo.films import image
from cxr_demo.methods import GradCAM
from tests.support.networks import build


def test_real_films_too(films):
    model = build("DenseNet", 224)
    for path in sorted((films / "xrays").glob("*.png"))[:3]:
        film = image.read(path)
        logits = explain.predict(model, film).logits
        *_, made = explain.explain(model, film, GradCAM())
        np.testing.assert_allclose(49 * made.values.mean((1, 2)) + model.head[1].numpy(), logits, atol=1e-4)
