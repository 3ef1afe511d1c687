"""What is known of torchxrayvision's published weights."""

import math
import warnings

import numpy as np
import pytest
import torch

from cxr_demo.models import model_folder, xrv_weights
from cxr_demo.models.classifier import published_models

with warnings.catch_warnings():
    import torchxrayvision as xrv


def test_the_zoo_is_the_librarys():
    canonical = {name for name in published_models() if "-res" in name}
    assert set(xrv_weights.ZOO) == canonical
    for weights in xrv_weights.ZOO.values():
        assert weights.revision == "main" or len(weights.revision) == 40
        assert weights.sha256 is None or (len(weights.sha256) == 64 and weights.revision != "main")


@pytest.mark.parametrize("name", xrv_weights.ZOO)
def test_zoo_descriptions(name):
    spec = xrv_weights.describe(name)
    known = dict(zip(published_models()[name]["labels"], published_models()[name]["op_threshs"], strict=True))
    assert model_folder.loads(model_folder.dumps(spec)).labels == spec.labels == tuple(filter(None, known))
    assert spec.size == int(name.split("-res")[1][:3])
    sigmoid = (lambda t: 1 / (1 + math.exp(-t))) if name.startswith("resnet") else (lambda t: t)
    np.testing.assert_allclose([sigmoid(t) for t in spec.thresholds], [known[label] for label in spec.labels])
    assert np.nanmax(spec.thresholds) < 0.35
    seen = name.split("-")[-1] in ("all", "nih", "rsna")
    assert ("NIH films were among them" in spec.trained_on) == seen


def test_the_resnets_operating_points_are_probabilities_again():
    """The file's 0.50 to 0.54 become the range of the DenseNets; a finding without a point keeps none."""
    spec = xrv_weights.describe("resnet50-res512-all")
    points = dict(zip(spec.labels, spec.thresholds, strict=True))
    assert points["Infiltration"] == pytest.approx(0.1518, abs=1e-4)
    assert points["Hernia"] == pytest.approx(0.0083, abs=1e-4)
    assert math.isnan(points["Lung Lesion"])


def test_rescaling_is_the_librarys_own():
    p, t = torch.rand(4, 18, generator=torch.Generator().manual_seed(0)), torch.rand(18)
    np.testing.assert_allclose(xrv_weights.rescaled(p.numpy(), t.numpy()), xrv.models.op_norm(p, t).numpy(), rtol=1e-5)


# ---------------------------------------------------------------------- verify


@pytest.mark.parametrize("name", xrv_weights.PRINTED)
def test_what_the_authors_print_belongs_to_labels_there_are(name):
    assert set(xrv_weights.PRINTED[name]) == set(filter(None, published_models()[name]["labels"]))
