"""The Hub in processes of their own, on disks that are full, and with a real film."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cxr_demo.models import hub as client
from tests.support import hub_server
from tests.support import published as tiny
from tests.support.disks import on_disk
from tests.support.published import FILES, REPO

# huggingface_hub 2.4 sends large files with an argument that its own HTTP library calls old
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

hub = hub_server.hub
folder, published, public = tiny.folder, tiny.published, tiny.public


@pytest.mark.parametrize(
    ("kilobytes", "read_only", "step"),
    [(8, False, "Make room there"), (1000, True, "Let this program read and write there")],
)
def test_a_disk_that_takes_nothing_is_said(hub, published, tmp_path, kilobytes, read_only, step):
    before = on_disk(tmp_path / "disk", kilobytes, read_only=read_only)
    code = f"from cxr_demo.models import hub; hub.pull({REPO!r}, {FILES!r})"
    own = {**os.environ, "HF_HOME": str(tmp_path / "disk" / "home"), "HF_HUB_DISABLE_XET": "1"}
    said = subprocess.run([*before, sys.executable, "-c", code], env=own, capture_output=True, text=True).stderr
    assert said.splitlines()[-1].startswith(f"cxr_demo.errors.ModelUnavailable: {REPO} cannot be kept here: ")
    assert f"{step}, or set HF_HOME" in said


def test_the_environment_decides_in_a_process_of_its_own(hub, published, tmp_path):
    """As a user has it: nothing patched, only variables set; then offline on the same cache."""
    code = (
        "import sys; from cxr_demo.models import hub\n"
        "assert 'torch' not in sys.modules\n"
        f"print(hub.pull({REPO!r}, {FILES!r}).folder)"
    )
    own = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    folders = [
        subprocess.run([sys.executable, "-c", code], env=own | more, check=True, capture_output=True, text=True).stdout
        for more in ({}, {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"})
    ]
    assert folders[0] == folders[1]
    assert Path(folders[0].strip()).is_relative_to(tmp_path / "home")


# ---------------------------------------------------------------------- for anybody


def test_a_full_disk_is_no_visitors_business(hub, public, tmp_path):
    before = on_disk(tmp_path / "disk", 8)
    apart = str(tmp_path / "disk" / "apart")
    code = f"from cxr_demo.models import hub; hub.pull_public({REPO!r}, {public!r}, {FILES!r}, hub.Path({apart!r}))"
    own = {**os.environ, "HF_HUB_DISABLE_XET": "1"}
    said = subprocess.run([*before, sys.executable, "-c", code], env=own, capture_output=True, text=True).stderr
    sentence = f"There is no room here to keep {REPO}; please try again later."
    assert said.splitlines()[-1] == f"cxr_demo.errors.ModelUnavailable: {sentence}"


def test_the_tables_example_is_the_film_it_says(films):
    import hashlib

    example = client.EXAMPLES[0]
    assert hashlib.sha256((films / "xrays" / example.path).read_bytes()).hexdigest() == example.sha256
