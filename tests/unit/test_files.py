import hashlib

from cxr_demo.files import sha256_of


def test_a_checksum_is_of_all_of_a_file(tmp_path):
    for size in (0, 5, 1 << 18, (1 << 18) + 1):
        data = bytes(size)
        (tmp_path / "file").write_bytes(data)
        assert sha256_of(tmp_path / "file") == hashlib.sha256(data).hexdigest()
