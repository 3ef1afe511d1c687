"""Our figures beside published ones: the right cell under the right head, and nothing where nothing was measured."""

import json

import pytest

from benchmarks import published
from cxr_demo.evaluation.benchmark.statistics import METRICS
from cxr_demo.types import NIH_FINDINGS


def figure(finding, method, metric, value):
    return {
        "finding": finding,
        "method": method,
        "metric": metric,
        "value": value,
        "low": value - 0.1,
        "high": value + 0.1,
    }


@pytest.fixture
def run(tmp_path):
    """The table of a run over two findings."""
    figures = [
        figure("Mass", "lime", "IoU > 0.1", 0.123),
        figure("Effusion", "lime", "IoU > 0.1", 0.456),
        figure("Hernia", "lime", "IoU > 0.1", 0.999),
        figure("mean", "lime", "pointing", 0.4),
        figure("mean", "lime", "IoBB > 0.5", 0.3),
        figure("mean", "lime", "faithfulness", 0.9),
    ]
    (tmp_path / "table.json").write_text(json.dumps({"figures": figures}))
    return tmp_path


def rows(text):
    """The other cells of a table's lines, by their first cell; several lines may share one."""
    found = {}
    for line in text.splitlines():
        first, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        found.setdefault(first, []).append(cells)
    return found


def test_figures_stand_beside_what_they_are_compared_with(run, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["published", str(run)])
    assert published.main() == 0
    said = rows(capsys.readouterr().out)
    assert said["mean over findings"] == [["pointing", "IoU", "IoBB > 0.1", "IoBB > 0.5"]]
    means, *by_finding = said["lime"]
    assert means == ["0.400 [0.300, 0.500]", "", "", "0.300 [0.200, 0.400]"]
    assert said["ARC-CXR, Grad-CAM"] == [["0.496", "0.182", "0.617", "0.337"]]
    head = next(cells for cells in said[""] if cells)  # not the empty line between the tables
    assert len(by_finding) == len(published.WANG)
    assert dict(zip(head, by_finding[0], strict=True)) == {
        name[:12]: {"Mass": "0.123", "Effusion": "0.456"}.get(name, "") for name in published.FINDINGS
    }
    (wang,) = said["**IoU > 0.1**: Wang et al."]
    assert dict(zip(head, wang, strict=True))["Mass"] == "0.400"


def test_what_is_compared_goes_by_the_benchmarks_names():
    assert {*published.WANG, *published.ARC_METRICS} <= set(METRICS)
    assert set(published.FINDINGS) <= set(NIH_FINDINGS)
    assert {len(values) for values in published.WANG.values()} == {len(published.FINDINGS)}
    assert {len(values) for values in published.ARC.values()} == {len(published.ARC_METRICS)}


def test_without_a_run_it_says_how_it_is_called(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["published"])
    assert published.main() == 2
    assert "python -m benchmarks.published runs/benchmark" in capsys.readouterr().err
