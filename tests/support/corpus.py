"""Generated files for the reader's tests: films in every supported format, and files that the reader must refuse."""

import io
import random
import zipfile
import zlib
from collections.abc import Collection, Iterator

import cv2
import imagecodecs
import numpy as np
import pydicom
import tifffile
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)


def scene(height: int = 60, width: int = 80) -> np.ndarray:
    """An asymmetric picture (H, W) that contains both 0 and 1."""
    y, x = np.mgrid[:height, :width]
    values = 0.8 * x / width * (y / height) + 0.1
    values[5:15, 8:20] = 1
    values[-8:, -10:] = 0
    return values


EIGHT = np.rint(scene() * 255).astype(np.uint8)
SIXTEEN = np.rint(scene() * 65535).astype(np.uint16)
COLOURED = np.dstack([EIGHT] * 3)  # of equal red, green and blue


def saved(pixels: np.ndarray | Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(file, form, **options)
    return file.getvalue()


def by_opencv(pixels: np.ndarray, ending: str) -> bytes:
    return cv2.imencode(ending, pixels)[1].tobytes()


def by_tifffile(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def with_preview() -> bytes:
    """A TIFF with a film and a reduced copy of it, as scanners write."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(EIGHT)
        tiff.write(EIGHT[::4, ::4].copy(), subfiletype=1)
    return file.getvalue()


def as_dicom(pixels: np.ndarray, syntax: str = ExplicitVRLittleEndian, **tags: object) -> bytes:
    """A DICOM file of these pixels; `tags` override tags by keyword, and None removes one."""
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = pydicom.uid.generate_uid()
    ds.PatientName, ds.PatientID = "Secret^Person", "4711"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    ds.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    ds.BitsAllocated = ds.BitsStored = pixels.dtype.itemsize * 8
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    for name, value in tags.items():
        if value is not None:
            setattr(ds, name, value)
    ds.HighBit = tags.get("HighBit") or ds.BitsStored - 1
    encoded = tags.get("PixelData") or pixels.tobytes()
    ds.PixelData = encoded + b"\0" * (len(encoded) % 2)
    if syntax == RLELossless:
        ds.compress(RLELossless, pixels)
    for name, value in tags.items():
        if value is None:
            ds.pop(pydicom.tag.Tag(name), None)
    ds["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"  # pydicom would look at a tag that may be absent
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def encapsulated(frame: bytes) -> bytes:
    return encapsulate([frame])


def as_jfif(pixels: np.ndarray) -> bytes:
    """A lossless JPEG of red, green and blue whose header, JFIF's, stands for luma and chroma."""
    jpeg = imagecodecs.jpeg8_encode(pixels, lossless=True)
    assert jpeg[2:4] == b"\xff\xee", "Adobe's header, which has 16 bytes"
    return jpeg[:2] + bytes.fromhex("ffe000104a46494600010100000100010000") + jpeg[18:]


def with_smaller_picture(pixels: np.ndarray) -> bytes:
    """A JPEG as phones write it, with a second picture inside."""
    small = Image.fromarray(pixels[::4, ::4].copy())
    return saved(pixels, "MPO", quality=100, save_all=True, append_images=[small])


TWELVE = np.rint(scene() * 4095).astype(np.uint16)

#: Files that all show the scene, each with the largest allowed difference from it.
SAME = {
    "png": (saved(EIGHT, "PNG"), 0.5 / 255),
    "png 16": (saved(SIXTEEN, "PNG"), 0.5 / 65535),
    "png rgb": (saved(COLOURED, "PNG"), 1 / 255),
    "png rgba": (saved(np.dstack([COLOURED, np.full_like(EIGHT, 255)]), "PNG"), 1 / 255),
    "png grey alpha": (saved(Image.fromarray(EIGHT).convert("LA"), "PNG"), 1 / 255),
    "png palette": (saved(Image.fromarray(EIGHT).convert("P"), "PNG"), 4 / 255),
    "png rgb 16": (by_opencv(np.dstack([SIXTEEN] * 3), ".png"), 2 / 65535),
    "png rgba 16": (by_opencv(np.dstack([SIXTEEN] * 3 + [np.full_like(SIXTEEN, 65535)]), ".png"), 2 / 65535),
    "jpeg": (saved(EIGHT, "JPEG", quality=100, subsampling=0), 8 / 255),
    "jpeg cmyk": (saved(Image.fromarray(EIGHT).convert("CMYK"), "JPEG", quality=100, subsampling=0), 12 / 255),
    "tiff": (saved(EIGHT, "TIFF"), 0.5 / 255),
    "tiff lzw 16": (saved(SIXTEEN, "TIFF", compression="tiff_lzw"), 0.5 / 65535),
    "tiff rgb 16": (by_tifffile(np.dstack([SIXTEEN] * 3), photometric="rgb"), 2 / 65535),
    "tiff float": (saved(scene().astype(np.float32) * 7 - 2, "TIFF"), 1e-6),
    "tiff double": (by_tifffile(scene() * 7 - 2), 1e-6),
    "tiff signed": (by_tifffile((SIXTEEN.astype(np.int32) - 32768).astype(np.int16)), 0.5 / 65535),
    "tiff signed 8": (by_tifffile((EIGHT.astype(np.int16) - 128).astype(np.int8)), 0.5 / 255),
    "tiff unsigned 32": (by_tifffile(SIXTEEN.astype(np.uint32) * 65536), 0.5 / 65535),
    "tiff white is 0": (by_tifffile(255 - EIGHT, photometric="miniswhite"), 0.5 / 255),
    "tiff white is 0, 16": (by_tifffile(65535 - SIXTEEN, photometric="miniswhite"), 0.5 / 65535),
    "tiff big-endian 12": (by_tifffile(TWELVE, byteorder=">"), 0.5 / 4095),
    "tiff in planes": (
        by_tifffile(np.stack([SIXTEEN] * 3), photometric="rgb", planarconfig="separate"), 2 / 65535,
    ),
    "tiff in tiles": (by_tifffile(SIXTEEN, tile=(16, 16), compression="zlib"), 0.5 / 65535),
    "tiff cmyk": (saved(Image.fromarray(EIGHT).convert("CMYK"), "TIFF"), 1 / 255),
    "tiff white is 0, lzw": (by_tifffile(65535 - SIXTEEN, photometric="miniswhite", compression="lzw"), 0.5 / 65535),
    "tiff white is 0, 8, lzw": (by_tifffile(255 - EIGHT, photometric="miniswhite", compression="lzw"), 0.5 / 255),
    "tiff float lzw": (saved(scene().astype(np.float32), "TIFF", compression="tiff_lzw"), 1e-6),
    "tiff with alpha": (saved(Image.fromarray(EIGHT).convert("LA"), "TIFF"), 1 / 255),
    "tiff with a preview": (with_preview(), 0.5 / 255),
    "tiff palette": (saved(Image.fromarray(EIGHT).convert("P"), "TIFF"), 4 / 255),
    "tiff jpeg": (saved(EIGHT, "TIFF", compression="jpeg", quality=100), 8 / 255),
    "jpeg 12": (imagecodecs.jpeg8_encode(TWELVE, level=100, bitspersample=12), 8 / 255),
    "jpeg with a second picture": (with_smaller_picture(EIGHT), 8 / 255),
    "jpeg 2000": (saved(EIGHT, "JPEG2000"), 0.5 / 255),
    "jpeg 2000 16": (saved(SIXTEEN, "JPEG2000"), 0.5 / 65535),
    "jpeg 2000 rgb 16": (
        imagecodecs.jpeg2k_encode(np.dstack([SIXTEEN] * 3), codecformat="JP2", reversible=True, level=0), 2 / 65535,
    ),
    "jpeg 2000 rgb 12": (
        imagecodecs.jpeg2k_encode(
            np.dstack([TWELVE] * 3), codecformat="JP2", reversible=True, level=0, bitspersample=12
        ),
        2 / 4095,
    ),
    "avif": (saved(EIGHT, "AVIF", quality=100), 8 / 255),
    "bmp": (saved(EIGHT, "BMP"), 0.5 / 255),
    "webp": (saved(EIGHT, "WEBP", lossless=True), 1 / 255),
    "dicom": (as_dicom(EIGHT), 0.5 / 255),
    "dicom implicit": (as_dicom(EIGHT, ImplicitVRLittleEndian), 0.5 / 255),
    "dicom 16": (as_dicom(SIXTEEN), 0.5 / 65535),
    "dicom 12 of 16": (as_dicom(TWELVE, BitsStored=12), 0.5 / 4095),
    "dicom monochrome1": (as_dicom(255 - EIGHT, PhotometricInterpretation="MONOCHROME1"), 0.5 / 255),
    "dicom signed": (as_dicom((TWELVE.astype(np.int16) - 2048), BitsStored=12), 0.5 / 4095),
    "dicom rgb": (as_dicom(COLOURED), 1 / 255),
    "dicom rle": (as_dicom(SIXTEEN, RLELossless), 0.5 / 65535),
    "dicom jpeg": (
        as_dicom(EIGHT, JPEGBaseline8Bit, PixelData=encapsulated(saved(EIGHT, "JPEG", quality=100))), 8 / 255,
    ),
    "dicom jpeg lossless": (
        as_dicom(
            SIXTEEN, JPEGLosslessSV1,
            PixelData=encapsulated(imagecodecs.jpeg8_encode(SIXTEEN, lossless=True, bitspersample=16)),
        ),
        0.5 / 65535,
    ),
    "dicom jpeg-ls": (
        as_dicom(TWELVE, JPEGLSLossless, BitsStored=12, PixelData=encapsulated(imagecodecs.jpegls_encode(TWELVE))),
        0.5 / 4095,
    ),
    "dicom jpeg 12": (
        as_dicom(
            TWELVE, JPEGExtended12Bit, BitsStored=12,
            PixelData=encapsulated(imagecodecs.jpeg8_encode(TWELVE, level=100, bitspersample=12)),
        ),
        8 / 255,
    ),
    "dicom deflated": (as_dicom(EIGHT, DeflatedExplicitVRLittleEndian), 0.5 / 255),
    "dicom high bits": (as_dicom(TWELVE << 4, BitsStored=12, HighBit=15), 0.5 / 4095),
    "dicom bits in the middle": (as_dicom(TWELVE << 2 | 0xC003, BitsStored=12, HighBit=13), 0.5 / 4095),
    "dicom bits above": (as_dicom(TWELVE | 0xA000, BitsStored=12), 0.5 / 4095),
    "dicom jpeg-ls signed": (
        as_dicom(
            TWELVE.astype(np.int16) - 2048, JPEGLSLossless, BitsStored=12,
            PixelData=encapsulated(imagecodecs.jpegls_encode((TWELVE - 2048) & 0xFFF)),
        ),
        0.5 / 4095,
    ),
    "dicom jpeg-ls rgb": (
        as_dicom(COLOURED, JPEGLSLossless, PixelData=encapsulated(imagecodecs.jpegls_encode(COLOURED))),
        1 / 255,
    ),
    "dicom jpeg lossless rgb": (
        as_dicom(COLOURED, JPEGLossless, PixelData=encapsulated(imagecodecs.jpeg8_encode(COLOURED, lossless=True))),
        1 / 255,
    ),
    "dicom jpeg lossless rgb, header of luma and chroma": (
        as_dicom(COLOURED, JPEGLossless, PixelData=encapsulated(as_jfif(COLOURED))), 1 / 255,
    ),
    "dicom jpeg 2000 rgb 16": (
        as_dicom(
            np.dstack([SIXTEEN] * 3), JPEG2000Lossless,
            PixelData=encapsulated(
                imagecodecs.jpeg2k_encode(np.dstack([SIXTEEN] * 3), codecformat="J2K", reversible=True, level=0)
            ),
        ),
        2 / 65535,
    ),
    "dicom htj2k": (
        as_dicom(TWELVE, HTJ2KLossless, BitsStored=12, PixelData=encapsulated(imagecodecs.htj2k_encode(TWELVE))),
        0.5 / 4095,
    ),
    "dicom htj2k rgb": (
        as_dicom(COLOURED, HTJ2K, PixelData=encapsulated(imagecodecs.htj2k_encode(COLOURED))), 1 / 255,
    ),
    "dicom jpeg 2000": (
        as_dicom(SIXTEEN, JPEG2000Lossless, PixelData=encapsulated(saved(SIXTEEN, "JPEG2000", no_jp2=True))),
        0.5 / 65535,
    ),
}  # fmt: skip


def pages(form: str) -> bytes:
    return saved(EIGHT, form, save_all=True, append_images=[Image.fromarray(255 - EIGHT)])


def without_a_strip() -> bytes:
    """A TIFF whose second strip has length 0; readers for microscopy fill such strips with black."""
    data = bytearray(by_tifffile(EIGHT, rowsperstrip=30))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        counts = file.pages.first.tags["StripByteCounts"]
    assert counts.count == 2
    at = counts.valueoffset + {3: 2, 4: 4}[counts.dtype.value]
    data[at : at + 2] = b"\0\0"
    return bytes(data)


def endless_pages() -> bytes:
    """A TIFF whose only page refers to itself as the next page."""
    data = bytearray(saved(EIGHT, "TIFF"))
    start = int.from_bytes(data[4:8], "little")
    after = start + 2 + 12 * int.from_bytes(data[start : start + 2], "little")
    data[after : after + 4] = data[4:8]
    return bytes(data)


def many_pixels() -> bytes:
    """A small TIFF whose header states a width of 60,000 pixels."""
    data = bytearray(by_tifffile(np.zeros((1000, 16), np.uint8)))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        width = file.pages.first.tags["ImageWidth"]
    data[width.valueoffset : width.valueoffset + 2] = (60_000).to_bytes(2, "little")
    return bytes(data)


#: The class of DICOM's structured reports of text.
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"


def without_image(sop_class: str) -> bytes:
    """A DICOM file that begins by stating this class, and has no image."""
    uid = sop_class.encode() + b"\0" * (len(sop_class) % 2)
    return bytes(128) + b"DICM\2\0\0\0UL\4\0\x80\0\0\0\2\0\2\0UI" + len(uid).to_bytes(2, "little") + uid


def deflated_bomb() -> bytes:
    """A DICOM file of a megabyte that would inflate to a gigabyte."""
    whole = as_dicom(EIGHT, DeflatedExplicitVRLittleEndian)
    head = pydicom.dcmread(io.BytesIO(whole), stop_before_pixels=True)
    start = 144 + head.file_meta.FileMetaInformationGroupLength
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return whole[:start] + b"".join(packer.compress(bytes(2**20)) for _ in range(1024)) + packer.flush()


#: Files that the reader must refuse, each with words that its error must contain.
REFUSED = {
    "empty": (b"", "is empty"),
    "text": (b"a film, I swear", "not an image"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    "pdf": (b"%PDF-1.7 ...", "not an image"),
    "gif": (saved(EIGHT, "GIF"), "not an image"),
    "cut png": (SAME["png"][0][:-60], "damaged"),
    "cut jpeg": (SAME["jpeg"][0][:400], "damaged"),
    "cut 16-bit colour": (SAME["png rgb 16"][0][:-60], "damaged"),
    "cut tiff": (SAME["tiff lzw 16"][0][:-60], "damaged"),
    "strip without bytes": (without_a_strip(), "damaged"),
    "lab": (saved(Image.fromarray(COLOURED).convert("LAB"), "TIFF"), "rare format"),
    "five channels": (by_tifffile(np.zeros((60, 60, 5), np.uint8), planarconfig="contig"), "layers or channels"),
    "rare": (by_tifffile(SIXTEEN.astype(np.uint32), compression="lzma"), "only uncompressed"),
    "rgb 16 lzw": (by_opencv(np.dstack([SIXTEEN] * 3), ".tiff"), "only uncompressed"),
    "pages": (pages("TIFF"), "several images"),
    "endless pages": (endless_pages(), "several images"),
    "animation": (pages("PNG"), "2 images"),
    "constant": (saved(np.full((60, 60), 9, np.uint8), "PNG"), "shows nothing"),
    "tiny": (saved(EIGHT[:20], "PNG"), "80 x 20"),
    "narrow": (saved(np.tile(EIGHT[:40], (1, 3)), "PNG"), "long and narrow"),
    "nan": (saved(np.full((60, 60), np.nan, np.float32), "TIFF"), "not finite"),
    "one pixel": (saved(EIGHT[:1, :1], "PNG"), "1 x 1"),
    "one row": (saved(np.tile(EIGHT[:1], (1, 250)), "PNG"), "20000 x 1"),
    "infinite": (saved(np.where(EIGHT > 200, np.inf, EIGHT).astype(np.float32), "TIFF"), "not finite"),
    "webp animation": (pages("WEBP"), "2 images"),
    "frames": (as_dicom(EIGHT, NumberOfFrames=2, PixelData=EIGHT.tobytes() * 2), "several frames"),
    "no rows": (as_dicom(EIGHT, Rows=None), "without the tag Rows"),
    "palette": (as_dicom(EIGHT, PhotometricInterpretation="PALETTE COLOR"), "palette"),
    "unknown syntax": (as_dicom(EIGHT, "1.2.840.10008.1.2.4.100", PixelData=encapsulated(b"xx")), "a compression that"),
    "more frames than said": (as_dicom(EIGHT, PixelData=EIGHT.tobytes() * 3), "several frames"),
    "no bits": (as_dicom(EIGHT, BitsAllocated=None), "without the tag BitsAllocated"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(90), "is an archive"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(200), "HEIC"),
    "jpeg xl": (imagecodecs.jpegxl_encode(EIGHT), "JPEG XL"),
    "many pixels": (as_dicom(EIGHT, Rows=10000, Columns=6000), "megapixels"),
    "many pixels in tiff": (many_pixels(), "megapixels"),
    "cut deflated": (as_dicom(EIGHT, DeflatedExplicitVRLittleEndian)[:-40], "damaged"),
    "many deflated pixels": (as_dicom(EIGHT, DeflatedExplicitVRLittleEndian, Rows=10000, Columns=6000), "megapixels"),
    "deflated bomb": (deflated_bomb(), "inflates"),
}  # fmt: skip


def with_private_tags() -> bytes:
    """A DICOM film with private tags of a vendor: markup, and half a megabyte of bytes."""
    ds = pydicom.dcmread(io.BytesIO(as_dicom(EIGHT)))
    block = ds.private_block(0x0011, "VENDOR <b>x</b>", create=True)
    block.add_new(0x01, "LO", "<script>alert(1)</script>")
    block.add_new(0x02, "OB", b"\1" * 500_000)
    file = io.BytesIO()
    ds.save_as(file)
    return file.getvalue()


#: Kinds that Pillow's libtiff decompresses; it writes its errors to the process's stderr.
BY_LIBTIFF = {kind for kind in SAME if kind.startswith("tiff") and ("lzw" in kind or "jpeg" in kind)}


def damaged(count: int, kinds: Collection[str], seed: int = 0) -> Iterator[bytes]:
    """Yield `count` files of these kinds, a third truncated, the others with 1 to 8 bits flipped."""
    rng = random.Random(seed)
    files = [SAME[kind][0] for kind in kinds]
    for i in range(count):
        data = bytearray(files[i % len(files)])
        if i % 3 == 0:
            del data[rng.randrange(len(data)) :]
        else:
            for _ in range(rng.randrange(1, 9)):
                # headers, which matter most, are at the start
                data[rng.randrange(min(len(data), 700 if i % 3 == 1 else len(data)))] ^= 1 << rng.randrange(8)
        yield bytes(data)


def bomb(megapixels: float) -> bytes:
    """A small PNG that decodes to so many megapixels."""
    side = int((megapixels * 1e6) ** 0.5)
    rows = zlib.compress(b"\0" * (side // 8 + 2) * side, 9)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("film.png", SAME["png"][0])
    return file.getvalue()


def grown_archives() -> Iterator[bytes]:
    """Small archives of gigabytes: a film that never ends, and archives in an archive."""
    packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)  # gzip
    start = packer.compress(SAME["png"][0])
    yield start + b"".join(packer.compress(bytes(2**20)) for _ in range(2048)) + packer.flush()
    for size in (90 << 20, 380 << 20):
        inner, outer = io.BytesIO(), io.BytesIO()
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("film.png", SAME["png"][0] + bytes(size))
        with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for k in range(10 if size < 100 << 20 else 1):
                archive.writestr(f"{k}.zip", inner.getvalue())
        yield outer.getvalue()


def hidden_in_dicom(of: str) -> bytes:
    """A DICOM file whose preamble holds the first bytes of another format."""
    start = SAME[of][0][:128].ljust(128, b"\0")
    return start + SAME["dicom"][0][128:]


#: Files with a second or a false format, each with whether it contains a film.
MASKS = {
    "png with a zip behind": (SAME["png"][0] + zipped(), True),
    "jpeg with script behind": (SAME["jpeg"][0] + b"<script>alert(1)</script>", True),
    "dicom that begins as png": (hidden_in_dicom("png"), True),
    "dicom that begins as tiff": (hidden_in_dicom("tiff"), True),
    "dicom with private tags": (with_private_tags(), True),
    "zip": (zipped(), True),
    "html": (b"<!doctype html><script>alert(1)</script>", False),
    "svg with an entity": (b'<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]><svg>&e;</svg>', False),
    "python": (b"import os; os.system('true')", False),
    "pickle": (b"cos\nsystem\n(S'true'\ntR.", False),
    "one byte": (b"\x89", False),
    "zeros": (b"\0" * 4096, False),
    "png of no pixels": (bomb(0), False),
}

#: Hostile and unusual file names.
NAMES = (
    "../../etc/passwd", "..\\..\\boot.ini", "/etc/shadow", "<img src=x onerror=alert(1)>.png", "a\0b.png", "a\nb.png",
    "\x1b[2J.png", "\u202egnp.exe", "film.png\r\nSet-Cookie: a=b", "%2e%2e%2fpasswd", "{{7*7}}.png", "${jndi:ldap://x}.png",
    "CON.png", ".png", "", " ", "." * 200, "x" * 5000 + ".png", "naïve 胸部.png", "'; DROP TABLE films; --.png",
)  # fmt: skip
