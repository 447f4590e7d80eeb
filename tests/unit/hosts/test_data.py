"""Which folder of a host's `data` a file lies in."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.hosts.stores.data import mapped
from remote.model import DataFolder

FOLDERS = (
    DataFolder(Path("/Volumes/raw"), Path("/mnt/raw")),
    DataFolder(Path("/Volumes/raw/new"), Path("~/new")),
    DataFolder(Path("/Volumes"), Path("/mnt/all")),
)


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/Volumes/raw/a/x.hdf5", "/mnt/raw/a/x.hdf5"),
        ("/Volumes/raw/new/x.hdf5", "~/new/x.hdf5"),
        ("/Volumes/rawer/x.hdf5", "/mnt/all/rawer/x.hdf5"),
        ("/Volumes/raw/newer/x.hdf5", "/mnt/raw/newer/x.hdf5"),
    ],
)
def test_the_innermost_folder_counts(path: str, there: str) -> None:
    for folders in (FOLDERS, FOLDERS[::-1]):
        found = mapped(Path(path), folders)
        assert found is not None
        assert (found.here, found.there) == (Path(path), Path(there))


def test_other_files_lie_in_none() -> None:
    assert mapped(Path("/data/x.hdf5"), FOLDERS) is None
    assert mapped(Path("/Volumes/raw/x.hdf5"), ()) is None


def test_links_that_lead_there_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    (folder / "x.bin").write_bytes(b"")
    (tmp_path / "data").symlink_to(folder)
    found = mapped(tmp_path / "data" / "x.bin", (DataFolder(folder, Path("/there")),))
    assert found is not None
    assert (found.here, found.there) == (tmp_path / "data" / "x.bin", Path("/there/x.bin"))
