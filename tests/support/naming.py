"""A page whose visitors may name models of the Hub, and a Hub with public and private models."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxr_demo.case import Case
from cxr_demo.films import image, phantom
from cxr_demo.models import model_folder
from cxr_demo.models.classifier import Classifier
from tests.support.hub_server import HubServer
from tests.support.serving import save_model, served

REPO = "visitor/model"


@dataclass(frozen=True)
class OpenPage:
    """A served page: address, folder, Hub, name and network of a public model on that Hub, and the path of a film."""

    address: str
    folder: Path
    hub: HubServer
    published: tuple[str, Classifier]
    film_file: Path


def said(model: Classifier, film_file: Path) -> np.ndarray:
    """A model's probabilities (L,) for a film file."""
    return Case(model, image.read(film_file)).predict().probabilities


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[OpenPage]:
    """Serve a page whose token can read a private model of the Hub; visitors must not reach that model."""
    hub = HubServer()
    made = save_model(folder / "published", seed=9)
    files = {path.name: path.read_bytes() for path in made.iterdir()}
    card = b"# A stranger\n\n![a picture](http://nobody.example/a.png)\n\n"
    card += b'```mermaid\nflowchart TD\n A@{ img: "http://nobody.example/b.png", label: "x", h: 60 }\n```\n'
    commit = hub.repo(REPO).commit({**files, "README.md": card})
    hub.repo("visitor/secret").commit(files)
    hub.repo("visitor/secret").private = True
    hub.repo("visitor/other").commit({"config.json": b'{"model_type": "vit"}', "model.safetensors": b""})
    models = f"{folder / 'fourteen'},{folder / 'one'},hub"
    own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_test", "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_XET": "1"}
    try:
        with served(folder, CXR_MODELS=models, **own) as url:
            model = model_folder.load(made, REPO, revision=commit)
            yield OpenPage(url, folder, hub, (f"{REPO}@{commit}", model), phantom.save("effusion", folder))
    finally:
        hub.stop()
