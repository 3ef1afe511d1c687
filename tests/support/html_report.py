"""A film with its maps as one HTML file."""

import dataclasses

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.films import phantom
from cxr_demo.models import registry
from cxr_demo.output import html_report
from cxr_demo.output.result import complete
from tests.support.serving import save_model

#: The finding that it opens with.
FIRST = 5

HOSTILE = "</script><img src=x onerror=alert(1)>.png"


def made(folder):
    """The file that is written to a folder, and its contents: prediction and explanations by method."""
    film = dataclasses.replace(phantom.PHANTOMS["effusion"].film(), name=HOSTILE)
    case = Case(registry.load(str(save_model(folder / "model"))), film)
    chosen = methods.choose(["gradcam", "occlusion"], {"occlusion.window": 24})
    explanations = [case.last_explanation(method) for method in chosen]
    result = complete(case, explanations, finding=FIRST)
    path = folder / "report.html"
    path.write_text(html_report.page(result), encoding="utf-8")
    return path, result.prediction, explanations
