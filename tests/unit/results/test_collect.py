from __future__ import annotations

import hashlib
import io
import os
import socket
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import ResultsUnusable
from remote.results.admit import Caps, LeftOut, admit, path_fault
from remote.results.collect import collect
from remote.results.files import Entry, Kind, LocalRunFiles, Opened, Readable, Refused
from tests.unit.results.making import FILES, collect_run, make_run


@dataclass
class ScriptedFiles:
    """A host that lists one thing and serves another."""

    listed: list[Entry]
    served: dict[str, bytes] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()

    def walk(self) -> Iterator[Entry]:
        yield from self.listed

    def open_each(self, entries: Sequence[Entry]) -> Opened:
        for entry in entries:
            yield self.opened(entry.path)

    def opened(self, path: str) -> Readable | Refused:
        if path not in self.served:
            return Refused("is gone")
        return Failing() if path in self.failing else io.BytesIO(self.served[path])

    def digests(self, entries: Sequence[Entry]) -> Generator[str | None, None, None]:
        for entry in entries:
            served = self.served.get(entry.path)
            yield None if served is None else hashlib.sha256(served).hexdigest()


class Failing:
    """A file on a bad disk."""

    def read(self, size: int) -> bytes:
        raise OSError(5, "Input/output error")


def empty(tmp_path: Path) -> Path:
    destination = tmp_path / "staged"
    destination.mkdir()
    return destination


def reasons(left_out: tuple[LeftOut, ...]) -> dict[str, str]:
    return {one.path: one.reason for one in left_out}


def test_everything_a_run_wrote_lies_at_the_root(tmp_path: Path) -> None:
    collected, destination = collect_run(tmp_path)
    expected = {path.removeprefix("output/"): content for path, content in FILES.items()}
    assert collected.left_out == ()
    assert set(collected.digests) == set(expected)
    for path, content in expected.items():
        assert (destination / path).read_bytes() == content
        assert (destination / path).stat().st_mode & 0o7777 == 0o444
        assert collected.digests[path].sha256 == hashlib.sha256(content).hexdigest()
        assert collected.digests[path].size_bytes == len(content)


def test_only_the_run_itself_is_looked_at(tmp_path: Path) -> None:
    files = {"run.json": b"{}", "outcome.json": b"{}", "workspace/x": b"x", "output/a": b"a"}
    collected, _ = collect_run(tmp_path, files)
    assert set(collected.digests) == {"a"}


def test_a_large_file_passes_through_both_threads(tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 5 + b"tail"
    seen: list[tuple[int, int]] = []
    run = make_run(tmp_path / "run", {"output/large": content})
    destination = empty(tmp_path)
    collected = collect(run, destination, progress=lambda done, total: seen.append((done, total)))
    assert collected.digests["large"].sha256 == hashlib.sha256(content).hexdigest()
    assert (destination / "large").read_bytes() == content
    assert seen[-1] == (len(content), len(content))
    assert len(seen) == 6


def test_what_is_no_regular_file_is_left_out_and_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    output = tmp_path / "run" / "output"
    (output / "link").symlink_to("/etc/passwd")
    (output / "folder_link").symlink_to("/etc")
    os.mkfifo(output / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(output / "socket"))
    collected = collect(run, empty(tmp_path))
    assert reasons(collected.left_out) == {
        "link": "is a symbolic link",
        "folder_link": "is a symbolic link",
        "fifo": "is a FIFO",
        "socket": "is a socket",
    }
    assert len(collected.digests) == len(FILES)


def test_a_device_is_left_out() -> None:
    taken, left_out = admit([Entry("output/null", Kind.DEVICE)], Caps())
    assert not taken
    assert reasons(left_out) == {"null": "is a device"}


@pytest.mark.parametrize("name", ["executed.ipynb", "kernel.log", "events.jsonl"])
def test_a_system_file_that_is_a_link_is_left_out(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "run", {"output/a": b"a"})
    (tmp_path / "run" / name).symlink_to("/etc/passwd")
    collected = collect(run, empty(tmp_path))
    assert reasons(collected.left_out) == {name: "is a symbolic link"}


def test_an_output_that_is_a_link_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "output").symlink_to("/etc")
    collected = collect(LocalRunFiles(tmp_path / "run"), empty(tmp_path))
    assert collected.digests == {}
    assert reasons(collected.left_out) == {"output": "is a symbolic link"}


