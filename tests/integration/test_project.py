"""The package as it is built."""

import shutil
import subprocess
import sys
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import cxr_demo

ROOT = Path(__file__).parents[2]


def test_a_wheel_is_the_whole_package_and_nothing_else(tmp_path):
    pytest.importorskip("setuptools", minversion="77", reason="wheels: needs setuptools 77, see requirements-dev.txt")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("cxr_demo", "train", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("pyproject.toml", "requirements.txt", "requirements-models.txt", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    # as pip does it, but with the setuptools that is here, since a fresh one would be fetched
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", build, "made"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(next(tmp_path.glob("made/*.whl"))) as wheel:
        names = wheel.namelist()
        info = next(name.split("/")[0] for name in names if ".dist-info/" in name)
        facts = BytesParser().parsebytes(wheel.read(f"{info}/METADATA"))
    installed = {name for name in names if not name.startswith(info)}
    assert installed == {p.relative_to(tmp_path).as_posix() for p in (tmp_path / "cxr_demo").rglob("*") if p.is_file()}
    wanted = {
        str(Requirement(line + extra))
        for name, extra in (("requirements.txt", ""), ("requirements-models.txt", '; extra == "models"'))
        for line in (ROOT / name).read_text().splitlines()
        if line and not line.startswith("#")
    }
    assert {str(Requirement(r)) for r in facts.get_all("Requires-Dist")} == wanted
    assert facts["Version"] == cxr_demo.__version__
