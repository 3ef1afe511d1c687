"""Leaks: held-out films whose patients are in training, or that the pretrained weights have seen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo.models import model_folder, registry
from cxr_demo.models.classifier import published_models
from train import evaluate
from train.audit.base import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxr_demo.films.label_tables import Films
    from train.audit.base import Check, Subject

#: Family of films of each collection, by the codes in torchxrayvision's weight files and by our names of data sets.
FAMILIES = {
    **dict.fromkeys(("nih", "google", "kaggle", "rsna", "siim"), "NIH ChestX-ray14"),
    **dict.fromkeys(("chex", "chexpert"), "CheXpert"),
    **dict.fromkeys(("mimic", "mimic_ch", "mimic_nb"), "MIMIC-CXR"),
    **dict.fromkeys(("pc", "padchest"), "PadChest"),
    **dict.fromkeys(("vin", "vinbig"), "VinDr-CXR"),
    "openi": "OpenI",
}
NIH_STEM = re.compile(r"\d{8}_\d{3}")


def sides(split: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each held-out part's name, with masks (N,) of the films in training and of those held out.

    The part "train" is the training set; without it (folds) all other parts are. Films whose part is "" are in neither.
    """
    names = [name for name in np.unique(split) if name]
    for name in names:
        if name != "train":
            trained = split == "train" if "train" in names else (split != name) & (split != "")
            yield str(name), trained, split == name


