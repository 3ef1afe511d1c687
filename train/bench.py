"""Speed from films to training steps, in images per second: torchxrayvision's loader and the cache, in one run.

Both feed the same small network, with the same batch size and optimiser, so that only the input differs. Repeats
alternate between the two; figures are medians. CPU time is given beside wall time because it is stable on a busy
machine.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from cxr_demo.errors import DataError
from cxr_demo.films import image, phantom
from cxr_demo.films.label_tables import Films
from cxr_demo.types import NIH_FINDINGS
from train import augment, cache, datasets, finetune, losses
from train.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from train.cache import Views

    Batches = Iterable[tuple[Tensor, Tensor]]
    Stage = dict[str, float]  # wall and cpu

#: Formats that the library's data set reads.
PICTURES = {".png", ".jpg", ".jpeg"}
#: Side of generated films in pixels, that of NIH's films.
GENERATED = 1024
#: Number of films on which stages are timed.
STAGED = 16
#: Epochs of cache input in one measurement, since a single one is too short to time.
PASSES = 8


@dataclass(frozen=True)
class Setting:
    """Films and parameters of the comparison, and the file of its result."""

    films: Path | None = None  # a folder of PNG or JPEG films; None: generated ones
    out: Path = Path("bench.json")
    most: int = 96  # number of films
    size: int = 224
    batch: int = 32
    repeats: int = 3
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)  # processes of the library's loader


@dataclass(frozen=True)
class Cost:
    """Seconds of wall time, and of CPU time of all processes, including the loader's workers."""

    wall: float
    cpu: float

    def of(self, count: int) -> dict[str, float]:
        """Images per second of wall and of CPU time, for `count` images."""
        return {"wall": count / self.wall, "cpu": count / max(self.cpu, 1e-9)}


def main(setting: Setting, say: Callable[[str], None]) -> dict[str, Any]:
    """Compare, print a table, and write the figures as section `training` of `setting.out`; the figures."""
    figures = run(setting)
    known = json.loads(setting.out.read_text()) if setting.out.exists() else {}
    setting.out.write_text(json.dumps({**known, "training": figures}, indent=2) + "\n")
    say(table(figures))
    return figures


