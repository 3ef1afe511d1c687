"""The benchmark compares the same films both ways and does its sums right; how fast it is, no test asks."""

import json
from statistics import median

import numpy as np
import pytest

from cxr_demo.errors import DataError
from cxr_demo.films import image, phantom
from train import bench, datasets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Phantoms, one of them in a folder of its own."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "more").mkdir()
    for i, key in enumerate(phantom.PHANTOMS):
        phantom.save(key, folder / "more" if i == 2 else folder, 96)
    (folder / "notes.txt").write_text("no film")
    return folder


@pytest.fixture(scope="module")
def figures(folder, tmp_path_factory):
    """A comparison of two repeats, written into a file that holds another section already."""
    out = tmp_path_factory.mktemp("out") / "bench.json"
    out.write_text('{"inference": 1}')
    said: list[str] = []
    setting = bench.Setting(films=folder, out=out, size=32, batch=2, repeats=2, workers=0)
    figures = bench.main(setting, said.append)
    assert json.loads(out.read_text()) == {"inference": 1, "training": figures}
    return figures, said[0]


def test_each_figure_is_the_median_of_its_repeats(figures):
    found, _ = figures
    assert found["films"] == 5
    for name, costs in found["seconds"].items():
        assert len(costs) == 2
        images = 5 * (bench.PASSES if name == "cache, input" else 1)
        for by in ("wall", "cpu"):
            rate = found["images_per_second"][name][by]
            assert rate == pytest.approx(images / max(median(cost[by] for cost in costs), 1e-9))


def test_the_table_shows_both_ways_and_when_the_cache_has_paid_for_itself(figures):
    found, text = figures
    lines = [" ".join(line.split()) for line in text.splitlines()]
    rates = found["images_per_second"]
    theirs, ours = rates["library, input"]["wall"], rates["cache, input"]["wall"]
    assert f"input alone, one core {theirs:.1f} {ours:.1f} {ours / theirs:.1f}" in lines
    assert f"after {found['break_even_epochs']['wall']:.2f} epochs" in text
    assert set(found["stages_ms"]["library, each epoch"]) == {"read", "decode", "resize", "augment", "compute"}


def test_what_building_costs_is_earned_back_by_what_an_epoch_saves():
    costs = {"cache, build": (10, 30), "cache, later epoch": (1, 2), "library, later epoch": (6, 12)}
    assert bench._break_even({n: bench.Cost(*c) for n, c in costs.items()}) == {"wall": 2, "cpu": 3}


def test_the_librarys_loader_gives_the_films_that_the_cache_holds(folder, tmp_path):
    names = sorted(path.name for path in folder.glob("*.png"))
    before = np.random.get_state()[1].copy()
    loader = datasets.reference_loader(folder, names, tmp_path / "films.csv", 48, 2, 0)
    assert (np.random.get_state()[1] == before).all()
    batches = [samples["img"].shape for samples in loader]
    assert batches == [(2, 1, 48, 48)] * 2
    loader.dataset.data_aug = None
    for i, name in enumerate(names):
        ours = image.model_input(image.read(folder / name), 48)[0]
        assert np.abs(loader.dataset[i]["img"] - ours).mean() < 20  # of 2048; resizers differ


def test_without_a_folder_films_are_generated_at_the_size_of_nihs(tmp_path):
    paths = bench._generated(tmp_path, 6)
    assert {image.read(path).pixels.shape for path in paths} == {(1024, 1024)}
    assert len({path.read_bytes() for path in paths}) == 6, "else the cache would decode fewer"


def test_a_folder_without_films_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="holds no PNG or JPEG film"):
        bench.run(bench.Setting(films=tmp_path))
