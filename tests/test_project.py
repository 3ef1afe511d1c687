"""Facts that stand in two files must agree."""

import re
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def front_matter() -> dict[str, str]:
    block = (ROOT / "README.md").read_text().split("---")[1]
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
