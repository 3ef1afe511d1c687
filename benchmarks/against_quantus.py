"""Reference values of Quantus 0.6.0 for the arrays that `tests/unit/test_quantus.py` measures.

`python -m benchmarks.against_quantus OUT.json` writes them. It needs an environment of its own with `pip install
quantus==0.6.0 torch`; the tests keep the file as data.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

#: Side of the arrays in pixels, number of arrays, and pixels covered per step of a deletion curve.
SIDE, CASES, STEP = 12, 20, 9


def arrays() -> dict[str, np.ndarray]:
    """Fixed arrays with CASES images, maps and masks, and the weights of a linear model.

    Images (CASES, SIDE, SIDE) float32 in [0, 1]; maps of that shape, higher on average inside the mask; masks with one
    box of ones each; weights (2, SIDE, SIDE) of two classes.
    """
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
    """Write pointing hits, deletion curves and randomisation scores to `path` as JSON, with the version of Quantus."""
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
    """A torch model (n, 1, SIDE, SIDE) -> (n, 2) with these weights (2, SIDE, SIDE) and no bias."""
    import torch

    layer = torch.nn.Linear(SIDE * SIDE, 2, bias=False)
    layer.weight = torch.nn.Parameter(torch.from_numpy(weights.reshape(2, -1)).float())
    return torch.nn.Sequential(torch.nn.Flatten(), layer).eval()


def _randomisation(quantus: Any, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """The model parameter randomisation test (MPRT) of Quantus: the maps it compares and its scores by layer.

    Images `x` (n, 1, SIDE, SIDE), classes `y` (n,). A map is gradient times input of a small random network.
    """
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * SIDE**2, 2)
    ).eval()
    seen: list[np.ndarray] = []

    def gradient_times_input(model: Any, inputs: np.ndarray, targets: np.ndarray, **_: Any) -> np.ndarray:
        """Maps (n, 1, SIDE, SIDE) for Quantus, also appended to `seen`."""
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
