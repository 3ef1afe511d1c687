"""What all tests share: the real films, if there are any, and no way out to the network."""

import os
from pathlib import Path

import pytest

# before anything imports gradio or huggingface_hub: they read these on import
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1")


@pytest.fixture(scope="session")
def films() -> Path:
    """The folder of real films; skips by name without it."""
    folder = os.environ.get("CXR_FILMS")
    if not folder:
        pytest.skip("real films: set CXR_FILMS to a folder laid out as CONTRIBUTING.md says")
    return Path(folder)
