"""Reading: every kind of file gives the same film, nothing else gets through, and a place stays the same place."""

import hashlib
import io
import tracemalloc
import zlib

import cv2
import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.encaps import generate_frames

from cxr_demo.errors import UnreadableImage
from cxr_demo.films import dicom, image
from cxr_demo.types import Radiograph
from tests.support.corpus import (
    BY_LIBTIFF,
    EIGHT,
    MASKS,
    NAMES,
    REFUSED,
    SAME,
    SIXTEEN,
    TWELVE,
    as_dicom,
    bomb,
    by_opencv,
    by_tifffile,
    damaged,
    encapsulated,
    saved,
    scene,
)

#: The compression that the error of a damaged DICOM file names, by kind of file.
COMPRESSED = {
    "dicom rle": "RLE Lossless",
    "dicom jpeg": "JPEG Baseline",
    "dicom jpeg 12": "JPEG Extended",
    "dicom jpeg lossless": "JPEG Lossless",
    "dicom jpeg-ls": "JPEG-LS Lossless",
    "dicom jpeg 2000": "JPEG 2000",
    "dicom jpeg 2000 rgb 16": "JPEG 2000",
    "dicom htj2k": "High-Throughput JPEG 2000",
}


@pytest.mark.parametrize("kind", SAME)
def test_every_kind_of_file_shows_the_same_film(kind):
    data, tolerance = SAME[kind]
    film = image.decode(data, f"film.{kind}")
    assert film.pixels.shape == (60, 80)
    assert film.pixels.dtype == np.float32
    assert not film.pixels.flags.writeable
    assert np.abs(film.pixels - scene()).max() <= tolerance + 1e-6
    assert film.sha256 == hashlib.sha256(data).hexdigest()


def test_sixteen_bits_keep_their_depth():
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    film = image.decode(saved(ramp, "PNG"), "ramp.png")
    assert len(np.unique(film.pixels)) == 64 * 64
    assert np.allclose(film.pixels, ramp / 65535)


