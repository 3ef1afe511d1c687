"""Grey values of DICOM files beside those of a second reader: dcmtk's programs, where they are installed."""

import io
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from pydicom import uid

from cxr_demo.errors import UnreadableImage
from cxr_demo.films import dicom
from cxr_demo.films.formats import LUMA, MOST_PIXELS
from tests.support.corpus import EIGHT, MASKS, SAME, SIXTEEN, TWELVE, as_dicom

pytestmark = pytest.mark.skipif(not shutil.which("dcmj2pnm"), reason="a second reader: install Debian's dcmtk")

#: The largest difference between the readers, in steps of 255. Most files differ by less than a tenth; but dcmtk cuts
#: off the fractions of red, green and blue that it makes of luma and chroma.
TOLERANCE = 1.1

#: Files of these kinds are refused by name; dcmtk shows their first frame, or their colours.
NOT_FILMS = {"error.film.dicom_frames", "error.film.dicom_palette", "error.film.dicom_no_picture"}

#: Notes that tell which part of the file's display could not be used.
WITHOUT_WINDOW = {"warning.read.window", "warning.read.window_unusable"}

JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
COLOURED = np.dstack([EIGHT, EIGHT[::-1] // 2, 255 - EIGHT[:, ::-1]])


def lookup(entries, first=0, bits=12):
    """A sequence of one lookup table."""
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    item.LUTExplanation = item.ModalityLUTType = "US"
    return [item]


def halved() -> bytes:
    """COLOURED as luma from 16 to 235, with the chroma of each second column."""
    luma, *chroma = np.moveaxis(COLOURED.astype(np.float64), 2, 0)
    pairs = [16 + luma[:, at::2] * 219 / 255 for at in (0, 1)] + [16 + one[:, ::2] * 224 / 255 for one in chroma]
    return np.rint(np.stack(pairs, axis=-1)).astype(np.uint8).tobytes()


CURVE = np.rint(4095 * (np.arange(4096) / 4095) ** 2)
WINDOW = {"BitsStored": 12, "WindowCenter": 1500, "WindowWidth": 1800}
SIGNED = TWELVE.astype(np.int16) - 2048

#: Files with every part of the display: rescaling, tables, windows, photometric interpretation.
DISPLAYED = {
    "window": as_dicom(TWELVE, **WINDOW),
    "window, white is low": as_dicom(TWELVE, PhotometricInterpretation="MONOCHROME1", **WINDOW),
    "window of high bits": as_dicom(TWELVE << 4, HighBit=15, **WINDOW),
    "first of two windows": as_dicom(TWELVE, **WINDOW | {"WindowCenter": [900, 3000], "WindowWidth": [500, 90]}),
    "sigmoid": as_dicom(TWELVE, VOILUTFunction="SIGMOID", **WINDOW),
    "signed window": as_dicom(SIGNED, **WINDOW | {"WindowCenter": -300}),
    "rescaled window": as_dicom(TWELVE, RescaleSlope=2.5, RescaleIntercept=-700, **WINDOW),
    "negative slope": as_dicom(TWELVE, RescaleSlope=-1, RescaleIntercept=3000, **WINDOW),
    "rescaled, no window": as_dicom(TWELVE, RescaleSlope=0.5, RescaleIntercept=100, BitsStored=12),
    "table": as_dicom(TWELVE, BitsStored=12, VOILUTSequence=lookup(CURVE)),
    "table of signed samples": as_dicom(SIGNED, BitsStored=12, VOILUTSequence=lookup(CURVE, first=-2048)),
    "short table": as_dicom(TWELVE, BitsStored=12, VOILUTSequence=lookup(CURVE[::4], first=900)),
    "table before window": as_dicom(TWELVE, VOILUTSequence=lookup(CURVE), **WINDOW),
    "modality table": as_dicom(TWELVE, ModalityLUTSequence=lookup(CURVE), **WINDOW),
    "big-endian": as_dicom(SIXTEEN.byteswap(), uid.ExplicitVRBigEndian, WindowCenter=30000, WindowWidth=9000),
    "colours": as_dicom(COLOURED),
    "colours in planes": as_dicom(
        COLOURED, PlanarConfiguration=1, PixelData=np.ascontiguousarray(np.moveaxis(COLOURED, 2, 0)).tobytes()
    ),
    "luma and chroma": as_dicom(COLOURED, PhotometricInterpretation="YBR_FULL"),
    "luma and chroma, partial": as_dicom(
        COLOURED, PhotometricInterpretation="YBR_PARTIAL_422", PixelData=halved()
    ),
    "colours of 12 bits": as_dicom(COLOURED.astype(np.uint16) * 16, BitsStored=12),
    "colours of 7 bits": as_dicom(COLOURED // 2 + 128 * (COLOURED % 2), BitsStored=7),
}  # fmt: skip


def shown_by_dcmtk(data: bytes, folder: Path, options: list[str]) -> np.ndarray | None:
    """The film (H, W) in [0, 1] as dcmtk displays it; None for a file that it does not read."""
    file = folder / "film.dcm"
    file.write_bytes(data)
    syntax = getattr(header(data), "file_meta", {}).get("TransferSyntaxUID")
    program = "dcml2pnm" if syntax in JPEG_LS else "dcmj2pnm"
    # 16 bits, as text; -O leaves out the overlays, which are no part of the film
    done = subprocess.run([program, "-q", "+opw", "-O", *options, file], capture_output=True, timeout=120)
    if done.returncode or not done.stdout:
        return None
    kind, width, height, white, *values = done.stdout.split()
    shape = (int(height), int(width), 3)[: 3 if kind == b"P3" else 2]
    pixels = np.array(values, np.float64).reshape(shape) / int(white)
    return pixels @ LUMA if kind == b"P3" else pixels


def header(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)


def unlike_the_standard(dataset: pydicom.Dataset) -> bool:
    """Whether big-endian pixels have 32 bits: the standard swaps words of 16 (OW in PS3.5, 6.2), pydicom samples."""
    return dataset.file_meta.TransferSyntaxUID == uid.ExplicitVRBigEndian and dataset.BitsAllocated > 16


def options(dataset: pydicom.Dataset, notes: tuple) -> list[str]:
    """What dcmtk has to be told, since it takes no table and no window by itself.

    Without either it multiplies by a power of two, by which 255 becomes 65280 of 65535; so it is given the window of
    the full range, up to the white that a note names.
    """
    said = {note.id: note.parameters for note in notes}
    if dataset.get("VOILUTSequence") and "warning.read.table" not in said:
        return ["+Wl", "1"]
    if dataset.get("WindowCenter") not in (None, "") and not WITHOUT_WINDOW & set(said):
        return ["+Wi", "1"]
    if dataset.get("PixelRepresentation"):
        return ["+Wm"]
    if dataset.get("SamplesPerPixel") == 3:
        return []
    white = int(dataset.BitsStored and 2**dataset.BitsStored - 1)
    for parameters in said.values():
        white = parameters.get("white", white)
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    return ["+Ww", str(slope * (white + 1) / 2 + intercept), str(slope * white + 1)]


def differences(files: dict[str, bytes], folder: Path) -> tuple[dict[str, float], dict[str, str]]:
    """The largest difference between the readers of each file in steps of 255, and why others are not compared."""
    steps, excluded = {}, {}
    for name, data in files.items():
        try:
            ours, notes = dicom.decode(data, name, MOST_PIXELS)
        except UnreadableImage as refused:
            excluded[name] = refused.args[0].id
            if excluded[name] in NOT_FILMS:
                continue
            ours, notes = np.zeros(0), ()
        except Exception as damaged:
            excluded[name] = f"damaged: {damaged}"
            ours, notes = np.zeros(0), ()
        theirs = shown_by_dcmtk(data, folder, options(header(data), notes) if ours.size else [])
        if theirs is not None and unlike_the_standard(header(data)):
            excluded[name] = "32 bits swapped whole"
        elif theirs is None:
            excluded.setdefault(name, "not read by dcmtk")
        else:
            if ours.size and any(header(data).get(keyword) for keyword in dicom.SHAPES):
                # dcmtk leaves pixels that are not square as they are stored
                theirs = cv2.resize(theirs, ours.shape[::-1], interpolation=cv2.INTER_LINEAR)
            steps[name] = 255 * np.abs(ours - theirs).max() if ours.shape == theirs.shape else np.inf
    return steps, excluded


def test_films_of_every_kind(tmp_path):
    files = {kind: data for kind, (data, _) in SAME.items() if kind.startswith("dicom")}
    files |= {kind: data for kind, (data, film) in MASKS.items() if film and kind.startswith("dicom")}
    steps, excluded = differences(files, tmp_path)
    assert {name: found for name, found in steps.items() if found > TOLERANCE} == {}
    jpeg_2000 = [kind for kind in files if "jpeg 2000" in kind or "htj2k" in kind]
    assert excluded == dict.fromkeys(jpeg_2000, "not read by dcmtk")


def test_every_part_of_the_display(tmp_path):
    steps, excluded = differences(DISPLAYED, tmp_path)
    assert {name: found for name, found in steps.items() if found > TOLERANCE} == {}
    assert excluded == {}


def test_files_of_many_makers(tmp_path):
    folder = Path(pydicom.data.__file__).parent / "test_files"
    files = {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    steps, _ = differences({name: data for name, data in files.items() if dicom.looks_like(data)}, tmp_path)
    assert {name: found for name, found in steps.items() if found > TOLERANCE} == {}
    assert len(steps) > 70


def test_real_films(films, tmp_path):
    steps, excluded = differences({path.name: path.read_bytes() for path in films.rglob("*.dcm")}, tmp_path)
    assert {name: found for name, found in steps.items() if found > TOLERANCE} == {}
    assert steps
    assert excluded == {}
