"""What Quantus says of the arrays that `tests/unit/test_quantus.py` measures.

Run `python -m benchmarks.against_quantus OUT.json` in an environment of its own, `pip install quantus==0.6.0 torch`;
its answers are kept as test data.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

#: Side of the arrays, how many there are, and cells covered per step of a deletion.
SIDE, CASES, STEP = 12, 20, 9


def arrays() -> dict[str, np.ndarray]:
    """Images, maps, masks of a box each, and the weights of a linear model: the same ones every time."""
    random = np.random.default_rng(7)
    masks = np.zeros((CASES, SIDE, SIDE))
    for mask in masks:
        top, left = random.integers(0, SIDE - 5, 2)
        height, width = random.integers(2, 6, 2)
        mask[top : top + height, left : left + width] = 1
    images = random.uniform(size=(CASES, SIDE, SIDE)).astype(np.float32)
    maps = random.normal(size=(CASES, SIDE, SIDE)) + 1.5 * masks
    return {"images": images, "maps": maps, "masks": masks, "weights": random.normal(size=(2, SIDE, SIDE))}


def main(path: Path) -> None:
    """Ask Quantus and write its answers down."""
    import quantus

    known = arrays()
    x, maps, masks = (known[name][:, None] for name in ("images", "maps", "masks"))
    y = np.zeros(CASES, int)
    linear = _linear(known["weights"])
    pointing = quantus.PointingGame(normalise=False, disable_warnings=True)(linear, x, y, maps, s_batch=masks)
    flipping = quantus.PixelFlipping(
        features_in_step=STEP, normalise=False, perturb_baseline="black", disable_warnings=True
    )(linear, x, y, maps, softmax=False)
    answers = {
        "quantus": quantus.__version__,
        "pointing": [float(np.ravel(hit)[0]) for hit in pointing],
        "deletion": [[float(v) for v in np.ravel(curve)] for curve in flipping],
        "randomisation": _randomisation(quantus, x[:4], y[:4]),
    }
    path.write_text(json.dumps(answers) + "\n")


def _linear(weights: np.ndarray) -> Any:
    import torch

    layer = torch.nn.Linear(SIDE * SIDE, 2, bias=False)
    layer.weight = torch.nn.Parameter(torch.from_numpy(weights.reshape(2, -1)).float())
    return torch.nn.Sequential(torch.nn.Flatten(), layer).eval()


def _randomisation(quantus: Any, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Its model parameter randomisation test, and the maps that it compared."""
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * SIDE**2, 2)
    ).eval()
    seen: list[np.ndarray] = []

    def gradient_times_input(model: Any, inputs: np.ndarray, targets: np.ndarray, **_: Any) -> np.ndarray:
        pixels = torch.tensor(np.asarray(inputs), dtype=torch.float32, requires_grad=True)
        model(pixels)[torch.arange(len(pixels)), torch.as_tensor(targets)].sum().backward()
        assert pixels.grad is not None
        found: np.ndarray = (pixels.grad * pixels).detach().numpy()
        seen.append(found[:, 0])
        return found

    test = quantus.MPRT(
        similarity_func=quantus.similarity_func.correlation_spearman, abs=True, normalise=False, disable_warnings=True
    )
    scores = test(model, x, y, explain_func=gradient_times_input)
    return {
        "maps": [maps.astype(float).round(9).tolist() for maps in seen],
        "scores": {layer: [float(v) for v in values] for layer, values in scores.items()},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