@pytest.mark.parametrize(
    "name",
    [
        "executed.ipynb",
        "kernel.log",
        "events.jsonl",
        "run.json",
        "manifest-sha256.txt",
        "ro-crate-metadata.json",
        "outcome.json",
        "RUN.json",
        "run.json/inside",
    ],
)
def test_a_workload_cannot_take_the_systems_names(tmp_path: Path, name: str) -> None:
    files = {"executed.ipynb": b"ours", f"output/{name}": b"theirs", "output/sub/run.json": b"fine"}
    collected, destination = collect_run(tmp_path, files)
    assert set(collected.digests) == {"executed.ipynb", "sub/run.json"}
    assert (destination / "executed.ipynb").read_bytes() == b"ours"
    assert "kept for the system's own" in reasons(collected.left_out)[name]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("output/..", "refused"),
        ("output/.", "refused"),
        ("output/a/../../b", "refused"),
        ("output//etc/passwd", "refused"),
        ("output/a//b", "refused"),
        ("output/", "refused"),
        ("output/a\0b", "control"),
        ("output/a\nb", "control"),
        ("output/a\x85b", "control"),
        ("output/a\u2028b", "control"),
        ("output/a\udcff", "not UTF-8"),
        ("output/" + "x" * 256, "longer than 255"),
        ("output/" + "x/" * 500 + "x", "longer than 900"),
        ("/etc/passwd", "no file of the run's output"),
        ("elsewhere", "no file of the run's output"),
        ("output", "is a regular file"),
    ],
)
def test_hostile_paths_are_refused(tmp_path: Path, path: str, reason: str) -> None:
    files = ScriptedFiles([Entry(path, Kind.FILE, 1), Entry("output/good", Kind.FILE, 1)])
    files.served = {path: b"x", "output/good": b"g"}
    destination = empty(tmp_path)
    collected = collect(files, destination)
    assert set(collected.digests) == {"good"}
    assert [child.name for child in destination.iterdir()] == ["good"]
    (left,) = collected.left_out
    assert reason in left.reason
    assert left.path.isprintable()


def test_odd_bytes_in_a_real_name_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", {"output/a": b"a"})
    raw = os.fsencode(tmp_path / "run" / "output")
    for name in (b"\xff.bin", b"line\nfeed"):
        (Path(os.fsdecode(raw)) / os.fsdecode(name)).write_bytes(b"x")
    collected = collect(run, empty(tmp_path))
    assert reasons(collected.left_out) == {
        "\\udcff.bin": "the name is not UTF-8",
        "line\\nfeed": "the name holds control characters",
    }


def test_twins_that_some_file_systems_take_for_one(tmp_path: Path) -> None:
    files = {
        "output/Plot.png": b"1",
        "output/plot.PNG": b"2",
        "output/caf\u00e9": b"3",
        "output/cafe\u0301": b"4",
        "output/Data/a": b"5",
        "output/data/b": b"6",
        "output/straße": b"7",
        "output/STRASSE": b"8",
    }
    collected, _ = collect_run(tmp_path, files)
    assert set(collected.digests) == {"Plot.png", "cafe\u0301", "Data/a", "STRASSE"}
    found = reasons(collected.left_out)
    assert set(found) == {"plot.PNG", "caf\u00e9", "data/b", "straße"}
    assert found["plot.PNG"].endswith("the same name as Plot.png")


def test_hard_links_among_the_outputs_are_copied_others_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", {"output/a": b"inside", "output/c": b"c"})
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    os.link(tmp_path / "run/output/a", tmp_path / "run/output/b")
    os.link(secret, tmp_path / "run/output/stolen")
    collected = collect(run, empty(tmp_path))
    assert set(collected.digests) == {"a", "b", "c"}
    assert "1 more name(s)" in reasons(collected.left_out)["stolen"]


def test_what_goes_past_the_caps_is_left_out(tmp_path: Path) -> None:
    listed = [
        Entry(f"output/{name}", Kind.FILE, size)
        for name, size in zip("abcd", (4, 9, 3, 1), strict=True)
    ]
    served = {entry.path: b"x" * entry.size_bytes for entry in listed}
    collected = collect(
        ScriptedFiles(listed, served), empty(tmp_path), Caps(total_bytes=8, files=2)
    )
    assert set(collected.digests) == {"a", "c"}
    assert reasons(collected.left_out) == {
        "b": "the run's files go past 8 bytes",
        "d": "the run has more than 2 files",
    }


def test_a_disk_that_is_too_small_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    destination = empty(tmp_path)
    files = ScriptedFiles([Entry("output/a", Kind.FILE, 1), Entry("output/b", Kind.FILE, 1 << 60)])
    with pytest.raises(ResultsUnusable, match="has room for"):
        collect(files, destination, Caps(total_bytes=1 << 61))
    assert list(destination.iterdir()) == []


def test_files_that_change_meanwhile_are_left_out(tmp_path: Path) -> None:
    listed = [Entry(f"output/{name}", Kind.FILE, 4) for name in ("cut", "gone", "good", "grown")]
    listed.append(Entry("output/sick", Kind.FILE, 4))
    served = {
        "output/cut": b"12",
        "output/good": b"1234",
        "output/grown": b"12345",
        "output/sick": b"1234",
    }
    destination = empty(tmp_path)
    collected = collect(ScriptedFiles(listed, served, frozenset({"output/sick"})), destination)
    assert set(collected.digests) == {"good"}
    assert [child.name for child in destination.iterdir()] == ["good"]
    assert reasons(collected.left_out) == {
        "cut": "was cut from 4 to 2 bytes while it was collected",
        "gone": "is gone",
        "grown": "grew past its 4 bytes while it was collected",
        "sick": "cannot be read: Input/output error",
    }


