"""An HTML report of a film with a hostile file name."""

import dataclasses

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.films import phantom
from cxr_demo.models import registry
from cxr_demo.output import html_report
from cxr_demo.output.result import complete
from tests.support.serving import save_model

#: Index of the finding with which the report opens.
FIRST = 5

HOSTILE = "</script><img src=x onerror=alert(1)>.png"


def made(folder):
    """Write a report to a folder; returns its path, its prediction and its explanations."""
    film = dataclasses.replace(phantom.PHANTOMS["effusion"].film(), name=HOSTILE)
    case = Case(registry.load(str(save_model(folder / "model"))), film)
    chosen = methods.choose(["gradcam", "occlusion"], {"occlusion.window": 24})
    explanations = [case.last_explanation(method) for method in chosen]
    result = complete(case, explanations, finding=FIRST)
    path = folder / "report.html"
    path.write_text(html_report.page(result), encoding="utf-8")
    return path, result.prediction, explanations
