"""torchxrayvision's data sets as Films, by name and image folder; the trainer's only importer of that library.

They contain all views and all films of a patient, unlike the library's default of one view and one film.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo.errors import DataError
from cxr_demo.films.label_tables import Box, Films, Policy, patient_id
from cxr_demo.imports import import_library

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd


@dataclass(frozen=True)
class Collection:
    """How to construct one of the library's data sets and to find its files."""

    build: str  # name of the library's class
    files: Callable[[pd.DataFrame], pd.Series[Any]]  # its table -> each film's path under the image folder
    arguments: tuple[str, ...] = ()  # the constructor's arguments for tables that the library does not ship
    patients: str = "patientid"  # column of the patient; empty if the data set lacks it
    columns: tuple[tuple[str, str], ...] = ()  # (label, its column) where the names differ


def _mimic(table: pd.DataFrame) -> pd.Series[Any]:
    """Paths of MIMIC-CXR's films under its folder."""
    patient, study = table["subject_id"].astype(str), table["study_id"].astype(str)
    return "p" + patient.str[:2] + "/p" + patient + "/s" + study + "/" + table["dicom_id"] + ".jpg"


#: Data sets by the name on the command line, as in `NIH=/films/nih`.
COLLECTIONS = {
    "NIH": Collection("NIH_Dataset", lambda table: table["Image Index"]),
    "Google": Collection("NIH_Google_Dataset", lambda table: table["Image Index"], patients="Patient ID"),
    "RSNA": Collection("RSNA_Pneumonia_Dataset", lambda table: table["patientId"] + ".jpg"),
    "SIIM": Collection("SIIM_Pneumothorax_Dataset", lambda table: table["ImageId"] + ".dcm", patients=""),
    "CheXpert": Collection(
        "CheX_Dataset",
        lambda table: table["Path"].str.replace(r"CheXpert-v1\.0(-small)?/", "", regex=True),
        columns=(("Effusion", "Pleural Effusion"),),
    ),
    "PadChest": Collection("PC_Dataset", lambda table: table["ImageID"]),
    "MIMIC": Collection(
        "MIMIC_Dataset", _mimic, ("csvpath", "metacsvpath"), columns=(("Effusion", "Pleural Effusion"),)
    ),
    "VinBig": Collection("VinDr_Dataset", lambda table: table["image_id"] + ".dicom", patients=""),
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
    """Films of a data set, whose files are under `images`; `tables` are those that the library does not ship.

    `present` selects films: "all", with DataError if a file is missing; "some", those whose file exists; "metadata",
    all, without access to the files. A label that the data set lacks is missing in every film. DataError for an unknown
    name, a wrong number of tables, or if the data set has none of the labels.
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
        paths=tuple(images / str(file) for file in collection.files(table)),
        patients=_patients(name, collection, table),
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
    """A DataLoader over torchxrayvision's own data set, set up like the library's training script, for benchmarks.

    `names` are PNG or JPEG files under `images`; the metadata that the library requires is written to `table`.
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
    theirs = import_library("torchxrayvision.datasets")
    state = np.random.get_state()  # the constructor reseeds numpy's global generator
    dataset = theirs.NIH_Dataset(
        str(images),
        csvpath=str(table),
        transform=transforms.Compose([theirs.XRayCenterCrop(), theirs.XRayResizer(size)]),
        data_aug=transforms.Compose(
            [
                theirs.ToPILImage(),
                transforms.RandomAffine(45, translate=(0.15, 0.15), scale=(0.85, 1.15)),
                transforms.ToTensor(),
            ]
        ),
    )
    np.random.set_state(state)
    return DataLoader(dataset, batch_size=batch, shuffle=True, num_workers=workers)


def metadata() -> Path:
    """Folder of the metadata that the library ships, found without its import."""
    package = find_spec("torchxrayvision")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "data"


def _once(films: Films) -> Films:
    """Films without repeated files: SIIM has a row per outline. DataError if repetitions differ in their labels."""
    _, first, group = np.unique([str(path) for path in films.paths], return_index=True, return_inverse=True)
    if not np.array_equal(films.targets, films.targets[first][group], equal_nan=True):
        raise DataError("A film is listed twice with different labels.")
    return films if len(first) == len(films) else films.take(np.sort(first))


def _dataset(name: str, collection: Collection, images: Path, tables: Sequence[Path]) -> Any:
    """The library's data set with all views and films; DataError if a table is missing or invalid.

    `tables` are the values of `collection.arguments`, in that order.
    """
    import inspect

    kind = getattr(import_library("torchxrayvision.datasets"), collection.build)
    if len(tables) != len(collection.arguments):
        wanted = f"{len(collection.arguments)} tables ({', '.join(collection.arguments)})"
        raise DataError(f"{name} needs {wanted if collection.arguments else 'no table'}, got {len(tables)}.")
    # the defaults are one view and one film per patient
    wide = {"views": ["*"], "unique_patients": False}
    accepted = inspect.signature(kind).parameters
    arguments = {key: value for key, value in wide.items() if key in accepted}
    state = np.random.get_state()  # the constructors reseed numpy's global generator
    try:
        return kind(str(images), **arguments, **dict(zip(collection.arguments, map(str, tables), strict=True)))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{name} cannot be read from {images}: {error}.") from None
    finally:
        np.random.set_state(state)


def _raw(
    table: pd.DataFrame, collection: Collection, given: dict[str, np.ndarray], labels: Sequence[str]
) -> np.ndarray:
    """Labels (N, L): 1, 0, -1 if uncertain, nan if missing.

    The library returns nan for uncertain labels too; they are taken from its table.
    """
    raw = np.full((len(table), len(labels)), np.nan)
    for i, label in enumerate(labels):
        if label in given:
            raw[:, i] = given[label]
            column = dict(collection.columns).get(label, label)
            if column in table:
                raw[(table[column] == -1).to_numpy(), i] = -1
    return raw


def _patients(name: str, collection: Collection, table: pd.DataFrame) -> np.ndarray:
    """The patient (N,) of each film: one of its own where the data set does not list it."""
    listed = table[collection.patients].astype(str) if collection.patients else [""] * len(table)
    return np.array([patient_id(patient) or f"{name}-{i}" for i, patient in enumerate(listed)])


def _text(table: pd.DataFrame, column: str) -> np.ndarray:
    """A column (N,) as text, empty where missing."""
    return table[column].fillna("").to_numpy(str) if column in table else np.full(len(table), "")


def _number(table: pd.DataFrame, column: str) -> np.ndarray:
    """A column (N,) as float, nan where missing."""
    return table[column].to_numpy(float) if column in table else np.full(len(table), np.nan)


def _sexes(table: pd.DataFrame) -> np.ndarray:
    """Sex (N,) of each patient: "M", "F", or empty if the table lacks it."""
    if "sex_male" not in table:
        return np.full(len(table), "")
    return np.where(table["sex_male"], "M", np.where(table["sex_female"], "F", ""))


def _no_finding(table: pd.DataFrame) -> np.ndarray:
    """The label "No Finding" (N,) as "1" or "0", empty if the table lacks it."""
    if "Finding Labels" in table:
        return (table["Finding Labels"] == "No Finding").to_numpy().astype(int).astype(str)
    return _digits(table["No Finding"].to_numpy(float)) if "No Finding" in table else np.full(len(table), "")


def _digits(column: np.ndarray) -> np.ndarray:
    """Labels (N,) as text: "1", "0", "-1", or empty for nan."""
    return np.where(np.isnan(column), "", np.where(column == 1, "1", np.where(column == 0, "0", "-1")))


def _boxes(dataset: Any, table: pd.DataFrame) -> tuple[tuple[Box, ...], ...]:
    """Radiologists' boxes of each NIH film, in pixels of the original file (1024 px); empty for other data sets."""
    if "Image Index" not in table or not hasattr(dataset, "pathology_maskscsv"):
        return ((),) * len(table)
    found: dict[str, list[Box]] = {}
    for row in dataset.pathology_maskscsv.itertuples():
        # columns: index, file, label, x, y, w, h
        found.setdefault(row[1], []).append(Box(row[2], *map(float, row[3:7])))
    return tuple(tuple(found.get(file, ())) for file in table["Image Index"])


def _present(films: Films, images: Path, present: str) -> Films:
    """The films whose file exists if `present` is "some"; otherwise DataError if a file is missing."""
    there = np.array([path.is_file() for path in films.paths])
    if there.all():
        return films
    if present == "some" and there.any():
        return films.take(there)
    example = films.paths[int(np.argmin(there))]
    raise DataError(f"{(~there).sum()} of {len(films)} films are not under {images}, e.g. {example}.")
