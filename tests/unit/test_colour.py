"""Colour images become luma."""

import numpy as np
import pytest
from PIL import Image

from cxr_demo.films import image
from cxr_demo.films.dicom import colour
from tests.support.corpus import as_dicom

#: Red, green and blue vary independently.
COLOURS = np.random.default_rng(5).integers(0, 256, (60, 80, 3), np.uint8)
BY_HAND = COLOURS @ [0.299, 0.587, 0.114] / 255

#: Colours of full strength, their luma, and their samples in the standard's two encodings (ITU-R BT.601, rounded).
STRONG = {
    "white": (1, (255, 128, 128), (235, 128, 128)),
    "black": (0, (0, 128, 128), (16, 128, 128)),
    "red": (0.299, (76, 85, 255), (81, 90, 240)),
    "green": (0.587, (150, 44, 21), (145, 54, 34)),
    "blue": (0.114, (29, 255, 107), (41, 240, 110)),
}


@pytest.mark.parametrize("name", STRONG)
def test_strong_colours(name):
    expected, full, partial = STRONG[name]
    for kind, samples in (("YBR_FULL", full), ("YBR_PARTIAL_422", partial)):
        found = colour.luma(np.array([[samples]], np.uint8), kind, 8)
        assert found == pytest.approx(expected, abs=1 / 255)


def test_colours_beyond_the_display_are_clipped():
    """Luma 0.5 with the most redness: green would be below 0 and red above 1, and blue is 0.5."""
    found = colour.luma(np.array([[[127.5, 127.5, 255]]], np.float32), "YBR_FULL", 8)
    green = 0.5 - 0.714136 * 127 / 255
    assert found == pytest.approx(0.299 + 0.587 * green + 0.114 * 0.5, abs=0.003)


@pytest.mark.parametrize("bits", [7, 8, 10, 12, 16])
def test_luma_does_not_depend_on_the_number_of_bits(bits):
    values = COLOURS / 255 * (2**bits - 1)
    np.testing.assert_allclose(colour.luma(values, "RGB", bits), BY_HAND, atol=1e-6)


def test_luma_and_chroma_as_pillow_converts_them():
    converted = np.asarray(Image.fromarray(COLOURS).convert("YCbCr"))
    film = image.decode(as_dicom(converted, PhotometricInterpretation="YBR_FULL"), "film.dcm")
    np.testing.assert_allclose(film.pixels, BY_HAND, atol=1.5 / 255)


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        (COLOURS // 2 + 128, {"BitsStored": 7}),
        (COLOURS.astype(np.uint16) << 8 | 3, {"BitsStored": 8, "HighBit": 15}),
        (COLOURS.astype(np.uint16) << 2 | 0xC003, {"BitsStored": 8, "HighBit": 9}),
        (COLOURS.astype(np.uint16) | 0x4000, {"BitsStored": 8, "HighBit": 7}),
    ],
)
def test_bits_around_the_samples_do_not_count(words, tags):
    film = image.decode(as_dicom(words, **tags), "film.dcm")
    np.testing.assert_allclose(film.pixels, BY_HAND, atol=1 / 127)


def test_a_shutter_leaves_black_outside():
    edges = dict(
        zip(("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal"), (9, 60, 5, 40), strict=True)
    )
    tags = {f"Shutter{side}Edge": edge for side, edge in edges.items()}
    film = image.decode(as_dicom(COLOURS, ShutterShape="RECTANGULAR", **tags), "film.dcm")
    expected = np.zeros_like(BY_HAND)
    expected[4:40, 8:60] = BY_HAND[4:40, 8:60]
    np.testing.assert_allclose(film.pixels, expected, atol=1e-6)
