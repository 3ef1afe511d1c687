"""Facts that stand in two files must agree, and what is installed must be whole."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.documents import anchors

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def front_matter() -> dict[str, str]:
    block = (ROOT / "cxr_demo/space.md").read_text().split("---")[1]
    return dict(line.split(":", 1) for line in block.strip().splitlines() if re.match(r"\w+:", line))


def test_the_spaces_gradio_is_inside_the_requirements_range():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    gradio = next(Requirement(line) for line in lines if line.startswith("gradio"))
    assert gradio.specifier.contains(front_matter()["sdk_version"].strip())


def test_the_space_starts_a_file_that_exists():
    assert (ROOT / front_matter()["app_file"].strip()).is_file()


def test_requirements_leave_zerogpus_torch_free_to_choose():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    torch = next(Requirement(line) for line in lines if re.match(r"torch\b", line))
    for offered in ("2.8.0", "2.9.1", "2.10.0", "2.11.0"):
        assert torch.specifier.contains(offered)


def test_every_test_that_a_document_names_is_there():
    named = {path for page in DOCUMENTS for path in re.findall(r"\btests/[\w/]+\.py", page.read_text())}
    assert len(named) > 10
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_link_of_a_document_leads_to_a_file_and_a_heading(page):
    for address in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = address.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), address
        assert not anchor or anchor in anchors(target), address


def test_docker_takes_the_steps_that_are_tested_here():
    """It cannot be built in the tests: the same files, the same requirements, the same program as `make run`."""
    steps = (ROOT / "Dockerfile").read_text()
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", steps, re.M) for name in line.split()}
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)
    makefile = (ROOT / "Makefile").read_text()
    assert "-r requirements.txt" in steps
    assert "pip install --quiet -r requirements.txt" in makefile
    assert 'CMD ["python", "app.py"]' in steps
    assert "$(BIN)/python app.py" in makefile
