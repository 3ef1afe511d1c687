"""Planted defects that the audit of image files must find.

Copies are added as films of new patients; spoiled films replace the originals.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from cxr_demo.films import image
from cxr_demo.films.label_tables import Films, join


def again(pixels, quality):
    """Encode and decode the pixels as a JPEG of this quality."""
    return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


def resized(pixels, rng):
    return cv2.resize(pixels, None, fx=(f := rng.uniform(0.3, 1.7)), fy=f, interpolation=cv2.INTER_LINEAR)


def gamma(pixels, rng):
    return np.rint(255 * (pixels / 255) ** np.exp(rng.choice((-1, 1)) * rng.uniform(0.2, 0.6))).astype(np.uint8)


def turned(pixels, rng):
    return np.rot90(pixels, rng.choice((1, 3)))


#: Defects: pixels (H, W) uint8 and a random generator -> pixels to store, as JPEG of quality 95.
COPIES = {
    "re-encoded": lambda p, rng: again(p, 50),
    "resized": resized,
    "gamma": gamma,
    "mirrored": lambda p, rng: p[:, ::-1],
    "inverted": lambda p, rng: 255 - p,
    "turned": turned,
}
SPOILED = {name: COPIES[name] for name in ("mirrored", "inverted", "turned")}


@dataclass(frozen=True)
class Planted:
    films: Films
    rows: dict[str, np.ndarray]  # by defect: the rows of `films` that have it
    source: np.ndarray  # (N,) the row of each film's original; its own row if it is no copy


def _write(path: Path, film: Path, defect, rng) -> Path:
    pixels = np.rint(image.read(film).pixels * 255).astype(np.uint8)
    cv2.imwrite(str(path), np.ascontiguousarray(defect(pixels, rng)), [cv2.IMWRITE_JPEG_QUALITY, 95])
    return path


def plant_copies(films: Films, folder: Path, each: int, seed: int = 0) -> Planted:
    """Append `each` altered copies per kind of defect to the films; each film is copied at most once."""
    rng = np.random.default_rng(seed)
    n, rows = len(films), {}
    chosen = rng.permutation(n)[: each * len(COPIES)]
    paths = []
    for k, (name, defect) in enumerate(COPIES.items()):
        rows[name] = n + k * each + np.arange(each)
        sources = chosen[k * each :][:each]
        paths += [_write(folder / f"{name}-{i}.jpg", films.paths[i], defect, rng) for i in sources]
    copies = replace(
        films.take(chosen), paths=tuple(paths), patients=np.array([f"copy-{i}" for i in range(len(chosen))])
    )
    return Planted(join([films, copies]), rows, np.concatenate([np.arange(n), chosen]))


def spoil(films: Films, folder: Path, each: int, seed: int = 0) -> Planted:
    """Replace `each` films per kind by mirrored, inverted or quarter-turned ones."""
    rng = np.random.default_rng(seed)
    chosen, paths = rng.permutation(len(films)), list(films.paths)
    rows = {name: chosen[k * each :][:each] for k, name in enumerate(SPOILED)}
    for name, spoiled in rows.items():
        for i in spoiled:
            paths[i] = _write(folder / f"{name}-{i}.jpg", films.paths[i], SPOILED[name], rng)
    return Planted(replace(films, paths=tuple(paths)), rows, np.arange(len(films)))
