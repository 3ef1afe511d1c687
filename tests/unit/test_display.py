"""DICOM as devices write it: what a viewer displays, whatever is wrong with the tags."""

import time
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cxr_demo.errors import UnreadableImage
from cxr_demo.films import dicom, image
from tests.support.corpus import EIGHT, TWELVE, as_dicom, saved, scene

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
#: The window of the lower half of RAMP, and the pixels that a viewer then shows.
HALF = {"WindowCenter": 1024.5, "WindowWidth": 2049}
HALVED = (RAMP / 2048.0).clip(0, 1)
WHOLE = RAMP / 4095.0


def read(pixels=RAMP, **tags):
    return image.decode(as_dicom(pixels, **{"BitsStored": 12, **tags}), "film.dcm")


def read_raw(**values):
    """RAMP with decimal strings of any content."""
    dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(as_dicom(RAMP, BitsStored=12)))
    for keyword, value in values.items():
        value += b" " * (len(value) % 2)
        tag = Tag(keyword)
        dataset._dict[tag] = RawDataElement(tag, "DS", len(value), value, 0, False, True)
    file = pydicom.filebase.DicomBytesIO()
    dataset.save_as(file)
    return image.decode(file.getvalue(), "film.dcm")


def shows(film, values, within=0.6 / 4095):
    np.testing.assert_allclose(film.pixels, values, atol=within)
    return [warning for warning in film.warnings if "pixels: small" not in warning]


def table(entries, first=0, bits=16, said=None, kind="US"):
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", kind, [len(entries) % 65536 if said is None else said, first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return item


def _start_of_data(data):
    """Where the data set begins, after the file meta information."""
    head = pydicom.dcmread(pydicom.filebase.DicomBytesIO(data), stop_before_pixels=True)
    return 144 + head.file_meta.FileMetaInformationGroupLength


class TestNumbers:
    """Rescaling and windows whose numbers are unusable count as absent."""

    @pytest.mark.parametrize(("slope", "intercept"), [("", ""), (1, ""), ("", 0), (None, 0), (1, None), (0, 0)])
    def test_rescaling(self, slope, intercept):
        assert shows(read(RescaleSlope=slope, RescaleIntercept=intercept, **HALF), HALVED) == []
        assert shows(read(RescaleSlope=slope, RescaleIntercept=intercept), WHOLE) == []

    @pytest.mark.parametrize("value", [b"NaN", b"inf", b"-Infinity", b"abc", b"1,0,0"])
    def test_rescaling_by_no_number(self, value):
        assert shows(read_raw(RescaleSlope=value, RescaleIntercept=value), WHOLE) == []

    @pytest.mark.parametrize("values", [(b"1024,5", b"2049,0"), (b" 1024.5", b"2049\\5"), (b"1,0245E3", b"2049")])
    def test_windows_as_devices_write_them(self, values):
        assert shows(read_raw(WindowCenter=values[0], WindowWidth=values[1]), HALVED) == []

    def test_decimal_commas_in_rescaling(self):
        film = read_raw(RescaleSlope=b"2,0", RescaleIntercept=b"-1,0", WindowCenter=b"2048", WindowWidth=b"4097")
        shows(film, ((2.0 * RAMP - 1 - 2047.5) / 4096 + 0.5).clip(0, 1))

    @pytest.mark.parametrize(
        ("centre", "width"),
        [
            (["", "1024.5"], ["", "2049"]),
            ([500, 1024.5], [0, 2049]),
            ([9e6, 1024.5], [10, 2049]),
            ([5, 1024.5], [-1, 2049]),
        ],
    )
    def test_the_first_usable_window_is_applied(self, centre, width):
        assert shows(read(WindowCenter=centre, WindowWidth=width), HALVED) == []

    @pytest.mark.parametrize("tags", [("", ""), (None, None)])
    def test_without_a_window_nothing_is_said(self, tags):
        assert shows(read(WindowCenter=tags[0], WindowWidth=tags[1]), WHOLE) == []

    @pytest.mark.parametrize("tags", [(0, 0), (2048, ""), ("", 4096), (5, -3)])
    def test_an_unusable_window_is_said_not_to_be_usable(self, tags):
        (said,) = shows(read(WindowCenter=tags[0], WindowWidth=tags[1]), WHOLE)
        assert "cannot be used" in said

    def test_only_a_window_beside_the_film_hides_everything(self):
        (said,) = shows(read(WindowCenter=9e6, WindowWidth=10), WHOLE)
        assert "hides everything" in said

    @pytest.mark.parametrize(("slope", "width"), [(0.0001, 0.2), (0.001, 0.5)])
    def test_a_narrow_window_of_small_values(self, slope, width):
        film = read(RescaleSlope=slope, RescaleIntercept=0, WindowCenter=width / 2, WindowWidth=width)
        assert shows(film, (RAMP * slope / width).clip(0, 1)) == []

    @pytest.mark.parametrize(
        ("centres", "widths"), [(b"\\1024", b"100\\2049"), (b"9\\1024", b"\\2049"), (b"1024\\", b"2049")]
    )
    def test_an_empty_value_leaves_the_others_in_their_places(self, centres, widths):
        shows(read_raw(WindowCenter=centres, WindowWidth=widths), HALVED, 1 / 1024)

    @pytest.mark.parametrize("said", ["SIGMOID", "sigmoid", " Sigmoid ", ["SIGMOID", "SIGMOID"]])
    def test_the_functions_name_in_any_spelling(self, said):
        film = read(VOILUTFunction=said, WindowCenter=2048, WindowWidth=1024)
        shows(film, 1 / (1 + np.exp(-4 * (RAMP - 2048.0) / 1024)))

    def test_another_function_counts_as_linear(self):
        assert shows(read(VOILUTFunction="CURVE", **HALF), HALVED) == []


