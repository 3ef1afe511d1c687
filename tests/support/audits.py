"""Small labelled films, audit findings on them, and a review with its decisions."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np

from cxr_demo.films import label_tables
from train.audit import review
from train.audit.base import Finding, Severity, Suspect

LABELS = ("Effusion", "Mass")


def films_of(folder: Path, count: int = 6, targets: np.ndarray | None = None) -> label_tables.Films:
    """Films of noise, 80 x 100 pixels, with labels `targets` (N, 2); the first has a box in its lower right quarter."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    targets = np.arange(2 * count).reshape(count, 2) % 3 % 2 if targets is None else targets
    box = json.dumps([{"label": "Mass", "x": 50, "y": 40, "w": 50, "h": 40}])
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient_id", "boxes", *LABELS])
        for i, row in enumerate(targets):
            pixels = np.random.default_rng(i).integers(0, 255, (80, 100), np.uint8)
            cv2.imwrite(str(folder / "images" / f"{i}.png"), pixels)
            writer.writerow([f"{i}.png", f"p{i // 2}", "" if i else box, *row])
    return label_tables.read_tables([folder / "labels.csv"], LABELS)


EVIL = '<script>alert("x")</script> & co'

TARGETS = np.array([[1, 1], [0, 1], [1, 0], [0, 0], [1, 1], [0, 0]])


def lines(path):
    with path.open(newline="") as file:
        return [tuple(row[:5]) for row in csv.reader(file)][1:]


def findings():
    doubts = (
        Suspect(0, "Mass", f"Looks odd {EVIL}", 0.9),
        Suspect(2, "Effusion", "Looks odder", 0.8),
        Suspect(3, "Mass", "m", 0.7),
    )
    return [
        Finding("near-duplicates", Severity.ERROR, "Copies", suspects=(Suspect(1, None, "A copy", 1.0, other=4),)),
        Finding("doubtful", Severity.INFO, "Doubtful", suspects=doubts),
        Finding("boxes", Severity.INFO, "Boxes", suspects=(Suspect(0, "Mass", "Box and label differ", 0.5),)),
    ]


def opened(films, path):
    return review.Review(films, findings(), path)