def test_twelve_bits_in_a_16_bit_file_are_not_nearly_black_and_it_is_said():
    film = image.decode(saved(TWELVE, "PNG"), "film.png")
    assert np.abs(film.pixels - scene()).max() < 1 / 4095
    assert any("4095" in warning for warning in film.warnings)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_every_exif_orientation_is_turned_upright(orientation, deep):
    stored_as = {
        1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: np.transpose,
        6: np.rot90, 7: lambda a: np.rot90(a, 2).T, 8: lambda a: np.rot90(a, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    if deep:
        plain = by_opencv(np.dstack([stored_as(SIXTEEN)] * 3), ".png")
        chunk = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        inserted = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        data = plain[:33] + inserted + plain[33:]  # right behind IHDR
    else:
        data = saved(np.ascontiguousarray(stored_as(EIGHT)), "PNG", exif=exif)
    assert np.abs(image.decode(data, "turned.png").pixels - scene()).max() < 1 / 255


def test_a_jpeg_of_twelve_bits_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    body = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
    plain, allowed = imagecodecs.jpeg8_encode(np.rot90(TWELVE).copy(), level=100, bitspersample=12), 8 / 255
    turned = plain[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + plain[2:]
    assert np.abs(image.decode(turned, "turned.jpg").pixels - scene()).max() <= allowed
    np.testing.assert_array_equal(image.decode(plain, "plain.jpg").pixels, np.rot90(image.decode(turned, "").pixels))


def test_what_is_transparent_is_black_and_colours_count_by_luma():
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[:, :20] = (255, 0, 0, 255)
    rgba[:, 20:] = (255, 255, 255, 0)
    pixels = image.decode(saved(rgba, "PNG"), "x.png").pixels
    assert pixels[0, 0] == pytest.approx(0.299, abs=0.003)
    assert pixels[0, 39] == 0


@pytest.mark.parametrize("form", ["png", "tiff"])
def test_deep_colours_count_by_luma_too(form):
    rgb = np.full((40, 40, 3), 65535, np.uint16)
    rgb[:, :20] = (65535, 0, 0)
    data = by_opencv(rgb[..., ::-1], ".png") if form == "png" else by_tifffile(rgb, photometric="rgb")
    pixels = image.decode(data, "x").pixels
    assert pixels[0, 0] == pytest.approx(0.299, abs=1e-4)
    assert pixels[0, 39] == 1


def test_a_display_window_is_applied_as_the_standard_says():
    c, w = 1500.0, 1000.0
    film = image.decode(as_dicom(TWELVE, BitsStored=12, WindowCenter=c, WindowWidth=w), "film.dcm")
    by_hand = np.clip((TWELVE - (c - 0.5)) / (w - 1) + 0.5, 0, 1)  # PS3.3, C.11.2.1.2
    assert np.abs(film.pixels - by_hand).max() < 1e-6


@pytest.mark.parametrize(
    ("function", "by_hand"),
    [
        ("LINEAR_EXACT", np.clip((TWELVE - 1500.0) / 1000 + 0.5, 0, 1)),
        ("SIGMOID", 1 / (1 + np.exp(-4 * (TWELVE - 1500.0) / 1000))),
    ],
)
def test_other_window_functions(function, by_hand):
    tags = {"BitsStored": 12, "WindowCenter": [1500, 99], "WindowWidth": [1000, 99], "VOILUTFunction": function}
    assert np.abs(image.decode(as_dicom(TWELVE, **tags), "film.dcm").pixels - by_hand).max() < 1e-6


def test_rescaling_comes_before_the_window():
    tags = {"BitsStored": 12, "RescaleSlope": -2, "RescaleIntercept": 8190, "RescaleType": "US"}
    film = image.decode(as_dicom(4095 - TWELVE, **tags), "film.dcm")
    assert np.abs(film.pixels - scene()).max() < 1 / 4095
    windowed = image.decode(as_dicom(4095 - TWELVE, **tags, WindowCenter=3000, WindowWidth=2000), "film.dcm")
    by_hand = np.clip((2.0 * TWELVE - 2999.5) / 1999 + 0.5, 0, 1)
    assert np.abs(windowed.pixels - by_hand).max() < 1e-6


def test_a_lookup_table_is_applied():
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = [256, 0, 16], (np.arange(256, dtype="<u2") ** 2).tobytes()
    film = image.decode(as_dicom(EIGHT, VOILUTSequence=[table]), "film.dcm")
    assert np.abs(film.pixels - EIGHT.astype(float) ** 2 / 65535).max() < 1e-6


def test_an_absurd_window_is_ignored_and_said():
    for tags in ({"WindowCenter": 10**7, "WindowWidth": 1}, {"WindowCenter": 5, "WindowWidth": 0}):
        film = image.decode(as_dicom(EIGHT, **tags), "film.dcm")
        assert np.abs(film.pixels - scene()).max() < 1 / 255
        assert any("window" in warning for warning in film.warnings)


def test_padding_is_black_also_where_white_is_low():
    pixels = EIGHT.copy()
    pixels[:10] = 7
    tags = {"PixelPaddingValue": 7, "PhotometricInterpretation": "MONOCHROME1"}
    assert (image.decode(as_dicom(pixels, **tags), "film.dcm").pixels[:10] == 0).all()


def test_padding_does_not_decide_what_is_white():
    padded = TWELVE.copy()
    padded[:5] = 65535
    film = image.decode(as_dicom(padded, PixelPaddingValue=65535), "film.dcm")
    assert np.abs(film.pixels[5:] - scene()[5:]).max() < 1 / 4095
    assert (film.pixels[:5] == 0).all()
    signed = TWELVE.astype(np.int16) - 2048
    signed[:5] = np.linspace(-32768, -30000, 80).astype(np.int16)
    tags = {"PixelPaddingValue": -32768, "PixelPaddingRangeLimit": -30000}
    film = image.decode(as_dicom(signed, **tags), "film.dcm")
    assert np.abs(film.pixels[5:] - scene()[5:]).max() < 1 / 4095
    assert (film.pixels[:5] == 0).all()


def test_dicom_without_its_preamble_is_read():
    assert np.abs(image.decode(as_dicom(EIGHT)[132:], "film").pixels - scene()).max() < 1 / 255


def test_no_patient_appears_in_anything_that_leaves():
    film = image.decode(as_dicom(EIGHT, WindowCenter=5, WindowWidth=0), "film.dcm")
    assert "Secret" not in repr(film)
    with pytest.raises(UnreadableImage) as refused:
        image.decode(as_dicom(EIGHT, NumberOfFrames=3, PixelData=EIGHT.tobytes() * 3), "film.dcm")
    assert "Secret" not in str(refused.value)


@pytest.mark.parametrize("kind", REFUSED)
def test_anything_else_is_refused_by_name_with_what_to_do(kind):
    data, words = REFUSED[kind]
    with pytest.raises(UnreadableImage, match=words) as refused:
        image.decode(data, f"folder/{kind}.\x07png")
    assert str(refused.value).startswith(f"{kind}.png")


@pytest.mark.parametrize("megapixels", [51, 100, 200])
def test_bombs_are_refused_by_their_header(megapixels):
    data = bomb(megapixels)
    assert len(data) < 50_000
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableImage, match="50 megapixels"):
            image.decode(data, "bomb.png")
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(UnreadableImage, match=r"^gone\.png cannot be opened: No such file"):
        image.read(tmp_path / "gone.png")
    (tmp_path / "films").mkdir()
    with pytest.raises(UnreadableImage, match=r"^films is not a file"):
        image.read(tmp_path / "films")
    with pytest.raises(UnreadableImage, match=r"^null is not a file"):
        image.read("/dev/null")
    with pytest.raises(UnreadableImage, match="no such name is possible"):
        image.read("a\0b.png")


def test_a_huge_file_is_refused_without_reading_it(tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(image.MOST_BYTES + 1)  # sparse: it takes no room
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableImage, match=r"^huge\.png is larger than 381 MiB"):
            image.read(tmp_path / "huge.png")
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", SAME)
def test_files_cut_off_are_refused(kind):
    data, _ = SAME[kind]
    first = 0.45 if kind == "jpeg with a second picture" else 1
    for share in (0.3 * first, 0.6 * first, 0.9 * first):
        with pytest.raises(UnreadableImage):
            image.decode(data[: int(share * len(data))], "cut")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
@pytest.mark.parametrize(("kind", "compression"), COMPRESSED.items())
def test_a_compressed_dicom_stream_cut_off_is_called_damaged(kind, compression, share):
    dataset = pydicom.dcmread(io.BytesIO(SAME[kind][0]))
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulated(frame[: int(share * len(frame))])
    file = io.BytesIO()
    dataset.save_as(file)
    with pytest.raises(UnreadableImage, match=f"film.dcm is a DICOM file whose {compression} image is damaged"):
        image.decode(file.getvalue(), "film.dcm")


def test_a_compressed_dicom_file_cut_off_is_called_damaged():
    with pytest.raises(UnreadableImage, match="damaged"):
        image.decode(SAME["dicom jpeg-ls"][0][:-200], "film.dcm")


def test_a_damaged_width_is_not_multiplied():
    """A width said to be many numbers: times the height they would fill all memory."""
    data = bytearray(by_tifffile(EIGHT))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tags = file.pages.first.tags
    count = tags["ImageWidth"].offset + 4
    data[count : count + 4] = (40).to_bytes(4, "little")
    data[tags["ImageWidth"].valueoffset : tags["ImageWidth"].valueoffset + 4] = (8).to_bytes(4, "little")
    length = tags["ImageLength"]
    data[length.offset + 2 : length.offset + 4] = (4).to_bytes(2, "little")
    data[length.offset + 8 : length.offset + 12] = (10**7).to_bytes(4, "little")
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableImage, match="damaged"):
            image.decode(bytes(data), "wide.tif")
        assert tracemalloc.get_traced_memory()[1] < 1e7
    finally:
        tracemalloc.stop()


def test_an_inflating_dicom_is_refused_without_inflating_it_all():
    data, _ = REFUSED["deflated bomb"]
    assert len(data) < 2e6
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableImage, match="inflates"):
            image.decode(data, "bomb.dcm")
        assert tracemalloc.get_traced_memory()[1] < 2e8
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("by_libtiff", [False, True])
def test_damaged_files_give_a_film_or_our_error(by_libtiff, capfd):
    kinds = [kind for kind in SAME if (kind in BY_LIBTIFF) == by_libtiff]
    outcomes = {True: 0, False: 0}
    for data in damaged(400, kinds):
        try:
            film = image.decode(data, "x")
        except UnreadableImage:
            outcomes[False] += 1
        else:
            outcomes[True] += 1
            assert np.isfinite(film.pixels).all()
            assert 0 <= film.pixels.min() <= film.pixels.max() <= 1
    assert min(outcomes.values()) > 40
    assert by_libtiff or capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", MASKS)
