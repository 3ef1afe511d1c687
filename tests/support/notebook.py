"""Results of notebook cells, with harmless and with hostile texts, and a parser of their HTML."""

import base64
import dataclasses
import re
from html.parser import HTMLParser

import cv2
import numpy as np

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.output import notebook
from tests.support import planted

HOSTILE = """</td><img src=https://example.org/x onerror=alert(1)>"'&$x$.png"""

QUICK = (methods.GradCAM(), methods.LIME(samples=100), methods.Occlusion(stride=16), methods.LayerCAM())


def explained():
    """A wide film, larger than its display, explained by methods of both units."""
    tall = np.kron(np.pad(planted.pixels(), ((0, 0), (30, 30)), mode="edge"), np.ones((3, 3)))
    film = dataclasses.replace(planted.film(tall, name="wide.png"), warnings=("It was scanned upside down.",))
    return notebook.explain(planted.classifier(), film, *QUICK)


def hostile(explained):
    """The result with an attack in every text that comes from outside."""
    labels = (HOSTILE, *planted.LABELS[1:])
    prediction = dataclasses.replace(explained.prediction, labels=labels, model=HOSTILE, warnings=(HOSTILE,))
    film = dataclasses.replace(explained.film, name=HOSTILE, warnings=(HOSTILE,), correction=HOSTILE)
    e = dataclasses.replace(
        explained.explanations[0],
        labels=labels,
        method=HOSTILE,
        stopped=HOSTILE,
        complete=False,
        settings={HOSTILE: HOSTILE},
    )
    return notebook.Explained(
        Case(explained.case.model, film), prediction, (e, dataclasses.replace(e, forwards=0)), [HOSTILE]
    )


class Seen(HTMLParser):
    """A parser that collects the elements, text, images and decoded maps of HTML."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.words = [], []
        self.feed(html)
        self.close()
        self.text = re.sub(r"\s+", " ", " ".join(self.words))
        self.images = [attributes for tag, attributes in self.elements if tag == "img"]
        self.maps = [pixels_of(i["src"]) for i in self.images if i["class"] == "map"]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements[-1][0] != "style":
            self.words.append(data)


def pixels_of(source):
    kind, data = source.split(",")
    assert kind == "data:image/png;base64"
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
    return picture if picture.ndim == 2 else picture[..., ::-1]
