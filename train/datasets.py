"""torchxrayvision's data sets as films, by name and image folder. The trainer's only importer of torchxrayvision.

Read with every view and every film of a patient, which is not the library's default.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo.errors import DataError
from cxr_demo.films.label_tables import Box, Films, Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

with warnings.catch_warnings():
    import torchxrayvision as xrv

#: The folder with the metadata that the library ships.
METADATA = Path(xrv.datasets.datapath)


@dataclass(frozen=True)
class Collection:
    """How one of the library's classes is made and where a film of it lies under the image folder."""

    build: str  # the class
    file: Callable[[pd.Series[Any]], str]  # a row of its table -> path under the image folder
    arguments: tuple[str, ...] = ()  # tables that the library does not ship, by argument
    patients: str = "patientid"  # the column, empty where the data set does not say
    columns: tuple[tuple[str, str], ...] = ()  # a label's column in its table, where that has another name


def _mimic(row: pd.Series[Any]) -> str:
    patient, study = str(row["subject_id"]), str(row["study_id"])
    return f"p{patient[:2]}/p{patient}/s{study}/{row['dicom_id']}.jpg"


def _chexpert(row: pd.Series[Any]) -> str:
    return str(row["Path"]).replace("CheXpert-v1.0-small/", "").replace("CheXpert-v1.0/", "")


#: The data sets by the name that goes before the folder: `NIH=/films/nih`.
COLLECTIONS = {
    "NIH": Collection("NIH_Dataset", lambda row: row["Image Index"]),
    "Google": Collection("NIH_Google_Dataset", lambda row: row["Image Index"], patients="Patient ID"),
    "RSNA": Collection("RSNA_Pneumonia_Dataset", lambda row: f"{row['patientId']}.jpg"),
    "SIIM": Collection("SIIM_Pneumothorax_Dataset", lambda row: f"{row['ImageId']}.dcm", patients=""),
    "CheXpert": Collection("CheX_Dataset", _chexpert, columns=(("Effusion", "Pleural Effusion"),)),
    "PadChest": Collection("PC_Dataset", lambda row: row["ImageID"]),
    "MIMIC": Collection(
        "MIMIC_Dataset", _mimic, ("csvpath", "metacsvpath"), columns=(("Effusion", "Pleural Effusion"),)
    ),
    "VinBig": Collection("VinDr_Dataset", lambda row: f"{row['image_id']}.dicom", patients=""),
}


def read(
    name: str,
    images: Path,
    labels: Sequence[str],
    policy: Policy | None = None,
    *,
    tables: Sequence[Path] = (),
    present: str = "all",
) -> Films:
    """A data set's films under a folder of images; `tables` are those that the library does not ship.

    `present` says which: `all` and DataError where a file is missing, `some` only those that are there, `metadata`
    all without looking. A label that the data set does not give is missing in every film.
    """
    if name not in COLLECTIONS:
        raise DataError(f"Unknown data set {name!r}; known are {', '.join(COLLECTIONS)}.")
    if not images.is_dir():
        raise DataError(f"{images} is no folder; give the one with the images of {name}.")
    collection = COLLECTIONS[name]
    dataset = _dataset(name, collection, images, tables)
    table: pd.DataFrame = dataset.csv
    given = dict(zip(map(str, dataset.pathologies), np.asarray(dataset.labels, np.float32).T, strict=True))
    if not set(labels) & set(given):
        raise DataError(f"{name} gives none of {', '.join(labels)}; it gives {', '.join(given)}.")
    films = Films(
        paths=tuple(images / collection.file(row) for _, row in table.iterrows()),
        patients=table[collection.patients].astype(str).to_numpy(str) if collection.patients else _alone(name, table),
        sources=np.full(len(table), name),
        labels=tuple(labels),
        targets=(policy or Policy()).apply(_raw(table, collection, given, labels)),
        views=_text(table, "view"),
        sexes=_sexes(table),
        ages=_number(table, "age_years"),
        follow_ups=_number(table, "Follow-up #"),
        boxes=_boxes(dataset, table),
        extra={"No Finding": _no_finding(table)}
        | {other: _digits(column) for other, column in given.items() if other not in labels},
    )
    films = _once(films)
    return films if present == "metadata" else _present(films, images, present)


