"""Folders and archives as people have them: CDs, zipped studies, gzipped files; and archives made to do harm."""

import gzip
import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

from cxr_demo.errors import SeveralFilms, UnreadableImage
from cxr_demo.films import archives, formats, image, phantom
from tests.support import corpus

PNG = phantom.png("effusion", 256)
DICOM = corpus.as_dicom(corpus.EIGHT)
#: Files of a DICOM CD besides its films.
OTHERS = {
    "DICOMDIR": corpus.without_image("1.2.840.10008.1.3.10"),
    "DICOM/SR1": corpus.without_image(corpus.REPORT),
    "AUTORUN.INF": b"[autorun]",
    "viewer/start.exe": b"MZ\x90\0",
    "index.html": b"<!doctype html>",
}
CD = {"DICOM/ST0/SE0/IM0001": DICOM, "DICOM/ST0/SE1/IM0001": PNG, **OTHERS}


def zipped(files, **options):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def twice(name, first, second):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, first)
        archive.writestr(name, second)
    return packed.getvalue()


def tampered_lzma():
    """A zip whose LZMA properties are nonsense, which lzma refuses by an error of its own."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.png", PNG)
    data = bytearray(packed.getvalue())
    data[30 + len("a.png") + 4] = 0xFF
    return bytes(data)


def tarred(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def laid(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.fixture
def kept(tmp_path):
    """Write an archive to a file."""

    def written(data, name="study.zip"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return written


def names(found, folder):
    return [str(film.shown.relative_to(folder)) for film in found.films]


class TestSearch:
    def test_a_cd_is_walked_and_its_other_files_are_counted(self, tmp_path):
        found = archives.search(laid(tmp_path, CD))
        assert names(found, tmp_path) == ["DICOM/ST0/SE0/IM0001", "DICOM/ST0/SE1/IM0001"]
        assert found.others == len(OTHERS)

    @pytest.mark.parametrize("pack", [zipped, tarred, lambda files: gzip.compress(tarred(files))])
    def test_an_archive_of_it_holds_the_same(self, kept, pack):
        path = kept(pack(CD), "cd")
        found = archives.search(path)
        assert [film.path for film in found.films] == [path, path]
        assert [film.member.rpartition("DICOM")[2] for film in found.films] == ["/ST0/SE0/IM0001", "/ST0/SE1/IM0001"]
        assert found.others == len(OTHERS)

    def test_archives_in_a_folder_and_in_archives_are_opened(self, tmp_path):
        inner = zipped({"b.dcm.gz": gzip.compress(DICOM), "notes.txt": b"-"})
        found = archives.search(laid(tmp_path, {"a.png": PNG, "outer.zip": zipped({"inner.zip": inner})}))
        assert names(found, tmp_path) == ["a.png", "outer.zip/inner.zip/b.dcm.gz/b.dcm"]
        assert found.others == 1
        assert image.read(found.films[1].path, found.films[1].member).name == "b.dcm"

    @pytest.mark.parametrize("pack", [zipped, tarred])
    def test_a_member_is_found_without_opening_the_others(self, pack, kept, monkeypatch):
        """Among a thousand films, each of which would be opened for each."""
        opened = []
        for kind, name in ((zipfile.ZipFile, "open"), (tarfile.TarFile, "extractfile")):
            real = getattr(kind, name)
            monkeypatch.setattr(kind, name, lambda *given, real=real, **how: opened.append(1) or real(*given, **how))
        inner = zipped({"a.png": PNG, "b.png": DICOM})
        path = kept(pack({"a.png": PNG, "a.png (1).png": DICOM, "in.zip": inner, "z/a.png": PNG}))
        films = archives.search(path).films
        assert [film.member for film in films] == [
            "a.png", "a.png (1).png", "in.zip/a.png", "in.zip/b.png", "z/a.png",
        ]  # fmt: skip
        for film, data, opens in zip(films, (PNG, DICOM, PNG, DICOM, PNG), (1, 2, 2, 2, 1), strict=True):
            opened.clear()
            with path.open("rb") as file:
                assert archives.extract(file, path.name, film.member)[0] == data
            assert len(opened) <= opens

    def test_hidden_files_and_results_of_explain_are_skipped(self, tmp_path):
        files = {"a.png": PNG, ".b.png": PNG, ".git/c.png": PNG, "out/a/maps.npz": b"-", "out/a/lime.png": PNG}
        found = archives.search(laid(tmp_path, files))
        assert (names(found, tmp_path), found.others) == (["a.png"], 0)
        mac = zipped({"a.png": PNG, "__MACOSX/._a.png": PNG})
        assert len(archives.search(laid(tmp_path / "mac", {"x.zip": mac})).films) == 1

    def test_a_file_that_claims_to_be_a_film_by_its_name_is_no_other_file(self, tmp_path):
        """It is damaged, which reading it says; passing it over would lose it."""
        found = archives.search(laid(tmp_path, {"a.png": b"no picture", "b.zip": zipped(CD)[:-40], "c": b"no"}))
        assert (names(found, tmp_path), found.others) == (["a.png", "b.zip"], 1)

    def test_links_that_lead_round_end(self, tmp_path):
        (laid(tmp_path, {"a/b.png": PNG}) / "a" / "again").symlink_to(tmp_path)
        assert names(archives.search(tmp_path), tmp_path) == ["a/b.png"]

    def test_each_film_of_the_corpus_claims_to_be_one(self):
        for name, (data, *_) in corpus.SAME.items():
            assert formats.may_be_film(data[: formats.HEAD], "IM0001"), name


class TestReading:
    @pytest.mark.parametrize(
        "data", [zipped({"DICOM/IM1": DICOM, **OTHERS}), gzip.compress(DICOM)], ids=["zip", "gzip"]
    )
    def test_the_only_film_of_an_archive_is_read(self, kept, data):
        film = image.read(kept(data))
        alone = image.decode(DICOM, "IM1")
        assert np.array_equal(film.pixels, alone.pixels)
        assert film.sha256 == alone.sha256

    @pytest.mark.parametrize("others", [1, len(OTHERS)])
    def test_files_beside_the_only_film_are_counted(self, kept, others):
        packed = zipped({"DICOM/IM1": DICOM, **dict(list(OTHERS.items())[:others])})
        for film in (image.read(kept(packed)), image.decode(packed, "study.zip")):
            assert [warning for warning in film.warnings if f"{others} other file" in warning]

    def test_of_several_the_named_one_is_read(self, kept):
        path = kept(zipped(CD))
        with pytest.raises(SeveralFilms, match=r"study\.zip holds 2 films") as refused:
            image.read(path)
        assert refused.value.members == ("DICOM/ST0/SE0/IM0001", "DICOM/ST0/SE1/IM0001")
        assert refused.value.others == len(OTHERS)
        assert image.read(path, "DICOM/ST0/SE1/IM0001").sha256 == image.decode(PNG, "x").sha256
        with pytest.raises(UnreadableImage, match="does not contain passwd"):
            image.read(path, "../../etc/passwd")

    def test_the_list_of_its_films_comes_back_from_another_process(self):
        again = pickle.loads(pickle.dumps(SeveralFilms("two films", ["a", "b"], 3)))
        assert (str(again), again.members, again.others) == ("two films", ("a", "b"), 3)

    def test_members_of_one_name_are_all_read(self, kept):
        other = phantom.png("normal", 256)
        with pytest.warns(UserWarning, match="Duplicate"):
            path = kept(twice("a.png", PNG, other))
        found = archives.search(path)
        assert [film.member for film in found.films] == ["a.png", "a.png (2)"]
        read = [image.read(film.path, film.member).sha256 for film in found.films]
        assert read == [image.decode(data, "x").sha256 for data in (PNG, other)]

    def test_unprintable_and_absolute_names_are_shown_plainly(self, kept):
        path = kept(tarred({"/etc/\x1b[31mred.png": PNG}), "a.tar")
        assert [film.shown for film in archives.search(path).films] == [path / "etc" / "[31mred.png"]

    def test_members_lead_nowhere(self, kept, tmp_path):
        path = kept(zipped({"../../outside.png": PNG}))
        before = sorted(tmp_path.parent.rglob("*"))
        assert image.read(path).name == "outside.png"
        assert sorted(tmp_path.parent.rglob("*")) == before

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (zipped({"notes.txt": b"-"}), "no film, only 1 other file"),
            (zipped(CD)[:-40], "damaged"),
            (gzip.compress(DICOM)[:-400], "damaged"),
            (zipped({"a.png": PNG}).replace(b"\x08\x00", b"\x63\x00"), "packed in an unknown way"),
            (zipped({"1.zip": zipped({"2.zip": zipped({"3.zip": zipped({"a.png": PNG})})})}), "too deeply nested"),
            (tampered_lzma(), "damaged"),
            (b"7z\xbc\xaf\x27\x1c" + bytes(90), "cannot be opened here"),
        ],
        ids=["without a film", "cut", "cut gzip", "unknown compression", "nested", "damaged lzma", "7z"],
    )
    def test_others_are_refused_by_a_sentence(self, kept, data, said):
        with pytest.raises(UnreadableImage, match=said) as refused:
            image.read(kept(data))
        assert "study.zip" in str(refused.value)

    def test_a_password_is_named(self, kept):
        data = bytearray(zipped({"a.png": PNG}))
        for start, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the flags of a member, and of its entry in the directory
            data[data.index(start) + at] |= 1
        with pytest.raises(UnreadableImage, match="password"):
            image.read(kept(bytes(data)))


class TestLimits:
    def test_of_members(self, kept, monkeypatch):
        monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
        image.read(kept(zipped({"a.png": PNG, "b": b"-", "c": b"-"})))
        with pytest.raises(UnreadableImage, match="too many files"):
            image.read(kept(zipped({"a.png": PNG, "b": b"-", "c": b"-", "d": b"-"})))

    def test_of_a_directory_before_it_is_read(self, kept, monkeypatch):
        path = kept(zipped({f"{k}.txt": b"-" for k in range(20)}))
        monkeypatch.setattr(archives, "MOST_DIRECTORY", 200)
        monkeypatch.setattr(zipfile, "ZipFile", None)  # not even opened
        with pytest.raises(UnreadableImage, match="too many files"):
            image.read(path)

    def test_of_gzip_members(self, kept, monkeypatch):
        parts = [gzip.compress(PNG[:100]), gzip.compress(PNG[100:])]
        assert image.read(kept(b"".join(parts), "a.png.gz")).sha256 == image.decode(PNG, "x").sha256
        monkeypatch.setattr(archives, "MOST_MEMBERS", 1)
        with pytest.raises(UnreadableImage, match="damaged"):
            image.read(kept(b"".join(parts), "a.png.gz"))

    def test_of_a_member_whatever_it_declares(self, kept, monkeypatch):
        """A member that unpacks to more than a film may have."""
        bomb = PNG + bytes(3 << 20)
        monkeypatch.setattr(formats, "MOST_BYTES", 1 << 20)
        for data in (zipped({"a.png": bomb}), gzip.compress(bomb)):
            with pytest.raises(UnreadableImage, match="larger than 1 MiB"):
                image.read(kept(data))

    def test_of_archives_inside_it(self, kept, monkeypatch):
        monkeypatch.setattr(archives, "MOST_INSIDE", 1 << 20)
        inner = zipped({"a.png": PNG})
        assert image.read(kept(zipped({"a.zip": inner}))).name == "a.png"
        with pytest.raises(UnreadableImage, match="too large"):
            image.read(kept(zipped({"a.zip": inner, "b.zip": zipped({"b": b"-"}) + bytes(1 << 20)})))
