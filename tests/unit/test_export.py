"""Zips of exported folders."""

import zipfile

from cxr_demo.output import export


def test_folders_in_a_zip_of_several_have_names_of_their_own(tmp_path):
    """Also where a system holds capital and small letters for the same."""
    archives = []
    for k, name in enumerate(("film", "film", "film-2", "Film")):
        (tmp_path / str(k)).mkdir()
        archives.append(tmp_path / str(k) / f"{name}.zip")
        with zipfile.ZipFile(archives[-1], "w") as packed:
            packed.writestr(f"{name}/result.json", str(k))
    together = zipfile.ZipFile(export.bundle(archives, tmp_path / "films.zip"))
    assert together.namelist() == [f"{name}/result.json" for name in ("film", "film-2", "film-2-2", "Film-3")]
    assert [together.read(name).decode() for name in together.namelist()] == ["0", "1", "2", "3"]
