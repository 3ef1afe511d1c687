"""Checksums of files; files and folders that are written whole or not at all."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from cxr_demo import files
from cxr_demo.files import sha256_of, whole_folder, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_checksum_is_of_all_of_a_file(tmp_path):
    for size in (0, 5, 1 << 18, (1 << 18) + 1):
        data = bytes(size)
        (tmp_path / "file").write_bytes(data)
        assert sha256_of(tmp_path / "file") == hashlib.sha256(data).hexdigest()


class TestFile:
    @pytest.mark.parametrize("synced", [False, True])
    def test_a_file_holds_the_last_content_and_others_may_read_it(self, tmp_path, synced):
        path = tmp_path / "file"
        write_whole(path, b"\x00\xff", synced=synced)
        assert path.read_bytes() == b"\x00\xff"
        write_whole(path, "Ærlig\r\ntalt\n", synced=synced)
        assert path.read_bytes() == "Ærlig\r\ntalt\n".encode()
        assert names(tmp_path) == ["file"]
        (tmp_path / "plain").touch()
        assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode

    def test_a_name_may_be_as_long_as_the_disk_allows(self, tmp_path):
        path = tmp_path / ("x" * 255)
        write_whole(path, "content")
        assert path.read_text() == "content"

    @pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
    def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(self, tmp_path, monkeypatch, error):
        path = tmp_path / "file"
        write_whole(path, "old")

        def fail(_):
            raise error

        monkeypatch.setattr(files, "to_disk", fail)
        with pytest.raises(error):
            write_whole(path, "new", synced=True)
        assert path.read_text() == "old"
        assert names(tmp_path) == ["file"]

    def test_readers_find_one_writers_content_whole(self, tmp_path):
        path, contents = tmp_path / "file", [str(n) * 100_000 for n in range(8)]
        write_whole(path, contents[0])
        with ThreadPoolExecutor(8) as pool:
            written = [pool.submit(write_whole, path, content) for content in contents * 10]
            while not all(one.done() for one in written):
                assert path.read_text() in contents
            for one in written:
                one.result()
        assert names(tmp_path) == ["file"]


def begin(folder):
    (folder / "file").write_text("new")
    raise KeyboardInterrupt


class TestFolder:
    def test_a_folder_replaces_what_it_has_and_keeps_what_it_lacks(self, tmp_path):
        folder = tmp_path / "deep" / "folder"
        for content in ("old", "new"):
            with whole_folder(folder) as fresh:
                (fresh / "file").write_text(content)
            assert (folder / "file").read_text() == content
            (folder / "own").mkdir(exist_ok=True)
        assert names(folder) == ["file", "own"]
        assert names(folder.parent) == ["folder"]

    @pytest.mark.parametrize("there", [True, False])
    def test_a_block_that_fails_leaves_what_was_there(self, tmp_path, there):
        folder = tmp_path / "folder"
        if there:
            folder.mkdir()
            (folder / "file").write_text("old")
        with pytest.raises(KeyboardInterrupt), whole_folder(folder) as fresh:
            begin(fresh)
        assert names(tmp_path) == ["folder"] * there
        assert not there or (folder / "file").read_text() == "old"
