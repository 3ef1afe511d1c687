"""Lessons on the command line."""

import json

import numpy as np

from cxr_demo import cli
from cxr_demo.models import failure_cases

# ---------------------------------------------------------------------- by name


def test_the_command_line_explains_with_one(tmp_path, capsys):
    film = str(failure_cases.save("occlusion", tmp_path))
    assert cli.main(["predict", film, "--model", "lesson:occlusion", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["model"], said["labels"]) == ("lesson:occlusion@1", ["Planted"])
    made = ["explain", film, "--model", "lesson:occlusion", "--method", "occlusion", "--out", str(tmp_path / "out")]
    assert cli.main(made) == 0
    assert not np.load(tmp_path / "out" / "lesson-occlusion" / "maps.npz")["occlusion"].any()