def test_what_is_something_else_as_well_is_read_as_a_film_or_refused(kind):
    data, is_film = MASKS[kind]
    if is_film:
        assert np.abs(image.decode(data, kind).pixels - scene()).max() < 8 / 255
    else:
        with pytest.raises(UnreadableImage, match=r"PNG|pixels|nothing|archive"):
            image.decode(data, kind)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_whatever_a_file_is_called_its_name_is_fit_to_be_shown(name):
    film = image.decode(SAME["png"][0], name)
    with pytest.raises(UnreadableImage) as refused:
        image.decode(b"no film", name)
    for shown in (film.name, str(refused.value)):
        assert shown.isprintable()
        assert len(shown) < 250
    assert "/" not in film.name
    assert "\\" not in film.name


def film_of(pixels: np.ndarray) -> Radiograph:
    return Radiograph(pixels.astype(np.float32), image.centre_square(*pixels.shape), "made", "0")


@pytest.mark.parametrize(("height", "width"), [(300, 400), (400, 300), (301, 448)])
def test_a_place_seen_by_the_model_goes_back_to_where_it_was(height, width):
    film = film_of(np.zeros((height, width)))
    rng = np.random.default_rng(0)
    for _ in range(20):
        y = film.crop.top + int(rng.integers(20, film.crop.side - 20))
        x = film.crop.left + int(rng.integers(20, film.crop.side - 20))
        pixels = np.zeros((height, width))
        cv2.circle(pixels, (x, y), 6, 1, -1)
        seen = image.view(film_of(pixels), 56)
        back = np.nan_to_num(image.place(seen, film))
        rows, columns = np.mgrid[:height, :width]
        centre = (back * rows).sum() / back.sum(), (back * columns).sum() / back.sum()
        assert centre == pytest.approx((y, x), abs=0.5)