def run(setting: Setting) -> dict[str, Any]:
    """All figures, ready for JSON: images per second, milliseconds per stage, seconds of each repeat.

    DataError if the folder has no PNG or JPEG film.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        films = _films(_found(setting) if setting.films else _generated(folder, setting.most))
        trial = _Trial(setting, films, folder)
        costs: dict[str, list[Cost]] = defaultdict(list)
        for repeat in range(setting.repeats):
            for name, cost in trial.repeat(folder / f"cache-{repeat}"):
                costs[name].append(cost)
        middle = {
            name: Cost(median(c.wall for c in every), median(c.cpu for c in every)) for name, every in costs.items()
        }
        return {
            "machine": _machine(),
            "setting": {**asdict(setting), "films": str(setting.films or "generated"), "out": str(setting.out)},
            "films": len(films),
            "images_per_second": _rates(middle, len(films)),
            "break_even_epochs": _break_even(middle),
            "stages_ms": trial.stages(),
            "seconds": {name: [asdict(cost) for cost in every] for name, every in costs.items()},
        }


def _rates(middle: dict[str, Cost], films: int) -> dict[str, dict[str, float]]:
    """Images per second of each measurement, and of building the cache with its first epoch."""
    build, cold = middle["cache, build"], middle["cache, first epoch"]
    both = Cost(build.wall + cold.wall, build.cpu + cold.cpu)
    rates = {name: cost.of(films * (PASSES if name == "cache, input" else 1)) for name, cost in middle.items()}
    return {**rates, "cache, build and first epoch": both.of(films)}


def _break_even(middle: dict[str, Cost]) -> dict[str, float]:
    """Number of epochs after which the cache has saved the time that building it takes."""
    build, ours, theirs = (middle[n] for n in ("cache, build", "cache, later epoch", "library, later epoch"))
    return {by: getattr(build, by) / (getattr(theirs, by) - getattr(ours, by)) for by in ("wall", "cpu")}


class _Trial:
    """Library and cache on the same films, with all measurements.

    `alone` is the library's loader without workers, for measurements on one thread; `loader` has `setting.workers`.
    """

    def __init__(self, setting: Setting, films: Films, folder: Path) -> None:
        self.setting, self.films = setting, films
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.learner = _Learner(self.device)
        self.staged = min(STAGED, len(films))
        self.views: Views | np.ndarray = np.zeros((0, setting.size, setting.size), np.uint8)
        images = Path(os.path.commonpath([path.parent for path in films.paths]))
        names = [str(path.relative_to(images)) for path in films.paths]

        def loader(workers: int) -> Any:
            return datasets.reference_loader(images, names, folder / "films.csv", setting.size, setting.batch, workers)

        self.alone, self.loader = loader(0), loader(setting.workers)

    def repeat(self, folder: Path) -> Iterator[tuple[str, Cost]]:
        """Name and cost of each measurement, once; builds a new cache in `folder`.

        "epoch" measurements include training steps, "input" measurements only iterate over batches, on one thread.
        First epochs read from disk.
        """
        _forget(self.films.paths)
        yield "library, first epoch", self._timed(lambda: self.learner.learn(self._theirs(self.loader)))
        yield "library, later epoch", self._timed(lambda: self.learner.learn(self._theirs(self.loader)))
        _forget(self.films.paths)
        yield "cache, build", self._timed(lambda: cache.decode(self.films, self.setting.size, folder))
        self.views = cache.decode(self.films, self.setting.size, folder).views()
        _forget(folder.rglob(cache.VIEWS))
        yield "cache, first epoch", self._timed(lambda: self.learner.learn(self._ours()))
        yield "cache, later epoch", self._timed(lambda: self.learner.learn(self._ours()))
        with _one_thread():
            yield "library, input", self._timed(lambda: _drain(self._theirs(self.alone)))
            yield "cache, input", self._timed(lambda: _drain(batch for _ in range(PASSES) for batch in self._ours()))

    def stages(self) -> dict[str, dict[str, Stage]]:
        """Milliseconds per film on one thread: side -> stage -> wall and CPU."""
        x, y = self._batch(), torch.zeros(self.staged, len(NIH_FINDINGS))
        with _one_thread():
            compute = {"compute": self._each(lambda: self.learner.step(x, y))}
            return {
                "library, each epoch": {**self._library_stages(), **compute},
                "cache, once": self._build_stages(),
                "cache, each epoch": {
                    "read": self._each(self._batch),
                    "augment": self._each(lambda: _changed(x, Recipe(), torch.Generator())),
                    **compute,
                },
            }

    def _batch(self) -> Tensor:
        """The staged films as a batch (n, 1, S, S) in [0, 1]."""
        return finetune.to_input(self.views[: self.staged]).to(self.device)

    def _library_stages(self) -> dict[str, Stage]:
        """Stages of the library's data set: read, decode, resize, augment."""
        dataset, films = self.alone.dataset, range(self.staged)
        resize, change = dataset.transform, dataset.data_aug
        dataset.transform = dataset.data_aug = None
        raw = [dataset[i]["img"] for i in films]
        small = [resize(picture) for picture in raw]
        read = self._each(self._read)
        found = {
            "read": read,
            "decode": self._each(lambda: [dataset[i] for i in films], read),
            "resize": self._each(lambda: [resize(picture) for picture in raw]),
            "augment": self._each(lambda: [change(picture) for picture in small]),
        }
        dataset.transform, dataset.data_aug = resize, change
        return found

    def _build_stages(self) -> dict[str, Stage]:
        """Stages of building the cache: read, decode, resize."""
        paths = self.films.paths[: self.staged]
        shown, read = [image.read(path) for path in paths], self._each(self._read)
        return {
            "read": read,
            "decode": self._each(lambda: [image.read(path) for path in paths], read),
            "resize": self._each(lambda: [image.view(film, self.setting.size) for film in shown]),
        }

    def _read(self) -> None:
        for path in self.films.paths[: self.staged]:
            path.read_bytes()

    def _each(self, work: Callable[[], object], before: Stage | None = None) -> Stage:
        """Milliseconds per staged film of `work`, minus those of the stage `before` that it includes."""
        work()  # warm-up
        costs = [self._timed(work) for _ in range(self.setting.repeats)]
        less = before or {"wall": 0.0, "cpu": 0.0}
        return {by: median(getattr(cost, by) for cost in costs) * 1e3 / self.staged - less[by] for by in less}

    def _theirs(self, loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches and labels of the library's loader."""
        for samples in loader:
            yield samples["img"].to(self.device), samples["lab"]

    def _ours(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches and targets from the cache, shuffled and augmented as in a training."""
        recipe, generator = Recipe(), torch.Generator().manual_seed(0)
        order = torch.randperm(len(self.films), generator=generator).numpy()
        for start in range(0, len(order), self.setting.batch):
            rows = np.sort(order[start : start + self.setting.batch])
            x = finetune.to_input(self.views[rows]).to(self.device)
            yield _changed(x, recipe, generator), torch.from_numpy(self.films.targets[rows])

    def _timed(self, work: Callable[[], object]) -> Cost:
        """Cost of `work`, up to the end of its computations on the GPU."""
        wall, cpu = time.perf_counter(), _cpu()
        work()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return Cost(time.perf_counter() - wall, _cpu() - cpu)


class _Learner:
    """A small network with its optimiser, the same for both sides."""

    def __init__(self, device: torch.device) -> None:
        torch.manual_seed(0)
        self.network = nn.Sequential(
            nn.Conv2d(1, 16, 7, stride=4),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(32, len(NIH_FINDINGS)),
        ).to(device)
        self.device = device
        self.optimiser = torch.optim.AdamW(self.network.parameters())

    def learn(self, batches: Batches) -> None:
        for x, y in batches:
            self.step(x, y)

    def step(self, x: Tensor, y: Tensor) -> None:
        """Take one step on images (n, 1, S, S) and labels (n, L)."""
        self.optimiser.zero_grad()
        loss = losses.masked_bce(self.network(x / 1024), y.to(self.device))
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()


def _cpu() -> float:
    """CPU seconds of this process and of its finished children, such as the loader's workers after an epoch."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _changed(x: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """A batch, augmented on its device and scaled to the model's pixel range."""
    change = augment.draw(len(x), recipe, generator).take(slice(None), x.device)
    return finetune.to_range(change.expose(change.move(x)))


def _drain(batches: Batches) -> None:
    for _ in batches:
        pass


@contextmanager
def _one_thread() -> Iterator[None]:
    """Context in which torch computes on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _forget(paths: Iterable[Path]) -> None:
    """Drop files from the system's page cache, where supported, so that the next read comes from disk."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())  # dirty pages would stay in memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _generated(folder: Path, count: int) -> list[Path]:
    """Write `count` PNG files of phantoms at GENERATED px; their paths."""
    (folder / "films").mkdir()
    pictures = [phantom.draw(key, GENERATED) for key in phantom.PHANTOMS]
    paths = [folder / "films" / f"{i:04}.png" for i in range(count)]
    for i, path in enumerate(paths):
        picture = pictures[i % len(pictures)].copy()
        picture.flat[i] ^= 1  # each its own, since a film that is there twice is decoded once
        cv2.imwrite(str(path), picture)
    return paths


def _found(setting: Setting) -> list[Path]:
    """The first `most` PNG and JPEG films of the folder; DataError if it has none."""
    folder = setting.films or Path()
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not paths:
        raise DataError(f"{folder} holds no PNG or JPEG film; name a folder that does.")
    return paths[: setting.most]


def _films(paths: list[Path]) -> Films:
    """The files as Films without labels or metadata."""
    n = len(paths)
    return Films(
        paths=tuple(paths),
        patients=np.arange(n).astype(str),
        labels=NIH_FINDINGS,
        targets=np.zeros((n, len(NIH_FINDINGS)), np.float32),
        boxes=((),) * n,
        extra={},
        sources=np.full(n, ""),
        views=np.full(n, ""),
        sexes=np.full(n, ""),
        ages=np.full(n, np.nan),
        follow_ups=np.full(n, np.nan),
    )


def _machine() -> dict[str, Any]:
    """Processor, number of cores, GPU, load average, torch version and date."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpu": gpu,
        "load": os.getloadavg()[0],
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def table(figures: dict[str, Any]) -> str:
    """The figures as plain text.

    Images per second of library and cache with their ratio, milliseconds per stage, and the epochs after which the
    cache pays.
    """
    machine, setting, rates = figures["machine"], figures["setting"], figures["images_per_second"]
    where = (
        f"{machine['processor']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}, load {machine['load']:.1f}"
    )
    what = (
        f"{figures['films']} films ({setting['films']}), {setting['size']} px, batch {setting['batch']}, "
        f"{setting['workers']} workers, {setting['repeats']} repeats, medians"
    )
    lines = [
        what,
        f"{where}, torch {machine['torch']}, {machine['date']}",
        "",
        f"{'images per second':<34}{'torchxrayvision':>16}{'cache':>10}{'ratio':>8}",
    ]
    for title, theirs, ours in (
        ("input alone, one core", "input", "input"),
        ("disk to optimiser, first epoch", "first epoch", "first epoch"),
        ("  the same, cache built before it", "first epoch", "build and first epoch"),
        ("disk to optimiser, later epoch", "later epoch", "later epoch"),
    ):
        for by, unit in (("wall", ""), ("cpu", ", per CPU second")):
            pair = rates[f"library, {theirs}"][by], rates[f"cache, {ours}"][by]
            name = title + unit if by == "wall" else f"{unit[2:]:>34}"
            lines.append(f"{name:<34}{pair[0]:>16.1f}{pair[1]:>10.1f}{pair[1] / pair[0]:>8.1f}")
    return "\n".join([*lines, "", *_stage_lines(figures), "", _verdict(figures)])


def _stage_lines(figures: dict[str, Any]) -> list[str]:
    """Lines of the table of stages, in ms per film."""
    stages = ("read", "decode", "resize", "augment", "compute")
    lines = [f"{'ms per film, one thread':<34}" + "".join(f"{stage:>10}" for stage in stages)]
    for way, costs in figures["stages_ms"].items():
        for by in ("wall", "cpu"):
            cells = "".join(f"{costs[stage][by]:>10.2f}" if stage in costs else f"{'-':>10}" for stage in stages)
            lines.append(f"{way if by == 'wall' else 'CPU':<34}{cells}")
    return lines


def _verdict(figures: dict[str, Any]) -> str:
    """A sentence with the speed of building the cache and the epochs after which it pays."""
    build, epochs = figures["images_per_second"]["cache, build"], figures["break_even_epochs"]
    return (
        f"The cache is built at {build['wall']:.1f} films per second ({build['cpu']:.1f} per CPU second) and has paid "
        f"for itself after {epochs['wall']:.2f} epochs ({epochs['cpu']:.2f} by CPU time)."
    )