def test_a_log_that_grows_is_collected_as_listed(tmp_path: Path) -> None:
    files = ScriptedFiles([Entry("kernel.log", Kind.FILE, 4)], {"kernel.log": b"123456"})
    destination = empty(tmp_path)
    assert collect(files, destination).left_out == ()
    assert (destination / "kernel.log").read_bytes() == b"1234"


def test_an_endless_file_ends_at_its_listed_size(tmp_path: Path) -> None:
    class Endless(ScriptedFiles):
        def open_each(self, entries: Sequence[Entry]) -> Opened:
            for _ in entries:
                with open("/dev/zero", "rb", buffering=0) as zeros:  # noqa: PTH123
                    yield zeros

    destination = empty(tmp_path)
    collected = collect(Endless([Entry("output/a", Kind.FILE, 3 << 20)]), destination)
    assert "grew past" in reasons(collected.left_out)["a"]
    assert list(destination.iterdir()) == []


@pytest.mark.parametrize("replacement", ["link", "fifo", "directory", "folder link", "nothing"])
def test_a_file_replaced_after_it_was_listed_leads_nowhere(
    tmp_path: Path, replacement: str
) -> None:
    class Replaced(LocalRunFiles):
        def walk(self) -> Iterator[Entry]:
            yield from list(super().walk())
            _replace(self.directory / "output/sub/a", replacement)

    make_run(tmp_path / "run", {"output/sub/a": b"four", "output/b": b"b"})
    collected = collect(Replaced(tmp_path / "run"), empty(tmp_path))
    assert set(collected.digests) == {"b"}
    assert set(reasons(collected.left_out)) == {"sub/a"}


def _replace(victim: Path, replacement: str) -> None:
    victim.unlink()
    if replacement == "link":
        victim.symlink_to("/etc/hostname")
    if replacement == "fifo":
        os.mkfifo(victim)
    if replacement == "directory":
        victim.mkdir()
    if replacement == "folder link":
        elsewhere = victim.parents[3] / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "a").write_bytes(b"evil")
        victim.parent.rmdir()
        victim.parent.symlink_to(elsewhere)


def test_nesting_without_end_is_cut(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", {"output/" + "d/" * 70 + "deep": b"x", "output/a": b"a"})
    collected = collect(run, empty(tmp_path))
    assert set(collected.digests) == {"a"}
    (left,) = collected.left_out
    assert "nested deeper" in left.reason


def test_a_destination_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    destination = empty(tmp_path)
    (destination / "old").write_bytes(b"old")
    with pytest.raises(ResultsUnusable, match="not empty"):
        collect(make_run(tmp_path / "run"), destination)
    assert [child.name for child in destination.iterdir()] == ["old"]


def test_a_run_that_is_gone_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsUnusable, match="run's directory"):
        collect(LocalRunFiles(tmp_path / "gone"), empty(tmp_path))


def test_a_missing_destination_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsUnusable, match="cannot be written"):
        collect(make_run(tmp_path / "run"), tmp_path / "nowhere")


names = st.text(
    alphabet=st.sampled_from(
        ["a", "A", "\u00e9", "e", "\u0301", "/", ".", "\0", "\n", "\udcff", "ß", "S"]
    ),
    max_size=6,
)
entries = st.builds(
    Entry,
    names.map(lambda name: f"output/{name}"),
    st.sampled_from(Kind),
    st.integers(0, 100),
)


@given(st.lists(entries, max_size=12))
def test_each_entry_is_taken_or_named_and_what_is_taken_is_safe(listed: list[Entry]) -> None:
    taken, left_out = admit(listed, Caps())
    assert len(taken) + len(left_out) == len(listed)
    for one in taken:
        assert one.entry.kind is Kind.FILE
        assert path_fault(one.target) == ""
        assert not Path(one.target).is_absolute()
        assert ".." not in Path(one.target).parts
    assert all(one.path.isprintable() for one in left_out)


def test_a_path_that_is_listed_twice_is_taken_once() -> None:
    twice = [Entry("output/A", Kind.FILE, 1), Entry("output/A", Kind.FILE, 0)]
    taken, left_out = admit(twice, Caps())
    assert [one.entry.size_bytes for one in taken] == [0]
    assert [str(one) for one in left_out] == ["A: it is listed twice"]


@given(st.lists(entries, max_size=12))
def test_the_order_of_the_listing_does_not_matter(listed: list[Entry]) -> None:
    assert admit(listed, Caps())[0] == admit(list(reversed(listed)), Caps())[0]