def memorised(films: Films, trained: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Scores (n, L) of the held-out films by a memoriser, which knows the patients of training and no pixels.

    A film's score is the mean label of its patient in training, or the overall mean for a new patient. `trained` and
    `held` are masks (N,).
    """
    names, of_patient = np.unique(films.patients, return_inverse=True)
    scores = np.empty((int(held.sum()), len(films.labels)))
    for i, target in enumerate(films.targets.T):
        known = trained & ~np.isnan(target)
        count = np.bincount(of_patient[known], minlength=len(names))
        positive = np.bincount(of_patient[known], target[known], minlength=len(names))
        overall = positive.sum() / max(count.sum(), 1)
        mean = np.where(count > 0, positive / np.maximum(count, 1), overall)
        scores[:, i] = mean[of_patient[held]]
    return scores


def patients(subject: Subject) -> Iterator[Finding]:
    """Patients in two parts of the split, their share of the films, and the AUROC of their names alone.

    An error if there are any, with figures by held-out part, see `_leak`; a note otherwise. A warning if films name no
    patient.
    """
    films, split = subject.films, subject.split
    if split is None or len({name for name in split if name}) < 2:
        return
    if (films.patients == "").any():
        yield Finding(
            "patient-unknown",
            Severity.WARNING,
            f"{(films.patients == '').sum()} of {len(films)} films name no patient, so splits cannot be checked.",
            "Give each film's patient, or each film its own where it is known to be the only one.",
        )
    known = (split != "") & (films.patients != "")
    if not known.any():
        return
    pairs = np.unique(np.column_stack([films.patients[known], split[known]]), axis=0)
    names, counts = np.unique(pairs[:, 0], return_counts=True)
    shared = names[counts > 1]
    if not len(shared):
        yield Finding("patient-in-two-splits", Severity.INFO, f"None of {len(names)} patients is in two splits.")
        return
    rows = [_leak(films, name, trained & known, held & known) for name, trained, held in sides(split)]
    worst = max(rows, key=lambda row: row["share"])
    title = f"{len(shared)} of {len(names)} patients are in two splits"
    if worst["share"]:
        title += f": {worst['share']:.1%} of the films in {worst['split']} have their patient in training"
        title += f", whose name alone scores a mean AUROC of {worst['mean']:.3f}" if worst["mean"] else ""
    yield Finding(
        "patient-in-two-splits",
        Severity.ERROR,
        f"{title}.",
        "Split by patient: `python -m train split`.",
        {"patients": len(shared), "examples": shared[:20].tolist(), "rows": rows},
    )


def _leak(films: Films, name: str, trained: np.ndarray, held: np.ndarray) -> dict[str, Any]:
    """Overlap of a held-out part with training: shares of films and of positives, and the memoriser's AUROC.

    `trained` and `held` are masks (N,); the AUROC is None for labels with too few films, see `memorised`.
    """
    leaked = np.isin(films.patients, films.patients[trained])
    scores = evaluate.aurocs(films.targets[held], memorised(films, trained, held))
    labels = []
    for i, label in enumerate(films.labels):
        positive = held & (films.targets[:, i] == 1)
        if positive.any():
            auroc = None if np.isnan(scores[i]) else float(scores[i])
            labels.append({"label": label, "share of positives": float(leaked[positive].mean()), "AUROC": auroc})
    mean = None if np.isnan(scores).all() else float(np.nanmean(scores))
    share = float(leaked[held].mean()) if held.any() else 0.0
    return {"split": name, "films": int(held.sum()), "share": share, "mean": mean, "labels": labels}


def backbone(subject: Subject) -> Iterator[Finding]:
    """Pretrained weights that have seen the held-out films, or films of the same collections.

    torchxrayvision's authors write that their split "is lost so consider it to be all samples". The films of Google,
    RSNA and SIIM are NIH films, so they are no external test for a network trained on NIH.
    """
    if subject.backbone is None:
        return
    seen, certain = seen_by(subject.backbone)
    families = _families(subject.films)
    held = _held_out(subject.split, len(families))
    touched = held & np.isin(families, list(seen))
    if not touched.any():
        yield Finding(
            "backbone-saw-test-films",
            Severity.INFO,
            f"{subject.backbone} is not known to have seen films of the collections that are held out here.",
        )
        return
    names = ", ".join(np.unique(families[touched]))
    yield Finding(
        "backbone-saw-test-films",
        Severity.ERROR if certain else Severity.WARNING,
        f"{subject.backbone} was trained on films of {names}; {touched.sum() / held.sum():.0%} of the held-out films "
        f"are of it, and {'have to be taken as seen' if certain else 'may be among those it saw'}.",
        "Start from weights of other hospitals or random ones, or test on other films.",
        {"backbone": subject.backbone, "collections": sorted(seen), "films": int(touched.sum())},
    )


def seen_by(backbone: str) -> tuple[set[str], bool]:
    """Families of films in a network's training data, and whether all their films count as seen.

    The weight files of torchxrayvision list collections in their names; a model folder's card is searched for them.
    """
    name = backbone.removeprefix("xrv:").partition("@")[0]
    if name in published_models():
        file = published_models()[name]["weights_url"].rsplit("/", 1)[-1]
        codes = re.split(r"-(?:densenet|resnet)", file)[0].split("-")
        return {FAMILIES.get(code, code) for code in codes}, True
    kind, _, place = name.partition(":")
    folder = registry.BUNDLED / place if kind == "bundled" else Path(backbone).expanduser()
    if not (folder / "config.json").is_file():
        return set(), False
    spec = model_folder.read_spec(folder)
    if spec.base_weights:
        seen, certain = seen_by(spec.base_weights)
        if certain:
            return seen, True
    return {family for family in FAMILIES.values() if family.split()[0] in spec.trained_on}, False


def _families(films: Films) -> np.ndarray:
    """Family (N,) of each film, by its source or by NIH's pattern of file names, empty if unknown."""
    by_source = [FAMILIES.get(source.lower(), "") for source in films.sources]
    nih = FAMILIES["nih"]
    return np.array(
        [
            family or (nih if NIH_STEM.fullmatch(p.stem) else "")
            for family, p in zip(by_source, films.paths, strict=True)
        ]
    )


def _held_out(split: np.ndarray | None, films: int) -> np.ndarray:
    """Mask (N,) of the films outside training; all films without a split."""
    if split is None:
        return np.ones(films, bool)
    held = np.zeros(films, bool)
    for _, _, rows in sides(split):
        held |= rows
    return held


CHECKS: tuple[Check, ...] = (patients, backbone)
