"""The local transport's files: whole or absent, nothing followed, everything removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.hosts.local import LocalTransport

TRANSPORT = LocalTransport()


def test_pieces_of_a_file_and_its_absence(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert TRANSPORT.read(path) is None
    TRANSPORT.write(path, b"0123456789")
    assert TRANSPORT.read(path, 4, 3) == b"456"
    assert TRANSPORT.read(path, 10) == b""
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (tmp_path / "outcome.json").symlink_to(tmp_path / "secret")
    assert TRANSPORT.read(tmp_path / "outcome.json") is None


def test_exclusive_directories_are_made_once(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "a"
    TRANSPORT.make_directory(path, exclusive=True)
    assert path.stat().st_mode & 0o777 == 0o700
    TRANSPORT.make_directory(path)
    with pytest.raises(FileExistsError):
        TRANSPORT.make_directory(path, exclusive=True)


def test_names_are_directories_alone(tmp_path: Path) -> None:
    assert TRANSPORT.names(tmp_path / "none") == ()
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    assert TRANSPORT.names(tmp_path) == ("a", "b")


def test_closed_directories_are_removed_too(tmp_path: Path) -> None:
    deep = tmp_path / "run" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "f").touch()
    (tmp_path / "outside").mkdir()
    (deep / "link").symlink_to(tmp_path / "outside")
    for closed in (deep, deep.parent, deep.parent.parent):
        closed.chmod(0o500)
    TRANSPORT.remove(tmp_path / "run")
    TRANSPORT.remove(tmp_path / "run")
    assert [entry.name for entry in tmp_path.iterdir()] == ["outside"]
