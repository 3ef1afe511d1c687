"""A film with its maps as one HTML file."""

import dataclasses

from cxr_demo import explain, methods
from cxr_demo.evaluation import trust
from cxr_demo.films import phantom
from cxr_demo.models import registry
from cxr_demo.output import html_report
from tests.support.serving import save_model

#: The finding that it opens with.
FIRST = 5

HOSTILE = "</script><img src=x onerror=alert(1)>.png"


def made(folder):
    """The file that is written to a folder, and its contents: prediction and explanations by method."""
    model = registry.load(str(save_model(folder / "model")))
    film = dataclasses.replace(phantom.PHANTOMS["effusion"].film(), name=HOSTILE)
    chosen = methods.choose(["gradcam", "occlusion"], {"occlusion.window": 24})
    explanations = [list(explain.explain(model, film, method))[-1] for method in chosen]
    prediction = explain.predict(model, film)
    trusted = {m.key: trust.measure(model, film, m, e) for m, e in zip(chosen, explanations, strict=True)}
    path = folder / "report.html"
    path.write_text(html_report.page(model, film, prediction, explanations, trusted, FIRST), encoding="utf-8")
    return path, prediction, explanations
