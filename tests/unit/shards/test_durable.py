"""Files that are whole or absent, one writer a directory, and errors that say what to do."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from remote.errors import DiskTooSmall, OutputBusy, ResultsUnusable
from remote.workloads.durable import (
    HashingFile,
    canonical_digest,
    exclusive,
    sha256_file,
    write_atomic,
    writing_errors,
)


def test_a_file_grows_with_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with HashingFile(path) as file:
        file.append(b"ab", memoryview(b"cd"))
        half = hashlib.sha256(b"abcd")
        assert file.hexdigest() == half.hexdigest()
        file.append(b"lost")
        file.sync()
    with HashingFile(path, size=4, digest=half) as file:
        file.append(b"ef")
        assert file.hexdigest() == hashlib.sha256(b"abcdef").hexdigest() == sha256_file(path)
    assert path.read_bytes() == b"abcdef"


def test_a_system_that_takes_a_part_gets_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.writev
    monkeypatch.setattr(os, "writev", lambda fd, parts: really(fd, [parts[0][:3]]))
    with HashingFile(tmp_path / "file") as file:
        file.append(b"abcd", b"", memoryview(b"efghij"), b"k")
        assert (file.size, file.hexdigest()) == (11, hashlib.sha256(b"abcdefghijk").hexdigest())
    assert (tmp_path / "file").read_bytes() == b"abcdefghijk"


def test_an_interrupted_write_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.json"
    write_atomic(path, b"old")

    def dies(descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", dies)
        with pytest.raises(KeyboardInterrupt):
            write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    write_atomic(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_one_writer_a_directory(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from remote.workloads.durable import exclusive\n"
        "with exclusive(Path(sys.argv[1])): print('in')"
    )
    root = tmp_path / "out"
    command = [sys.executable, "-c", code, str(root)]
    with exclusive(root):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "OutputBusy" in refused.stderr
        with pytest.raises(OutputBusy, match="Another process"), exclusive(root):
            pass
        (root / "file").touch()
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "in\n"


def test_a_directory_made_for_nothing_is_removed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), exclusive(tmp_path / "new"):
        raise RuntimeError
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with exclusive(tmp_path / "old"):
        pass
    assert (tmp_path / "old").exists()


def test_the_systems_refusals_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResultsUnusable, match="Not a directory"):
        write_atomic(tmp_path / "file" / "x", b"")
    with pytest.raises(ResultsUnusable), exclusive(tmp_path / "file"):
        pass
    with pytest.raises(DiskTooSmall, match="--resume"), writing_errors(tmp_path):
        raise OSError(errno.ENOSPC, "full")


def test_a_digest_of_settings_does_not_depend_on_their_order() -> None:
    assert canonical_digest({"a": 1, "b": [1.5]}) == canonical_digest({"b": [1.5], "a": 1})
    assert canonical_digest({"a": 1}) != canonical_digest({"a": 2})
