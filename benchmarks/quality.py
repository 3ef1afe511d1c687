"""How much the quick settings lose, on real films: occlusion against every window, LIME against a converged run.

References are computed in float32. Each film contributes the findings above their cut-off and the three most
probable ones. A run takes about 30 minutes, most of them for LIME references of 10,000 samples per film.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Prediction, Radiograph

#: LIME samples of the converged reference, and of a usual run of the lime package.
CONVERGED, USUAL = 10_000, 1_000
SEEDS = 3


def main() -> int:
    """Measure the bundled model on 20 films, print a table and write the section `quality` of a JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=(__doc__ or "").split("\n")[0])
    where = os.environ.get("CXR_FILMS")
    parser.add_argument(
        "--films",
        type=Path,
        metavar="FOLDER",
        default=Path(where, "nih", "images") if where else None,
        required=not where,
        help="a folder of films, of which 20 are taken; default: nih/images of CXR_FILMS",
    )
    parser.add_argument("--out", type=Path, default=Path("bench.json"), metavar="JSON", help="default: bench.json")
    arguments = parser.parse_args()

    from cxr_demo.models import registry

    model = registry.load("bundled:nih14")
    figures = run(model, chosen(arguments.films, 20))
    known = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    arguments.out.write_text(json.dumps({**known, "quality": figures}, indent=2) + "\n")
    print(table(figures))
    return 0


def chosen(folder: Path, number: int) -> list[Path]:
    """Paths of `number` films of a folder, evenly spaced over the sorted names: every run takes the same films.

    SystemExit if the folder has fewer PNG and JPEG films.
    """
    found = sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png"))
    if len(found) < number:
        raise SystemExit(f"{folder} has {len(found)} films (.jpg, .png), and {number} are needed.")
    return [found[i * len(found) // number] for i in range(number)]


def run(model: Classifier, films: Sequence[Path]) -> dict[str, Any]:
    """All figures, ready for JSON; each measure has a list with one entry per explained map."""
    from cxr_demo.films import image
    from cxr_demo.inference.engine import engine_of

    exact = in_float32(model)
    figures: dict[str, Any] = {"model": model.name, "precision": engine_of(model).precision, "films": len(films)}
    for path in films:
        film = image.read(path)
        for name, found in {**occlusion(model, exact, film), **lime(model, exact, film)}.items():
            figures.setdefault(name, []).extend(found)
        print(".", end="", file=sys.stderr, flush=True)
    return figures


def in_float32(model: Classifier) -> Classifier:
    """The same model with masked copies computed in float32 on every machine."""
    from cxr_demo.inference import engine
    from cxr_demo.inference.openvino import Graphs
    from cxr_demo.models.classifier import Classifier

    again = Classifier(model.spec, model.network, model.name)
    engine._ENGINES[again] = engine.OpenVINO(Graphs.of(model.network, model.size, engine.BATCH), "float32", "float32")
    return again


def looked_at(said: Prediction) -> list[int]:
    """Sorted indices of the three most probable findings and of all findings above their cut-off."""
    return sorted({*said.ranked()[:3], *np.flatnonzero(said.probabilities >= said.thresholds).tolist()})


def occlusion(model: Classifier, exact: Classifier, film: Radiograph, **settings: Any) -> dict[str, list[float]]:
    """The page's occlusion maps against maps of all windows in float32: two lists with one entry per finding.

    Pearson correlation over pixels, and the distance of the two maxima in pixels (the larger of rows and columns).
    `settings` replace the page's settings of occlusion.
    """
    from cxr_demo.case import Case
    from cxr_demo.methods.occlusion import Occlusion

    case = Case(model, film)
    quick = case.last_explanation(Occlusion(**settings))
    full = Case(exact, film).last_explanation(Occlusion(scored=100))
    pairs = [(quick.values[i], full.values[i]) for i in looked_at(case.predict())]
    tops = [[np.unravel_index(values.argmax(), values.shape) for values in pair] for pair in pairs]
    return {
        "occlusion correlation": [float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in pairs],
        "occlusion tops apart": [float(np.abs(np.subtract(*pair)).max()) for pair in tops],
    }


def lime(model: Classifier, exact: Classifier, film: Radiograph) -> dict[str, list[float]]:
    """Spearman correlation over superpixels with a converged float32 run: two lists with one entry per finding.

    LIME with the page's settings, and with the lime package's linear surrogate and USUAL samples. Each entry is the
    mean over SEEDS seeds.
    """
    from scipy.stats import spearmanr

    from cxr_demo.case import Case

    truth = _lime(exact, film, surrogate="linear", samples=CONVERGED)
    findings = looked_at(Case(model, film).predict())

    def ranks(model: Classifier, **settings: Any) -> list[float]:
        """Mean rank correlation of each finding over the seeds."""
        runs, found = [_lime(model, film, seed=seed, **settings) for seed in range(1, SEEDS + 1)], []
        for i in findings:
            _, each = np.unique(truth[i], return_index=True)  # the index of one pixel per superpixel
            found.append(np.mean([spearmanr(values[i].flat[each], truth[i].flat[each])[0] for values in runs]))
        return [float(value) for value in found]

    return {"LIME here": ranks(model), "LIME of the package": ranks(exact, surrogate="linear", samples=USUAL)}


def _lime(model: Classifier, film: Radiograph, **settings: Any) -> np.ndarray:
    """Maps (L, S, S) of LIME; `samples` may exceed the page's limit."""
    import torch

    from cxr_demo.films import image
    from cxr_demo.inference.scoring import Budget, Scorer
    from cxr_demo.methods.lime import LIME

    x = torch.from_numpy(image.model_input(film, model.size, model.spec.pixel_range))
    *_, step = LIME(**settings).attribute(Scorer(model, x, Budget()), x)
    return step.values


def table(figures: dict[str, Any]) -> str:
    """The figures as plain text."""
    return "\n".join(_lines(figures))


def _lines(figures: dict[str, Any]) -> Iterator[str]:
    from cxr_demo.methods.occlusion import Occlusion

    alike, apart = figures["occlusion correlation"], np.array(figures["occlusion tops apart"])
    yield f"{figures['model']}, copies in {figures['precision']}, {figures['films']} films, {len(alike)} maps"
    yield f"occlusion against all windows in float32: correlation {np.median(alike):.4f}, at worst {min(alike):.4f}"
    yield f"its top within one stride: {np.mean(apart <= Occlusion().stride):.1%}"
    yield f"LIME against {CONVERGED} samples of the package, rank correlation, mean of maps ({SEEDS} seeds):"
    for name in ("LIME here", "LIME of the package"):
        yield f"  {name:<20} {np.mean(figures[name]):.4f}, at worst {min(figures[name]):.4f}"


if __name__ == "__main__":
    sys.exit(main())
