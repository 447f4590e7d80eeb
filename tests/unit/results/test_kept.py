"""Copies made early: used where they are what the host has in the end, never otherwise."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from remote.errors import HostUnreachable
from remote.results.admit import Caps, admit
from remote.results.claim import prepare
from remote.results.collect import Collected, collect, fetch
from remote.results.copying import Hasher
from remote.results.files import Entry, LocalRunFiles, Opened
from remote.results.kept import FORGOTTEN_SECONDS, Kept, forget_copies, kept_copies
from remote.results.names import INCOMING
from remote.results.recover import recover
from tests.unit.results.making import make_run, publish

ID = "nb_20250423_143022"
FILES = {
    "kernel.log": b"log",
    "output/a/one": b"1" * 3_000_000,
    "output/two": b"22",
    "output/equal": b"22",
    "output/empty": b"",
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    root = tmp_path / "results"
    prepare(root)
    return root


def copy_all(files: LocalRunFiles, kept: Kept) -> int:
    """What a controller does that watches; gives the number of copies."""
    admitted, _ = admit(files.walk(), Caps())
    with kept.filling(), Hasher() as hasher:
        copies, refused = fetch(
            files, admitted, lambda one, source: kept.copy(one.entry, source, hasher, len_of)
        )
    assert refused == []
    return len(copies)


def len_of(count: int) -> None:
    """Nobody follows the bytes."""


def early(results: Path) -> Path:
    return results / INCOMING / f"{ID}.early"


def collected(files: LocalRunFiles, results: Path, tmp_path: Path) -> tuple[Collected, Path]:
    destination = tmp_path / "staged"
    destination.mkdir()
    with kept_copies(ID, results) as kept:
        assert kept is not None
        done = collect(files, destination, kept=kept)
        kept.discard_offered()
    return done, destination


def assert_same(collected: Collected, destination: Path, files: LocalRunFiles) -> None:
    for target in collected.digests:
        inside = target if target == "kernel.log" else f"output/{target}"
        assert (destination / target).read_bytes() == (files.directory / inside).read_bytes()
        assert (destination / target).stat().st_mode & 0o7777 == 0o444
        assert (destination / target).stat().st_nlink == 1


def test_copies_become_the_result_without_being_copied_again(
    tmp_path: Path, results: Path
) -> None:
    files = make_run(tmp_path / "run", FILES)
    with kept_copies(ID, results) as kept:
        assert kept is not None
        assert copy_all(files, kept) == len(FILES)
    inodes = {path.stat().st_ino for path in early(results).iterdir()}
    assert early(results).stat().st_mode & 0o777 == 0o700
    done, destination = collected(files, results, tmp_path)
    assert done.early_bytes == sum(map(len, FILES.values()))
    assert len(done.digests) == len(FILES)
    assert {p.stat().st_ino for p in destination.rglob("*") if p.is_file()} == inodes
    assert_same(done, destination, files)
    assert [path.name for path in (results / INCOMING).iterdir()] == []


def test_a_file_that_changed_after_it_was_copied_is_copied_again(
    tmp_path: Path, results: Path
) -> None:
    files = make_run(tmp_path / "run", FILES)
    with kept_copies(ID, results) as kept:
        assert kept is not None
        copy_all(files, kept)
    status = (tmp_path / "run/output/a/one").stat()
    (tmp_path / "run/output/a/one").write_bytes(b"2" * 3_000_000)
    os.utime(tmp_path / "run/output/a/one", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "run/output/two").unlink()
    done, destination = collected(files, results, tmp_path)
    assert done.early_bytes == len(b"log" b"22")
    assert set(done.digests) == {"kernel.log", "a/one", "equal", "empty"}
    assert_same(done, destination, files)
    assert list((results / INCOMING).iterdir()) == []


@pytest.mark.parametrize("damage", ["changed", "cut", "link", "gone", "renamed"])
def test_a_copy_that_is_not_what_its_name_says_is_not_used(
    tmp_path: Path, results: Path, damage: str
) -> None:
    files = make_run(tmp_path / "run", FILES)
    with kept_copies(ID, results) as kept:
        assert kept is not None
        copy_all(files, kept)
    large = next(path for path in early(results).iterdir() if path.stat().st_size > 1000)
    large.chmod(0o644)
    if damage == "changed":
        with large.open("r+b") as file:
            file.seek(1_000_000)
            file.write(b"x")
    elif damage == "cut":
        os.truncate(large, 1_000_000)
    elif damage == "renamed":
        large.rename(large.with_name("f" * 64 + ".1"))
    else:
        large.unlink()
    if damage == "link":
        (tmp_path / "same").write_bytes(FILES["output/a/one"])
        large.symlink_to(tmp_path / "same")
    done, destination = collected(files, results, tmp_path)
    assert done.early_bytes == len(b"log" b"2222")
    assert len(done.digests) == len(FILES)
    assert_same(done, destination, files)
    assert list((results / INCOMING).iterdir()) == []


class Cut(LocalRunFiles):
    """A host whose link goes down before the last file."""

    def open_each(self, entries: Sequence[Entry]) -> Opened:
        yield from super().open_each(entries[:-1])
        raise HostUnreachable("the link is down")

    def digests(self, entries: Sequence[Entry]) -> Generator[str | None, None, None]:
        yield from super().digests(entries)


def test_a_collecting_that_is_cut_is_gone_on_with(tmp_path: Path, results: Path) -> None:
    files = make_run(tmp_path / "run", FILES)
    destination = tmp_path / "cut"
    destination.mkdir()
    with pytest.raises(HostUnreachable), kept_copies(ID, results) as kept:
        collect(Cut(tmp_path / "run"), destination, kept=kept)
    assert list(destination.iterdir()) == []
    assert len(list(early(results).iterdir())) == len(FILES) - 1
    assert not list(early(results).glob("*.part"))
    done, destination = collected(files, results, tmp_path)
    assert done.early_bytes == sum(map(len, FILES.values())) - len(b"22")
    assert_same(done, destination, files)


def test_what_was_under_way_and_what_is_none_of_ours_goes(results: Path) -> None:
    early(results).mkdir()
    for name in ("1.part", "note", f"{'a' * 64}.x"):
        (early(results) / name).write_bytes(b"half")
    with kept_copies(ID, results) as kept:
        assert kept is not None
        assert kept.sizes == frozenset()
    assert list((results / INCOMING).iterdir()) == []


def test_one_process_holds_the_copies_at_a_time(results: Path) -> None:
    with kept_copies(ID, results) as kept, kept_copies(ID, results) as second:
        assert kept is not None
        assert second is None
    with kept_copies(ID, results) as again:
        assert again is not None


def test_copies_of_sealed_and_of_forgotten_runs_are_removed(tmp_path: Path, results: Path) -> None:
    sealed = publish(results, tmp_path / "run").name
    incoming = results / INCOMING
    for name in (sealed, "old_20250423_143022", "new_20250423_143022", "held_20200101_000000"):
        (incoming / f"{name}.early").mkdir()
        (incoming / f"{name}.early" / f"{'a' * 64}.1").write_bytes(b"x")
    then = time.time() - FORGOTTEN_SECONDS - 60
    os.utime(incoming / "old_20250423_143022.early", (then, then))
    with kept_copies("held_20200101_000000", results):
        os.utime(incoming / "held_20200101_000000.early", (then, then))
        assert recover(results).claimed == ()
    left = sorted(path.name for path in incoming.glob("*.early"))
    assert left == ["held_20200101_000000.early", "new_20250423_143022.early"]
    forget_copies(results, frozenset({"new_20250423_143022"}))
    assert [path.name for path in incoming.glob("new*")] == []