def reference_loader(images: Path, names: Sequence[str], table: Path, size: int, batch: int, workers: int) -> Any:
    """The library's own way from films to batches, as its training script has it: a DataLoader to compare ours with.

    `names` are PNG or JPEG films under `images`; the table that the library wants of them is written to `table`.
    """
    import pandas as pd
    from torch.utils.data import DataLoader
    from torchvision import transforms

    films = pd.DataFrame(
        {
            "Image Index": names,
            "Patient ID": range(len(names)),
            "View Position": "PA",
            "Finding Labels": "No Finding",
            "Follow-up #": 0,
            "Patient Age": 50,
            "Patient Gender": "F",
        }
    )
    films.to_csv(table, index=False)
    state = np.random.get_state()  # its constructor seeds the global generator
    dataset = xrv.datasets.NIH_Dataset(
        str(images),
        csvpath=str(table),
        transform=transforms.Compose([xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(size)]),
        data_aug=transforms.Compose(
            [
                xrv.datasets.ToPILImage(),
                transforms.RandomAffine(45, translate=(0.15, 0.15), scale=(0.85, 1.15)),
                transforms.ToTensor(),
            ]
        ),
    )
    np.random.set_state(state)
    return DataLoader(dataset, batch_size=batch, shuffle=True, num_workers=workers)


def _once(films: Films) -> Films:
    """Each file once: SIIM has a row per outline of a film."""
    _, first, group = np.unique([str(path) for path in films.paths], return_index=True, return_inverse=True)
    if not np.array_equal(films.targets, films.targets[first][group], equal_nan=True):
        raise DataError("A film is listed twice with different labels.")
    return films if len(first) == len(films) else films.take(np.sort(first))


def _dataset(name: str, collection: Collection, images: Path, tables: Sequence[Path]) -> Any:
    import inspect

    kind = getattr(xrv.datasets, collection.build)
    if len(tables) != len(collection.arguments):
        wanted = f"{len(collection.arguments)} tables ({', '.join(collection.arguments)})"
        raise DataError(f"{name} needs {wanted if collection.arguments else 'no table'}, got {len(tables)}.")
    # the defaults are one view and one film per patient
    wide = {"views": ["*"], "unique_patients": False}
    accepted = inspect.signature(kind).parameters
    arguments = {key: value for key, value in wide.items() if key in accepted}
    state = np.random.get_state()  # its constructors seed the global generator
    try:
        return kind(str(images), **arguments, **dict(zip(collection.arguments, map(str, tables), strict=True)))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{name} cannot be read from {images}: {error}.") from None
    finally:
        np.random.set_state(state)


def _raw(
    table: pd.DataFrame, collection: Collection, given: dict[str, np.ndarray], labels: Sequence[str]
) -> np.ndarray:
    """Labels (N, L): 1, 0, -1 where uncertain (the library says nan for these too), nan where missing."""
    raw = np.full((len(table), len(labels)), np.nan)
    for i, label in enumerate(labels):
        if label in given:
            raw[:, i] = given[label]
            column = dict(collection.columns).get(label, label)
            if column in table:
                raw[(table[column] == -1).to_numpy(), i] = -1
    return raw


def _alone(name: str, table: pd.DataFrame) -> np.ndarray:
    """Each film its own patient, where the data set does not say; no other data set's."""
    return np.array([f"{name}-{i}" for i in range(len(table))])


def _text(table: pd.DataFrame, column: str) -> np.ndarray:
    return table[column].fillna("").to_numpy(str) if column in table else np.full(len(table), "")


def _number(table: pd.DataFrame, column: str) -> np.ndarray:
    return table[column].to_numpy(float) if column in table else np.full(len(table), np.nan)


def _sexes(table: pd.DataFrame) -> np.ndarray:
    if "sex_male" not in table:
        return np.full(len(table), "")
    return np.where(table["sex_male"], "M", np.where(table["sex_female"], "F", ""))


def _no_finding(table: pd.DataFrame) -> np.ndarray:
    """For each film "1" or "0" where the table has a column that says so, else nothing."""
    if "Finding Labels" in table:
        return (table["Finding Labels"] == "No Finding").to_numpy().astype(int).astype(str)
    return _digits(table["No Finding"].to_numpy(float)) if "No Finding" in table else np.full(len(table), "")


def _digits(column: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(column), "", np.where(column == 1, "1", np.where(column == 0, "0", "-1")))


def _boxes(dataset: Any, table: pd.DataFrame) -> tuple[tuple[Box, ...], ...]:
    """The radiologists' boxes of NIH films, in pixels of the original files (1024 px)."""
    if "Image Index" not in table or not hasattr(dataset, "pathology_maskscsv"):
        return ((),) * len(table)
    found: dict[str, list[Box]] = {}
    for row in dataset.pathology_maskscsv.itertuples():
        # columns: index, file, label, x, y, w, h
        found.setdefault(row[1], []).append(Box(row[2], *map(float, row[3:7])))
    return tuple(tuple(found.get(file, ())) for file in table["Image Index"])


def _present(films: Films, images: Path, present: str) -> Films:
    there = np.array([path.is_file() for path in films.paths])
    if there.all():
        return films
    if present == "some" and there.any():
        return films.take(there)
    example = films.paths[int(np.argmin(there))]
    raise DataError(f"{(~there).sum()} of {len(films)} films are not under {images}, e.g. {example}.")
