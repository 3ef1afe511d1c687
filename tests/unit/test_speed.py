"""The speed benchmark does the peers' work and its sums right; how fast it is, no test asks."""

from benchmarks import speed
from cxr_demo.methods.occlusion import Windows


def test_the_same_work_is_the_peers_number_of_windows():
    asked = speed.SAME["occlusion"]
    assert len(Windows(224, asked["window"], asked["stride"], asked["scored"])) == len(range(0, 224 - 31, 8)) ** 2


def side(findings, precision, **seconds):
    rounds = {name.replace("_", " "): [value, value] for name, value in seconds.items()}
    return {
        "findings": findings, "precision": precision, "start": 2.0, "imports_mb": 700.0, "peak_mb": 900.0,
        "batch": 4, "operations": 2 * speed.SIDE**3 / 100,
        "rounds": rounds, "seconds": {name: values[0] for name, values in rounds.items()},
    }  # fmt: skip


def test_the_table_adds_up_and_divides():
    page = dict.fromkeys(speed.PAGE[1:], 1.5) | {speed.PAGE[0]: 0.5}
    mine = side(14, "bfloat16", forward=0.1, occlusion=4.0, lime=5.0, shap=2.0, ig=1.0, rise=2.0, batch=0.2, **page)
    products = {"products, float32": 2.0, "products, bfloat16": 0.5}
    mine["seconds"] |= products
    alone = side(1, "bfloat16", **{name: value / 1.04 for name, value in page.items()})
    figures = {
        "machine": {"processor": "P", "cores": 2, "load": 0.0, "date": "2026-01-01"},
        "rounds": 2,
        "models": {
            "bundled": {
                "ours": mine,
                "one": alone,
                "peers": side(1, "float32", gradcam=1.0, occlusion=40.0, lime=16.0, shap=30.0, ig=1.0, rise=8.0),
            }
        },
        "starts": {"help": {"wall": 0.5, "cpu": 0.25}},
    }
    lines = [" ".join(line.split()) for line in speed.table(figures).splitlines()]
    assert "the same work 57.00 9.50 6.0" in lines
    assert "as the page has it 57.00 3.50 16.3" in lines
    assert "KernelSHAP, 1,200 samples 30.00 2.00 15.0" in lines
    assert "prediction and Grad-CAM cost 5.00 forward passes of 100 ms" in lines
    assert "as the page has it, 14 findings cost 1.04 times one" in lines
    # a copy is a hundredth of a product
    assert sum(line.endswith("take 20.0: 2.5 times the floor") for line in lines) == 1
    assert sum(line.endswith("take 5.0: 10.0 times the floor") for line in lines) == 1
    assert "help 0.50 0.25" in lines


def test_short_tasks_are_repeated_and_long_ones_are_not(monkeypatch):
    done = []
    assert speed._timed(lambda: done.append(1)) < speed.SHORT
    assert len(done) == speed.REPEATED
    monkeypatch.setattr(speed, "SHORT", 0)
    speed._timed(lambda: done.append(1))
    assert len(done) == speed.REPEATED + 1
