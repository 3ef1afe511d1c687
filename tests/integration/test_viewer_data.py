"""The bundle of the browser's program, built again."""

import shutil
import subprocess
from pathlib import Path

import pytest

from cxr_demo.output import viewer_data

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(
    shutil.which("node") is None or not (ROOT / "node_modules" / "esbuild").is_dir(),
    reason="needs Node and `npm ci`",
)
def test_building_the_bundle_again_gives_the_same_bytes(tmp_path):
    again = tmp_path / "viewer.js"
    subprocess.run(["node", "esbuild.config.js", str(again)], cwd=ROOT, check=True)
    assert again.read_bytes() == viewer_data.BUNDLE.read_bytes()
