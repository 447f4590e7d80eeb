"""Results of earlier runs on the second host: kept by the run that made them, or sent once; never
believed unread."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from remote.errors import DiskTooSmall, HostUnreachable, IntegrityFailure
from remote.hosts.connect import Host, connect
from remote.hosts.ssh.transport import SshTransport
from remote.hosts.stores import scripts as result_scripts
from remote.hosts.stores.results import Copy, ResultStore
from remote.model import Message, Notice, Project, RunState, SealedRun, StepStarted
from remote.results import manifest
from remote.results.manifest import Sealed
from remote.run import runs
from tests.contract.cells import Cell, Heard, now, written
from tests.contract.conftest import open_cell
from tests.lab.host import LabHost

pytestmark = [pytest.mark.integration, pytest.mark.ssh]

COUNT = 150  # files of `writes`, 2.9 MB together


@pytest.fixture
def nothing_kept(ssh_cell: Cell) -> Iterator[None]:
    """No test finds what another one left."""
    remove_copies(ssh_cell)
    yield
    remove_copies(ssh_cell)


def remove_copies(cell: Cell) -> None:
    with connect(cell.config) as host:
        host.transport.remove(host.layout.results)


@pytest.fixture
def host(ssh_cell: Cell, nothing_kept: None) -> Iterator[Host]:
    with connect(ssh_cell.config) as opened:
        yield opened


@pytest.fixture
def first(ssh_cell: Cell, host: Host) -> SealedRun:
    """A run that succeeded on the host, which keeps its files."""
    return ssh_cell.run("writes", text="first", count=COUNT)


@dataclass
class Provided:
    """What became of asking for a copy."""

    copy: Copy
    sent_bytes: int
    damaged: list[Path] = field(default_factory=list)
    progress: list[tuple[int, int]] = field(default_factory=list)


def provide(host: Host, folder: Path) -> Provided:
    assert isinstance(host.transport, SshTransport)
    damaged: list[Path] = []
    progress: list[tuple[int, int]] = []
    store = ResultStore(host.transport, host.layout)
    before = host.transport.link.sent_bytes
    copy = store.provide(
        manifest.read(folder), lambda *figures: progress.append(figures), damaged.append
    )
    sent = host.transport.link.sent_bytes - before
    return Provided(copy, sent, damaged, progress)


def shell(host: Host, folder: Path, script: str, *more: str) -> str:
    argv = ["sh", "-c", f'cd "$1" && {script}', "sh", str(folder), *more]
    return host.transport.run(argv, timeout=20).stdout


def assert_equal(host: Host, copy: Path, folder: Path) -> None:
    """Every byte and name as in the sealed folder, and all of it read-only."""
    shell(host, copy, "sha256sum --check --quiet manifest-sha256.txt")
    found = shell(host, copy, r"find . -type f -printf '%P\0%m\0'").split("\0")[:-1]
    modes = dict(zip(found[::2], found[1::2], strict=True))
    here = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(modes) == here
    assert set(modes.values()) == {"444"}
    assert set(shell(host, copy, "find . -type d -printf '%m '").split()) == {"555"}
    sent = host.transport.read(copy / "manifest-sha256.txt")
    assert sent == (folder / "manifest-sha256.txt").read_bytes()


def test_the_host_keeps_what_a_run_made(ssh_cell: Cell, host: Host, first: SealedRun) -> None:
    provided = provide(host, first.path)
    assert provided.copy.taken_from == "host"
    assert provided.sent_bytes < 30_000
    assert (provided.progress, provided.damaged) == ([], [])
    digest = manifest.read(first.path).sha256
    assert provided.copy.path == host.layout.root / "results" / digest[:32] / first.id
    assert_equal(host, provided.copy.path, first.path)
    assert host.transport.names(host.layout.runs) == ()
    assert host.transport.names(host.layout.results / ".partial") == ()


def test_an_unchanged_copy_costs_one_listing(host: Host, first: SealedRun) -> None:
    """Its bytes are not read again: a record that vouches for other bytes is believed."""
    copy = provide(host, first.path).copy.path
    shell(host, copy, "chmod u+w täxt.txt; printf other > täxt.txt")
    listed = host.transport.run(result_scripts.listing(copy), timeout=10).stdout.encode()
    record = {"listing_sha256": hashlib.sha256(listed).hexdigest()}
    host.transport.write(copy.parent / f".{first.id}.json", json.dumps(record).encode())
    again = provide(host, first.path)
    assert (again.copy, again.damaged) == (Copy(copy, "host"), [])
    assert again.sent_bytes < 6_000


def test_what_was_left_out_is_not_kept(ssh_cell: Cell, host: Host) -> None:
    run = ssh_cell.launch(host, "waits")
    ssh_cell.started(host, run.directory)
    script = (
        "ln -s /etc/passwd link; mkfifo pipe; mkdir -p closed/in; printf x > closed/in/f;"
        "printf y > hidden; chmod 0 hidden; printf '%s' z > 'odd \\ name'; chmod 500 closed/in"
    )
    shell(host, run.directory / "output", script)
    ssh_cell.go_on(host, run.directory)
    sealed = runs.attach(host, run.id, ssh_cell.project.root / "results", Heard(), clock=now)
    assert {"link", "pipe"} <= set(sealed.left_out)
    assert (sealed.path / "closed/in/f").read_text() == "x"
    provided = provide(host, sealed.path)
    assert provided.copy.taken_from == "host"
    assert_equal(host, provided.copy.path, sealed.path)


def test_a_run_that_failed_is_not_kept(ssh_cell: Cell, host: Host) -> None:
    failed = ssh_cell.run("fails")
    assert host.transport.names(host.layout.results) == ()
    provided = provide(host, failed.path)
    assert provided.copy.taken_from == "sent"
    assert_equal(host, provided.copy.path, failed.path)


def test_a_copy_that_is_gone_is_sent_once(host: Host, first: SealedRun) -> None:
    host.transport.remove(host.layout.results)
    sent = provide(host, first.path)
    total = sum(path.stat().st_size for path in first.path.rglob("*") if path.is_file())
    assert sent.copy.taken_from == "sent"
    assert sent.sent_bytes > total
    assert sent.progress[-1] == (total, total)
    assert_equal(host, sent.copy.path, first.path)
    again = provide(host, first.path)
    assert (again.copy, again.damaged) == (Copy(sent.copy.path, "host"), [])
    assert again.sent_bytes < 6_000


@pytest.mark.parametrize("used", [False, True], ids=["at first use", "later"])
@pytest.mark.parametrize(
    "script",
    [
        "cd deep/er; chmod u+w 9.bin; printf x | dd of=9.bin conv=notrunc; touch -d @9 9.bin",
        "chmod u+w deep/er; rm deep/er/9.bin",
        "chmod u+w deep; printf x > deep/more",
        "chmod u+w deep/er; ln -sf 8.bin deep/er/9.bin",
    ],
    ids=["changed", "missing", "added", "a link"],
)
def test_a_copy_that_was_touched_is_made_anew(
    host: Host, first: SealedRun, script: str, used: bool
) -> None:
    digest = manifest.read(first.path).sha256
    copy = host.layout.result(digest, first.id)
    if used:
        assert provide(host, first.path).damaged == []
    shell(host, copy, script)
    provided = provide(host, first.path)
    assert provided.damaged == [copy]
    assert provided.copy == Copy(copy, "sent")
    assert_equal(host, copy, first.path)


@pytest.mark.parametrize(
    ("content", "goes_on"),
    [
        (lambda whole: whole[:20_000], True),
        (lambda whole: whole, True),
        (lambda whole: b"x" * len(whole), True),
        (lambda whole: whole + b"x", False),
    ],
    ids=["begun", "whole", "other bytes", "longer"],
)
def test_what_was_begun_is_gone_on_with(
    host: Host, first: SealedRun, content: Callable[[bytes], bytes], goes_on: bool
) -> None:
    host.transport.remove(host.layout.results)
    partial = host.layout.result_partial(manifest.read(first.path).sha256) / first.id
    for name in (f"{number}.bin" for number in range(100, 140)):
        whole = (first.path / "deep" / "er" / name).read_bytes()
        host.transport.make_directory(partial / "deep" / "er")
        host.transport.write(partial / "deep" / "er" / name, content(whole))
    total = sum(path.stat().st_size for path in first.path.rglob("*") if path.is_file())
    provided = provide(host, first.path)
    assert (provided.progress[0][0] > 800_000) == goes_on
    assert provided.progress[-1] == (total, total)
    assert_equal(host, provided.copy.path, first.path)


class Cut(ResultStore):
    """The link goes down when the files are in place and have no name yet."""

    def _publish(self, folder: Path, final: Path, sealed: Sealed) -> None:
        raise HostUnreachable("cut")


def test_files_in_place_without_a_name(host: Host, first: SealedRun) -> None:
    """The run has left `runs/` as a whole; its files are found where the copy is asked for."""
    assert isinstance(host.transport, SshTransport)
    sealed = manifest.read(first.path)
    run = host.layout.run(first.id)
    ours = "run.json manifest-sha256.txt ro-crate-metadata.json"
    script = (
        'mkdir -p "$2" && cp -r . "$2/output" && chmod -R u+w "$2" && cd "$2/output" && '
        f"rm {ours} && mv executed.ipynb kernel.log events.jsonl .."
    )
    copy = host.layout.result(sealed.sha256, first.id)
    shell(host, copy, script, str(run))
    host.transport.remove(host.layout.results)
    with pytest.raises(HostUnreachable):
        Cut(host.transport, host.layout).keep(run, sealed)
    assert host.transport.status(run) is None
    assert host.transport.names(host.layout.results) == (".partial",)
    provided = provide(host, first.path)
    assert provided.progress == []
    assert provided.sent_bytes < 30_000
    assert_equal(host, copy, first.path)


@pytest.mark.usefixtures("nothing_kept")
def test_a_link_that_is_cut_when_the_run_is_sealed(
    ssh_cell: Cell, lab_host: LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is there; when the link is back the host keeps its copy."""
    monkeypatch.setattr("remote.hosts.ssh.link.PROBE_SECONDS", 0.5)
    monkeypatch.setattr("remote.hosts.ssh.link.SILENCE_SECONDS", 3)
    results = ssh_cell.project.root / "results"
    cut = lab_host.link_cut()

    def listener(message: Message) -> None:
        if isinstance(message, StepStarted) and message.step == "keep":
            cut.__enter__()

    with connect(ssh_cell.config) as host:
        run = ssh_cell.launch(host, "writes")
        try:
            with pytest.raises(HostUnreachable, match="the link is down"):
                runs.attach(host, run.id, results, listener, clock=now)
        finally:
            cut.__exit__(None, None, None)
    assert (results / run.id / "run.json").is_file()
    with connect(ssh_cell.config) as again:
        sealed = runs.attach(again, run.id, results, Heard(), clock=now)
        assert sealed.path == results / run.id
        assert again.transport.names(again.layout.runs) == ()
        assert provide(again, sealed.path).copy.taken_from == "host"


