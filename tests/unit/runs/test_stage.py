"""Staging on this machine: names kept, digests remembered as long as they hold."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from remote.errors import InputUnusable
from remote.model import Parameter
from remote.run.stage import stage, value_in_run
from tests.unit.runs.fakes import fake_host


def given(path: Path, seen: str | None = None) -> tuple[Parameter, ...]:
    return (Parameter("data", str(path), "-p", "input_path", seen),)


def test_the_run_sees_the_name_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "real.bin").write_bytes(b"x")
    (tmp_path / "given.bin").symlink_to(tmp_path / "real.bin")
    parameters = given(tmp_path / "given.bin", "given.bin")
    staged = stage(fake_host(tmp_path / "s"), parameters, lambda _: None)
    (item,) = staged.inputs
    assert item.path_in_run == Path("/inputs/data/given.bin")
    assert item.path_seen == Path("given.bin")
    assert (item.sha256, item.size_bytes) == (hashlib.sha256(b"x").hexdigest(), 1)
    assert value_in_run(parameters[0], staged) == "/inputs/data/given.bin"


def test_empty_paths_and_plain_values_stay(tmp_path: Path) -> None:
    parameters = (Parameter("data", "", "default", "input_path"), Parameter("n", 7, "-p"))
    staged = stage(fake_host(tmp_path), parameters, lambda _: None)
    assert staged.inputs == ()
    assert [value_in_run(parameter, staged) for parameter in parameters] == ["", 7]


def test_a_digest_is_remembered_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKHORSE_HOME", str(tmp_path / "s"))
    host = fake_host(tmp_path / "s")
    path = tmp_path / "f"
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    first = stage(host, given(path), lambda _: None).inputs[0].sha256
    (record,) = (tmp_path / "s/cache/inputs").iterdir()
    remembered = record.read_text()
    record.write_text(remembered.replace(first, "f" * 64))
    assert stage(host, given(path), lambda _: None).inputs[0].sha256 == "f" * 64
    path.write_bytes(b"two")  # same size, same inode; another time
    digest = stage(host, given(path), lambda _: None).inputs[0].sha256
    assert digest == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo"])
def test_what_went_away_since_it_was_checked(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(InputUnusable, match="data"):
        stage(fake_host(tmp_path / "s"), given(path), lambda _: None)
