"""What is copied while a run goes on: finished files, once, and again where they change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from remote.results.claim import prepare
from remote.results.files import Entry, Kind, LocalRunFiles
from remote.results.kept import Kept, kept_copies
from remote.run import early
from remote.run.early import Early, looks_finished


class Older(LocalRunFiles):
    """A host on which everything was written a minute ago, but for what is called `fresh`."""

    def walk(self) -> Iterator[Entry]:
        for entry in super().walk():
            yield entry if "fresh" in entry.path else replace(entry, listed=entry.changed + 60)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    prepare(tmp_path / "results")
    with kept_copies("nb_20250423_143022", tmp_path / "results") as held:
        assert held is not None
        yield held


@pytest.fixture
def output(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "output"
    path.mkdir(parents=True)
    return path


def names(kept: Kept) -> list[str]:
    return sorted(path.name for path in kept.directory.iterdir())


@pytest.mark.parametrize(
    ("path", "age", "finished"),
    [
        ("output/a", 5, True),
        ("output/a", 4, False),
        ("output/a", -100, False),
        ("output/deep/a.parquet", 60, True),
        ("output/.a.partial", 60, False),
        ("output/.cache/a", 60, False),
        ("output/a.PART", 60, False),
        ("output/a.tmp", 60, False),
        ("output/a~", 60, False),
        ("kernel.log", 60, False),
        ("executed.ipynb", 60, False),
    ],
)
def test_what_looks_finished(path: str, age: int, finished: bool) -> None:
    assert looks_finished(Entry(path, Kind.FILE, 1, changed=1000, listed=1000 + age)) is finished


def test_each_file_is_copied_once_and_again_when_it_changed(
    tmp_path: Path, output: Path, kept: Kept
) -> None:
    (output / "a").write_bytes(b"a" * 100)
    (output / "fresh").write_bytes(b"f")
    (output / "link").symlink_to("/etc/passwd")
    work = Early(Older(tmp_path / "run"), kept, threading.Event())
    wanted = work.look()
    assert [one.target for one in wanted] == ["a"]
    work.copy(wanted)
    assert work.look() == []
    first = names(kept)
    assert len(first) == 1
    (output / "a").write_bytes(b"b" * 101)
    wanted = work.look()
    assert names(kept) == []
    work.copy(wanted)
    assert len(names(kept)) == 1
    assert names(kept) != first
    (output / "a").unlink()
    assert work.look() == []
    assert names(kept) == []


def test_copies_of_an_earlier_controller_are_used_and_the_rest_removed(
    tmp_path: Path, output: Path, kept: Kept
) -> None:
    for name in ("a", "b"):
        (output / name).write_bytes(name.encode() * 100)
    files = Older(tmp_path / "run")
    before = Early(files, kept, threading.Event())
    before.copy(before.look())
    (output / "b").write_bytes(b"c" * 100)
    with kept_copies("nb_20250423_143022", tmp_path / "results") as second:
        assert second is None
    again = Kept(kept.directory, kept._descriptor)
    assert [one.target for one in Early(files, again, threading.Event()).look()] == ["b"]
    assert len(names(kept)) == 1


def test_a_disk_that_gets_full_takes_no_copies(
    tmp_path: Path, output: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "KEPT_FREE_BYTES", 1 << 60)
    (output / "a").write_bytes(b"a")
    work = Early(Older(tmp_path / "run"), kept, threading.Event())
    work.copy(work.look())
    assert names(kept) == []


def test_a_copy_that_is_under_way_ends_with_the_run(
    tmp_path: Path, output: Path, kept: Kept
) -> None:
    (output / "a").write_bytes(bytes(5_000_000))
    over = threading.Event()
    work = Early(Older(tmp_path / "run"), kept, over)
    wanted = work.look()
    over.set()
    with pytest.raises(early._Over):
        work.copy(wanted)
    assert names(kept) == []
