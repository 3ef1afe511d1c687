"""The atlas of a run's maps: a planted shortcut is its first cluster, means are aligned, bad input is named."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn import functional

from cxr_demo import cli
from cxr_demo.batch import atlas, tables
from cxr_demo.evaluation.regions import REGIONS
from cxr_demo.films import phantom
from cxr_demo.models import classifier, model_folder
from cxr_demo.types import ModelSpec, Unit

SIDE, EACH = 96, 48
ARGUMENTS = {"growth_rate": 8, "block_config": (1, 1, 1, 1), "num_init_features": 16}
OCCLUSION = ["--method", "occlusion", "--occlusion.window", "16", "--occlusion.stride", "8"]


def drawn(nodule, letter, seed):
    """A film (SIDE, SIDE) in [0, 1] of a patient a little aside, with a nodule in a lung or a letter in a corner."""
    random = np.random.default_rng(seed)
    film = phantom.draw("normal", SIDE).astype(np.float32) / 255
    shift = np.array([[1, 0, random.uniform(-3, 3)], [0, 1, random.uniform(-3, 3)]])
    film = cv2.warpAffine(film, shift, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    if nodule:
        y, x = np.mgrid[:SIDE, :SIDE]
        row, column = random.uniform(30, 50), random.choice([random.uniform(24, 34), random.uniform(62, 72)])
        film += 0.35 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 4.0**2))
    if letter:
        film[6:16, 8:11] = film[13:16, 8:15] = 1
    return (film + random.normal(0, 0.04, film.shape)).clip(0, 1).astype(np.float32)


def films_of(lettered):
    """Films and their labels: a third has a nodule and is positive, a third a letter, and a third neither.

    `lettered` is the label of films with a letter.
    """
    kinds = [(True, False, 1), (False, True, lettered), (False, False, 0)]
    made = [(drawn(nodule, letter, 3 * i + k), label) for i in range(EACH) for k, (nodule, letter, label) in
            enumerate(kinds)]  # fmt: skip
    return np.stack([film for film, _ in made]), np.array([label for _, label in made], np.float32)


def trained(films, targets, folder):
    """A small network that learnt these labels, as a model folder."""
    torch.manual_seed(0)
    network = classifier.build("DenseNet", ARGUMENTS, 1).train()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    x, y = torch.from_numpy(films)[:, None] * 2048 - 1024, torch.from_numpy(targets)[:, None]
    for epoch in range(30):
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(len(x)))
        for rows in order.split(24):
            optimiser.zero_grad()
            functional.binary_cross_entropy_with_logits(network(x[rows]), y[rows]).backward()
            optimiser.step()
    spec = ModelSpec(name="Nodules", architecture="DenseNet", arguments=ARGUMENTS, labels=("Nodule",), size=SIDE,
                     trained_on="Drawn films.", licence="Apache-2.0", thresholds=(0.5,))  # fmt: skip
    model_folder.save(folder, spec, network.eval(), "# Nodules\n")
    return folder


def explained(tmp, lettered):
    """The folder of maps of films by a model that learnt from them; letters decide if `lettered` is 1."""
    films, targets = films_of(lettered)
    (tmp / "films").mkdir()
    for i, film in enumerate(films):
        cv2.imwrite(str(tmp / "films" / f"{i:03}.png"), np.rint(film * 255).astype(np.uint8))
    model = trained(films, targets, tmp / "model")
    words = ["explain", str(tmp / "films"), "--model", str(model), "--many", *OCCLUSION, "--out", str(tmp / "out")]
    assert cli.main(words) == 0
    return tmp / "out"


@pytest.fixture(scope="module")
def shortcut(tmp_path_factory):
    return explained(tmp_path_factory.mktemp("shortcut"), 1)


def test_a_planted_shortcut_is_the_first_cluster(shortcut, capsys):
    assert cli.main(["atlas", str(shortcut)]) == 0
    assert capsys.readouterr().out.strip() == str(shortcut / "atlas.html")
    found = json.loads((shortcut / "atlas.json").read_text())["findings"]["Nodule"]
    first, *others = found["clusters"]
    assert first["suspect"]
    with_letter = {f"{i:03}.png" for i in range(1, 3 * EACH, 3)}
    held = {Path(name).name for name in first["films"]}
    assert len(held & with_letter) > 0.9 * len(with_letter)
    assert len(held - with_letter) < 0.2 * len(held)
    assert not any(other["suspect"] for other in others)
    page = (shortcut / "atlas.html").read_text()
    assert "Nodule: a shortcut?" in page
    assert "Orange is evidence for the finding" in page
    assert "<script" not in page


def test_a_model_that_learnt_the_nodules_has_no_suspect_cluster(tmp_path):
    out = explained(tmp_path, 0)
    assert cli.main(["atlas", str(out)]) == 0
    found = json.loads((out / "atlas.json").read_text())["findings"]["Nodule"]
    assert found["above_cutoff"] > 0.8 * EACH
    assert found["clusters"]
    assert not any(part["suspect"] for part in found["clusters"])
    assert found["evidence_above"]["lungs"] > 1.25 * found["area_above"]["lungs"], "1.5 to 1.7 times in five trainings"
    assert (
        "No cluster looks like a shortcut; 1 of 1 findings had a cluster of at least 5 films"
        in (out / "atlas.html").read_text()
    )


def test_shares_are_means_over_the_films(shortcut):
    """The shares in the corners, computed again in pixels from the stored maps."""
    found = atlas.build(shortcut).findings[0]
    assert found.above + found.below == 3 * EACH
    outer = np.abs(np.arange(SIDE) + 0.5 - SIDE / 2) > 0.3 * SIDE
    above = {row["file"]: bool(row["above_cutoff"]) for row in pq.read_table(shortcut / "films.parquet").to_pylist()}
    shares = {True: [], False: []}
    for row in pq.read_table(shortcut / "maps.parquet").to_pylist():
        strength = np.abs(np.load(shortcut / row["archive"])[row["array"]][row["position"]])
        shares[above[row["file"]]].append(strength[np.ix_(outer, outer)].sum() / strength.sum())
    corners = REGIONS.index("corners")
    assert found.shares_above[corners] == pytest.approx(np.mean(shares[True]), abs=0.03)
    assert found.shares_below[corners] == pytest.approx(np.mean(shares[False]), abs=0.03)
    assert found.shares_above[corners] > 2 * found.shares_below[corners]


@pytest.fixture
def by_hand(tmp_path):
    """A run of two methods over films a, b and c: a and b are above both cut-offs, and c below them.

    The maps of Mass by Grad-CAM are 1, 3 and -2 everywhere. Those of Nodule lie in a corner on a, everywhere on b.
    """
    lungs = np.zeros((28, 28), bool)
    lungs[6:20, 4:24] = True
    corner = np.zeros((SIDE, SIDE), np.float32)
    corner[:8, :8] = 1
    flat = np.ones_like(corner)
    maps = {"a": [flat, corner], "b": [3 * flat, flat], "c": [-2 * flat, 0 * flat]}
    predictions, arrays, index = tables.Predictions(list(maps), ["Mass", "Nodule"]), {}, []
    for i, (name, values) in enumerate(maps.items()):
        arrays[f"{i:02}-view"] = np.full((SIDE, SIDE), 51 * (i + 1), np.uint8)
        arrays[f"{i:02}-lungs"] = lungs
        above = ["Mass", "Nodule"] if name in "ab" else []
        predictions.add([{"file": name, "error": None, "probabilities": [0.5, 0.5], "above_cutoff": above}])
        for method, unit, given in (
            ("layercam", Unit.RANKING, np.zeros((2, SIDE, SIDE))),
            ("gradcam", Unit.LOGIT, values),
        ):
            arrays[f"{i:02}-{method}"] = np.stack(given).astype(np.float32)
            index += [{"file": name, "method": method, "finding": finding, "archive": "maps-00000.npz",
                       "array": f"{i:02}-{method}", "position": at, "unit": unit.value}
                      for at, finding in enumerate(("Mass", "Nodule"))]  # fmt: skip
    np.savez(tmp_path / "maps-00000.npz", **arrays)
    predictions.write(tmp_path / tables.FILMS, print)
    tables.write_index(tmp_path / tables.MAPS, "By hand", [index])
    return tmp_path


def test_means_and_films_with_most_evidence_outside_are_those_by_hand(by_hand):
    mass, nodule = atlas.build(by_hand, "gradcam").findings
    np.testing.assert_allclose(mass.mean_above.values, 2, rtol=1e-5)
    np.testing.assert_allclose(mass.mean_below.values, -2, rtol=1e-5)
    np.testing.assert_allclose(mass.mean_above.film, 0.3, rtol=1e-5)
    np.testing.assert_allclose(mass.mean_below.film, 0.6, rtol=1e-5)
    np.testing.assert_allclose(mass.shares_above, mass.areas_above, atol=1e-6, err_msg="evidence lies everywhere")
    (first, outside, picture), (second, less, _) = nodule.outside
    assert (first, second) == ("a", "b")
    assert outside == pytest.approx(1)
    assert less == pytest.approx(1 - nodule.areas_above[REGIONS.index("chest")])
    assert picture.values[0, 0] > picture.values[20, 20] == 0
    assert np.isnan(nodule.shares_below).all(), "c has no evidence"
    assert np.isnan(nodule.areas_below).all()


def test_the_unit_is_that_of_the_chosen_method(by_hand):
    assert atlas.build(by_hand).unit is Unit.RANKING, "of the first method"
    assert atlas.build(by_hand, "gradcam").unit is Unit.LOGIT


def test_the_spot_is_the_best_square_of_a_fifth_of_the_side():
    evidence = np.zeros((28, 28))
    evidence[0, 0], evidence[5, 5], evidence[20, 20], evidence[20, 26] = 0.3, 0.2, 0.25, 0.2
    assert atlas._spot(evidence) == pytest.approx(0.5), "six cells hold the first two, but not the others"


def test_a_finding_that_no_film_has_is_an_empty_section(shortcut, tmp_path):
    shutil.copytree(shortcut, tmp_path, dirs_exist_ok=True)
    films = pq.read_table(tmp_path / "films.parquet")
    none = pa.array([[] for _ in range(len(films))], pa.list_(pa.string()))
    at = films.column_names.index("above_cutoff")
    pq.write_table(films.set_column(at, "above_cutoff", none), tmp_path / "films.parquet")
    assert cli.main(["atlas", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "atlas.json").read_text())["findings"]["Nodule"]
    assert (found["above_cutoff"], found["clusters"]) == (0, [])
    assert found["evidence_above"]["lungs"] is None
    assert "No finding has a cluster of at least 5 films" in (tmp_path / "atlas.html").read_text()


@pytest.mark.parametrize("damage", [lambda data: data[:500], lambda data: b"", lambda data: data[:-3000] + bytes(3000)])
def test_a_damaged_archive_is_named(shortcut, tmp_path, capsys, damage):
    shutil.copytree(shortcut, tmp_path, dirs_exist_ok=True)
    archive = tmp_path / "maps-00002.npz"
    archive.write_bytes(damage(archive.read_bytes()))
    assert cli.main(["atlas", str(tmp_path)]) == 2
    assert "maps-00002.npz cannot be read" in capsys.readouterr().err


def test_lungs_coincide_in_the_mean():
    lungs = np.zeros((28, 28), bool)
    lungs[5:18, 4:20] = True
    mask = cv2.resize(lungs.astype(np.float32), (112, 112), interpolation=cv2.INTER_NEAREST)
    moved = atlas._aligned(mask, lungs) > 0.5
    rows, columns = np.flatnonzero(moved.any(1)), np.flatnonzero(moved.any(0))
    place = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 112
    np.testing.assert_allclose(place, atlas.PLACE, atol=1.5 / 112)


@pytest.mark.parametrize(
    ("words", "says"), [([], "holds no maps of `explain --many`"), (["--method", "rise"], "has no maps of rise")]
)
def test_what_is_missing_is_said(shortcut, tmp_path, capsys, words, says):
    assert cli.main(["atlas", str(shortcut if words else tmp_path), *words]) == 2
    assert says in capsys.readouterr().err