class TestTables:
    """The entries decide where the descriptor says otherwise."""

    @pytest.mark.parametrize("bits", [8, 10, 12, 16, 0])
    def test_bits(self, bits):
        shows(read(VOILUTSequence=[table(np.arange(4096), bits=bits)]), WHOLE)

    def test_a_table_that_leaves_the_top_of_its_range_empty_is_as_dark_as_it_says(self):
        film = read(VOILUTSequence=[table(np.arange(4096) // 2 + np.arange(4096) % 2, bits=12)])
        shows(film, (RAMP // 2 + RAMP % 2) / 4095)

    @pytest.mark.parametrize("scale", [1, 4, 16])
    def test_white_is_what_the_entries_need(self, scale):
        shows(read(VOILUTSequence=[table(np.arange(4096) * scale)]), RAMP * scale / (4096 * scale - 1), 1 / 4095)

    @pytest.mark.parametrize(("there", "said"), [(4000, 4096), (4000, 0), (4096, 4000)])
    def test_number(self, there, said):
        film = read(VOILUTSequence=[table(np.arange(there), bits=12, said=said)])
        shows(film, np.minimum(RAMP, 3999) / 4095)

    @pytest.mark.parametrize("first", [1000, -1000])
    def test_first_value(self, first):
        film = read(
            RAMP.astype(np.int16) - 2048, VOILUTSequence=[table(np.arange(4096), first=first, bits=12, kind="SS")]
        )
        shows(film, (RAMP - 2048.0 - first).clip(0, 4095) / 4095)

    def test_a_negative_first_value_written_without_its_sign(self):
        pixels = RAMP.astype(np.int16) - 2048
        film = read(pixels, VOILUTSequence=[table(np.arange(4096), first=65536 - 2048, bits=12)])
        shows(film, WHOLE)

    @pytest.mark.parametrize("entries", [[], [7] * 4096])
    def test_a_useless_table_gives_way_to_the_window_and_then_to_the_full_range(self, entries):
        (said,) = shows(read(VOILUTSequence=[table(entries)], **HALF), HALVED)
        assert "lookup table" in said
        (said,) = shows(read(VOILUTSequence=[table(entries)]), WHOLE)
        assert "lookup table" in said

    def test_the_next_table_is_tried(self):
        assert shows(read(VOILUTSequence=[table([]), table(np.arange(4096)[::-1], bits=12)]), 1 - WHOLE) == []

    def test_a_useless_modality_table_is_not_there(self):
        (said,) = shows(read(ModalityLUTSequence=[table([])], **HALF), HALVED)
        assert "lookup table" in said

    def test_a_modality_table_comes_before_the_window(self):
        film = read(ModalityLUTSequence=[table(np.arange(4096) // 2)], **HALF)
        shows(film, (RAMP // 2 / 2048.0).clip(0, 1))


class TestHostileNumbers:
    @pytest.mark.parametrize("slope", [b"1E308", b"1E-320", b"-1E99"])
    def test_a_slope_beyond_reason_is_not_there(self, slope):
        assert shows(read_raw(RescaleSlope=slope, RescaleIntercept=b"0"), WHOLE) == []

    def test_thousands_of_windows_tables_and_shutters_take_no_longer(self):
        empty = [table([0, 1], first=60_000)] * 3000
        tags = {"ShutterShape": ["CIRCULAR"] * 500, "CenterOfCircularShutter": [32, 32], "RadiusOfCircularShutter": 90}
        began = time.process_time()
        read(VOILUTSequence=empty, WindowCenter=[9e6] * 1500, WindowWidth=[1] * 1500, **tags)
        assert time.process_time() - began < 5

    def test_a_deflated_file_may_not_give_its_own_limit(self):
        packed = as_dicom(EIGHT, DeflatedExplicitVRLittleEndian, SamplesPerPixel=65535, BitsAllocated=65528)
        start = _start_of_data(packed)
        plain = zlib.decompress(packed[start:], -zlib.MAX_WBITS)
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        bomb = (
            packed[:start]
            + packer.compress(plain)
            + b"".join(packer.compress(bytes(2**20)) for _ in range(300))
            + packer.flush()
        )
        with pytest.raises(UnreadableImage, match="inflates"):
            image.decode(bomb, "bomb.dcm")


@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_a_deflated_film_of_more_than_a_megabyte(padding):
    noise = np.random.default_rng(0).integers(0, 65536, (900, 900)).astype(np.uint16)
    plain = as_dicom(noise, DeflatedExplicitVRLittleEndian)
    # the writer pads to an even length, so that either case may be the natural one
    whole = zlib.decompressobj(-zlib.MAX_WBITS)
    whole.decompress(plain[_start_of_data(plain) :])
    stream = plain[: len(plain) - len(whole.unused_data)]
    np.testing.assert_array_equal(image.decode(stream + padding, "film.dcm").pixels, noise / np.float32(65535))


def test_samples_of_32_bits_that_span_more_values_than_a_table_holds():
    film = read(RAMP.astype(np.uint32) * 1000, BitsStored=32, WindowCenter=1024500, WindowWidth=2049000)
    shows(film, HALVED, within=1e-3)


@pytest.mark.parametrize("keyword", ["PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing"])
@pytest.mark.parametrize(("height", "width"), [(2, 1), (1, 3)])
def test_pixels_that_are_not_square_are_shown_in_their_shape(keyword, height, width):
    film = read(**{keyword: [height, width]})
    assert film.pixels.shape == (64 * max(1, height // width), 64 * max(1, width // height))
    ends = film.pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(ends, WHOLE[[0, 0, -1, -1], [0, -1, 0, -1]], atol=1e-6)


def test_a_shape_that_would_make_too_many_pixels_makes_fewer():
    data = as_dicom(RAMP, BitsStored=12, PixelAspectRatio=[2, 1])
    assert dicom.decode(data, "film.dcm", 2 * RAMP.size)[0].shape == (128, 64)
    assert dicom.decode(data, "film.dcm", 2 * RAMP.size - 1)[0].shape == (64, 32)


@pytest.mark.parametrize("shape", [[1, 1], [0.139, 0.1391], [0, 2], [90, 1], [2]])
def test_other_shapes_of_pixels_change_nothing(shape):
    assert read(PixelSpacing=shape).pixels.shape == RAMP.shape


class TestContradictions:
    """Where the pixels contradict the tags, the pixels decide."""

    def test_samples_that_lie_low_although_the_highest_bit_is_said_to_be_used(self):
        assert shows(read(HighBit=15), WHOLE) == []

    @pytest.mark.parametrize(("keyword", "value"), [("NumberOfFrames", "1"), ("PlanarConfiguration", 2)])
    def test_tags_that_pydicom_refuses(self, keyword, value):
        pixels = np.dstack([EIGHT] * 3) if keyword == "PlanarConfiguration" else EIGHT
        film = image.decode(as_dicom(pixels, **{keyword: value}), "film.dcm")
        np.testing.assert_allclose(film.pixels, EIGHT / 255, atol=0.005)

    def test_padding_whose_range_would_wrap_around_hides_nothing(self):
        pixels = RAMP.astype(np.int16)
        film = image.decode(padded(pixels, 64536, BitsStored=16, PixelPaddingRangeLimit=-2000), "film.dcm")
        assert (film.pixels[30:] > 0).all()


class TestRequiredTags:
    @pytest.mark.parametrize(
        "tag", ["PhotometricInterpretation", "PixelRepresentation", "SamplesPerPixel", "BitsStored", "HighBit"]
    )
    def test_of_grey_films(self, tag):
        film = image.decode(as_dicom(EIGHT, **{tag: None}), "film.dcm")
        np.testing.assert_allclose(film.pixels, EIGHT / 255, atol=1e-6)

    @pytest.mark.parametrize("tag", ["PhotometricInterpretation", "PlanarConfiguration", "SamplesPerPixel"])
    def test_of_coloured_films(self, tag):
        coloured = np.dstack([EIGHT, EIGHT // 2, 255 - EIGHT])
        film = image.decode(as_dicom(coloured, **{tag: None}), "film.dcm")
        np.testing.assert_allclose(film.pixels, coloured @ [0.299, 0.587, 0.114] / 255, atol=0.005)

    def test_an_unknown_kind_of_monochrome_is_black_at_0(self):
        assert shows(read(PhotometricInterpretation="MONOCHROME"), WHOLE) == []

    @pytest.mark.parametrize("tag", ["Rows", "Columns"])
    def test_of_the_size(self, tag):
        with pytest.raises(UnreadableImage, match=f"without the tag {tag}"):
            image.decode(as_dicom(EIGHT, **{tag: None}), "film.dcm")


class TestOutsideTheFilm:
    ROW, COLUMN = np.ogrid[1:65, 1:65]

    @pytest.mark.parametrize(
        ("tags", "inside"),
        [
            (
                {"ShutterLeftVerticalEdge": 10, "ShutterRightVerticalEdge": 55, "ShutterUpperHorizontalEdge": 12,
                 "ShutterLowerHorizontalEdge": 50, "ShutterShape": "RECTANGULAR"},
                (COLUMN >= 10) & (COLUMN <= 55) & (ROW >= 12) & (ROW <= 50),
            ),
            (
                {"CenterOfCircularShutter": [32, 30], "RadiusOfCircularShutter": 20, "ShutterShape": "CIRCULAR"},
                (ROW - 32) ** 2 + (COLUMN - 30) ** 2 <= 400,
            ),
            (
                {"VerticesOfThePolygonalShutter": [10, 10, 10, 50, 40, 50, 40, 10], "ShutterShape": "POLYGONAL"},
                (COLUMN >= 10) & (COLUMN <= 50) & (ROW >= 10) & (ROW <= 40),
            ),
        ],
        ids=lambda value: value["ShutterShape"] if isinstance(value, dict) else "",
    )  # fmt: skip
    @pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
    def test_a_shutter_leaves_black_outside(self, tags, inside, kind):
        shown = WHOLE if kind == "MONOCHROME2" else 1 - WHOLE
        shows(read(PhotometricInterpretation=kind, ShutterPresentationValue=0, **tags), np.where(inside, shown, 0))

    def test_two_shutters_leave_what_is_in_both(self):
        tags = {
            "CenterOfCircularShutter": [32, 32],
            "RadiusOfCircularShutter": 30,
            "ShutterShape": ["CIRCULAR", "RECTANGULAR"],
        }
        edges = dict(zip(("Left", "Right", "Upper", "Lower"), (1, 32, 1, 64), strict=True))
        tags |= {f"Shutter{k}{'Vertical' if k in ('Left', 'Right') else 'Horizontal'}Edge": v for k, v in edges.items()}
        inside = ((self.ROW - 32) ** 2 + (self.COLUMN - 32) ** 2 <= 900) & (self.COLUMN <= 32)
        shows(read(**tags), np.where(inside, WHOLE, 0))

    @pytest.mark.parametrize("tags", [{"ShutterShape": "RECTANGULAR"}, {"ShutterShape": "BITMAP"}])
    def test_a_shutter_without_edges_hides_nothing(self, tags):
        assert shows(read(**tags), WHOLE) == []

    @pytest.mark.parametrize("value", [-2000, 63536])
    @pytest.mark.parametrize("signed", [True, False])
    def test_padding_of_either_sign(self, value, signed):
        pixels = RAMP.astype(np.int16 if signed else np.uint16)
        pixels[:3] = -2000 if signed else 63536
        tags = {"BitsStored": 16, **HALF}
        film = image.decode(padded(pixels, value, **tags), "film.dcm")
        np.testing.assert_allclose(film.pixels[3:], HALVED[3:], atol=0.001)
        assert (film.pixels[:3] == 0).all()

    def test_padding_above_the_films_bits(self):
        pixels = TWELVE.copy()
        pixels[:5] = 65535
        film = image.decode(padded(pixels, 65535, BitsStored=12), "film.dcm")
        np.testing.assert_allclose(film.pixels[5:], scene()[5:], atol=1 / 4095)
        assert (film.pixels[:5] == 0).all()


def padded(pixels, value, **tags):
    """A file whose padding value has the sign that its number needs."""
    dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(as_dicom(pixels, **tags)))
    dataset.add_new("PixelPaddingValue", "SS" if value < 0 else "US", value)
    file = pydicom.filebase.DicomBytesIO()
    dataset.save_as(file)
    return file.getvalue()


class TestMarks:
    """A burnt-in letter does not decide what is white."""

    @pytest.mark.parametrize("value", [65535, 40000])
    def test_in_a_film_of_fewer_bits(self, value):
        marked = RAMP.copy()
        marked[1:5, 1:5] = value
        for data in (as_dicom(marked), saved(marked, "PNG"), saved(marked, "TIFF")):
            film = image.decode(data, "film")
            expected = np.where(marked == value, 1, WHOLE)
            np.testing.assert_allclose(film.pixels, expected, atol=0.5 / 4095)
            assert any(str(value) in warning for warning in film.warnings)

    @pytest.mark.parametrize("slope", [1, -2])
    def test_in_a_signed_film(self, slope):
        marked = RAMP.astype(np.int16) - 2048
        marked[1:5, 1:5] = 32767
        film = image.decode(as_dicom(marked, RescaleSlope=slope, RescaleIntercept=7), "film.dcm")
        expected = np.where(marked == 32767, 1, WHOLE)
        np.testing.assert_allclose(film.pixels, expected if slope > 0 else 1 - expected, atol=0.5 / 4095)
        assert any("32767" in warning and "2047 is shown" in warning for warning in film.warnings)

    def test_bright_anatomy_is_no_mark(self):
        bright = RAMP.copy()
        bright[:4, :16] = np.arange(30000, 30064).reshape(4, 16)
        assert dicom.full_scale(bright, 16)[0] == 2**15 - 1

    def test_a_bright_half_is_no_mark(self):
        bright = RAMP.copy()
        bright[:20] = 65535
        assert dicom.full_scale(bright, 16)[0] == 65535


@pytest.mark.parametrize(
    "tags", [{"ImageComments": "source: 1.2.840.10008.1.2.1.99"}, {"StudyDescription": "1.2.840.10008.1.2.1.99"}]
)
def test_a_file_that_mentions_a_transfer_syntax_is_read(tags):
    assert shows(read(**tags), WHOLE) == []