def test_cells_lie_where_half_pixel_centres_put_them():
    placed = image.place(np.eye(7, dtype=np.float32), film_of(np.zeros((224, 300))), smooth=False)
    assert np.isnan(placed[:, :38]).all()
    assert np.isnan(placed[:, 262:]).all()
    by_hand = np.kron(np.eye(7), np.ones((32, 32)))
    assert (placed[:, 38:262] == by_hand).all()


def test_the_models_input_is_the_middle_of_the_film_in_its_range():
    pixels = np.zeros((100, 140))
    pixels[:, 20:120] = np.linspace(0, 1, 100)[:, None]
    x = image.model_input(film_of(pixels), 100, (-1024, 1024))
    assert x.shape == (1, 1, 100, 100)
    assert x.dtype == np.float32
    assert np.allclose(x[0, 0], np.linspace(-1024, 1024, 100)[:, None], atol=1e-3)


def test_shrinking_averages_and_hides_nothing():
    stripes = np.tile([0.0, 1.0], (64, 32))
    assert np.allclose(image.resize(stripes.astype(np.float32), 32), 0.5)


@pytest.mark.parametrize("shape", [(200, 333), (333, 200), (97, 97)])
def test_a_film_shrunk_for_the_eye_shows_the_model_s_view_at_its_place(shape):
    film = film_of(np.random.default_rng(1).random(shape, np.float32))
    small = image.shrunk(film, 64)
    assert max(small.pixels.shape) == 64
    assert (small.name, small.sha256, small.warnings) == (film.name, film.sha256, film.warnings)
    assert small.pixels.mean() == pytest.approx(film.pixels.mean(), abs=0.01)
    scale = 64 / max(shape)
    for name in ("top", "left", "side"):
        assert getattr(small.crop, name) == pytest.approx(getattr(film.crop, name) * scale, abs=1)
    with pytest.raises(ValueError, match="read-only"):
        small.pixels[0] = 1
    assert image.shrunk(film, 333) is film


def test_a_wide_film_says_what_is_not_seen():
    (warning,) = image.decode(saved(np.tile(EIGHT, (5, 5)), "PNG"), "wide.png").warnings
    assert "25 %" in warning
    assert "left and right" in warning


def test_full_scale_is_the_least_number_of_bits_that_holds_the_values():
    largest = {1: 255, 255: 255, 256: 511, 4095: 4095, 4096: 8191, 65535: 65535}
    assert {n: dicom.full_scale(np.arange(n + 1), 16)[0] for n in largest} == largest
