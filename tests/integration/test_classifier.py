"""Networks in full size say what the library's own do, and importing them changes nothing for others."""

import subprocess
import sys

import pytest
import torch

from cxr_demo.models import classifier
from tests.support.networks import SMALL, spec, stirred


def test_importing_it_silences_nobody():
    code = (
        "import warnings\n"
        "import cxr_demo.models.classifier\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.warn('still heard')\n"
        "assert [str(w.message) for w in seen] == ['still heard'], seen\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("architecture", "arguments"), [("DenseNet", SMALL), ("ResNet50", {}), ("ResNet101", {})])
def test_logits_are_the_librarys_own(architecture, arguments):
    network = stirred(architecture, arguments, 3)
    x = torch.randn(2, 1, 64, 64) * 300
    with torch.no_grad():
        expected = network.model(x)
    model = classifier.Classifier(spec(), network, "m")
    assert torch.allclose(model.logits(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("architecture", "arguments"), [("DenseNet", SMALL), ("ResNet50", {})])
def test_the_head_over_the_mean_of_the_features_is_the_logit(architecture, arguments):
    model = classifier.Classifier(spec(), stirred(architecture, arguments, 3), "m")
    x = torch.randn(2, 1, 64, 64) * 300
    features, (weight, bias) = model.features(x), model.head
    assert features.min() >= 0
    assert torch.allclose(features.mean((2, 3)) @ weight.T + bias, model.logits(x), atol=1e-4)