def test_a_copy_that_cannot_be_kept_harms_no_run(ssh_cell: Cell, host: Host) -> None:
    host.transport.remove(host.layout.results)
    host.transport.write(host.layout.results, b"in the way")
    heard = Heard()
    sealed = ssh_cell.run("writes", heard)
    host.transport.discard(host.layout.results)
    assert sealed.outcome.state is RunState.SUCCEEDED
    (notice,) = [message.text for message in heard.messages if isinstance(message, Notice)]
    assert f"mini keeps no copy of {sealed.id} for later runs" in notice
    assert host.transport.names(host.layout.runs) == ()


def test_a_folder_that_was_changed_here_is_not_sent(
    host: Host, first: SealedRun, tmp_path: Path
) -> None:
    host.transport.remove(host.layout.results)
    folder = tmp_path / first.id
    shutil.copytree(first.path, folder)
    changed = folder / "deep" / "er" / "9.bin"
    changed.chmod(0o644)
    changed.write_bytes(b"x" * changed.stat().st_size)
    with pytest.raises(IntegrityFailure, match=r"9\.bin is not what was sealed"):
        provide(host, folder)
    digest = manifest.read(folder).sha256
    assert host.transport.status(host.layout.result(digest, first.id)) is None


def test_a_disk_that_is_too_small_is_said_before_anything_is_sent(
    host: Host, first: SealedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.transport.remove(host.layout.results)
    monkeypatch.setattr("remote.hosts.stores.sending.KEPT_BYTES", 1 << 60)
    with pytest.raises(DiskTooSmall, match="the earlier run needs"):
        provide(host, first.path)
    assert host.transport.names(host.layout.results / ".partial") == ()


def test_a_run_of_another_host_is_sent(ssh_cell: Cell, host: Host) -> None:
    """As for a second controller: what the host never had."""
    first = open_cell("local+process", ssh_cell.project).run("writes", text="there")
    for taken_from in ("sent", "host"):
        sealed = ssh_cell.run("looks_back", source=first.id)
        assert sealed.outcome.state is RunState.SUCCEEDED, sealed.outcome.details
        assert written(sealed.path) == {"found.txt": b"there"}
        (parent,) = json.loads((sealed.path / "run.json").read_bytes())["parents"]
        assert (parent["id"], parent["taken_from"]) == (first.id, taken_from)


def test_a_damaged_copy_is_told(ssh_cell: Cell, host: Host, first: SealedRun) -> None:
    copy = host.layout.result(manifest.read(first.path).sha256, first.id)
    shell(host, copy, "chmod u+w täxt.txt; printf other > täxt.txt")
    heard = Heard()
    sealed = ssh_cell.run("looks_back", heard, source="latest:writes")
    assert written(sealed.path) == {"found.txt": b"first"}
    (notice,) = [message.text for message in heard.messages if isinstance(message, Notice)]
    assert notice.startswith(f"mini: {copy} is not what was sealed any more")


def test_shards_are_read_where_they_were_built(
    ssh_cell: Cell, host: Host, shards_project: Project
) -> None:
    """10_build_shards, then 11_read_shards on the same host: nothing but words goes over."""
    assert isinstance(host.transport, SshTransport)
    cell = replace(ssh_cell, project=shards_project)
    results = shards_project.root / "results"
    built = cell.run("10_build_shards", max_spectra=20_000)
    assert built.outcome.state is RunState.SUCCEEDED, built.outcome.details["error"]
    before = host.transport.link.sent_bytes
    run = cell.launch(host, "11_read_shards", shards="latest:10_build_shards")
    sealed = runs.attach(host, run.id, results, Heard(), clock=now)
    sent = host.transport.link.sent_bytes - before
    assert sealed.outcome.state is RunState.SUCCEEDED, sealed.outcome.details["error"]
    (parent,) = json.loads((sealed.path / "run.json").read_bytes())["parents"]
    assert (parent["id"], parent["taken_from"]) == (built.id, "host")
    size = sum(path.stat().st_size for path in built.path.rglob("*.parquet"))
    assert sent < 200_000 < size
    here = open_cell("local+process", shards_project).run("11_read_shards", shards=built.id)
    assert written(here.path) == written(sealed.path)
