"""What both transports promise of a host's files; nothing here knows which one it is."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from remote.errors import HostUnreachable
from remote.hosts.command import CommandFailed
from remote.hosts.connect import connect
from remote.hosts.local import LocalTransport
from remote.hosts.ssh import transport as over_ssh
from remote.hosts.ssh.transport import SshTransport
from remote.hosts.transport import Transport
from remote.results.files import Entry, Kind, Refused
from tests.contract.cells import Cell
from tests.lab.host import LabHost

pytestmark = pytest.mark.integration

CASES = (
    pytest.param("local", id="local"),
    pytest.param("ssh", id="ssh", marks=pytest.mark.ssh),
)


@pytest.fixture(params=CASES)
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    if request.param == "local":
        yield LocalTransport()
        return
    cell: Cell = request.getfixturevalue("ssh_cell")
    with connect(cell.config) as host:
        yield host.transport


@pytest.fixture
def folder(transport: Transport) -> Iterator[Path]:
    """An empty directory on the host."""
    path = Path(transport.run(["mktemp", "-d"], timeout=10).stdout.strip())
    yield path
    transport.remove(path)


def shell(transport: Transport, folder: Path, script: str) -> str:
    argv = ["sh", "-c", f'cd "$1" && {script}', "sh", str(folder)]
    return transport.run(argv, timeout=10).stdout


def test_pieces_of_a_file_and_its_absence(transport: Transport, folder: Path) -> None:
    path = folder / "ä ' name"
    assert transport.read(path) is None
    assert transport.status(path) is None
    transport.write(path, b"0123456789")
    transport.write(path, b"9876543210")
    assert transport.read(path, 4, 3) == b"543"
    assert transport.read(path, 10) == b""
    status = transport.status(path)
    assert status is not None
    assert (status.size_bytes, status.uid) == (10, transport.user.uid)
    assert shell(transport, folder, "ls -A") == "ä ' name\n"


def test_much_is_written_and_read_whole(transport: Transport, folder: Path) -> None:
    data = bytes(range(256)) * 20_000
    transport.write(folder / "f", data)
    assert transport.read(folder / "f") == data


def test_what_is_no_regular_file_is_not_read(transport: Transport, folder: Path) -> None:
    shell(transport, folder, "echo secret > s; ln -s s link; mkfifo pipe; mkdir d")
    for name in ("link", "pipe", "d"):
        assert transport.read(folder / name) is None


def test_exclusive_directories_are_made_once(transport: Transport, folder: Path) -> None:
    path = folder / "runs" / "a"
    transport.make_directory(path, exclusive=True)
    status = transport.status(path)
    assert status is not None
    assert status.mode & 0o777 == 0o700
    transport.make_directory(path)
    with pytest.raises(FileExistsError):
        transport.make_directory(path, exclusive=True)


def test_names_are_directories_alone(transport: Transport, folder: Path) -> None:
    assert transport.names(folder / "none") == ()
    shell(transport, folder, "mkdir b a; touch file; ln -s a link-to-file")
    assert [name for name in transport.names(folder) if "link" not in name] == ["a", "b"]


def test_closed_directories_are_removed_too(transport: Transport, folder: Path) -> None:
    script = "mkdir -p run/a/b outside; touch run/a/b/f; ln -s ../../outside run/a/b/link"
    shell(transport, folder, f"{script}; chmod 500 run/a/b run/a run")
    transport.remove(folder / "run")
    transport.remove(folder / "run")
    assert transport.names(folder) == ("outside",)


def test_files_are_discarded(transport: Transport, folder: Path) -> None:
    transport.write(folder / "f", b"")
    transport.discard(folder / "f")
    transport.discard(folder / "f")
    assert transport.read(folder / "f") is None


def test_free_disk_is_told_for_what_is_not_there_yet(transport: Transport, folder: Path) -> None:
    assert transport.free_bytes(folder / "x" / "y") > 1 << 20


def test_a_lock_is_held_by_one_at_a_time(transport: Transport, folder: Path) -> None:
    waited = threading.Event()
    order: list[str] = []

    def second() -> None:
        with transport.lock(folder / "l", waited.set):
            order.append("second")

    with transport.lock(folder / "l"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_command_that_fails_says_how(transport: Transport) -> None:
    with pytest.raises(CommandFailed) as caught:
        transport.run(["sh", "-c", "echo why >&2; exit 7"], timeout=10)
    assert (caught.value.completed.returncode, caught.value.completed.stderr) == (7, "why\n")


def test_the_files_of_a_run(transport: Transport, folder: Path) -> None:
    shell(
        transport,
        folder,
        "mkdir -p output/sub; printf log > kernel.log; printf hidden > run.json;"
        "printf 123 > output/sub/a; ln output/sub/a output/b; ln -s a output/sub/link;"
        "mkfifo output/pipe; head -c 3000000 /dev/zero > output/large; : > output/täxt",
    )
    files = transport.files(folder)
    found = {entry.path: entry for entry in files.walk()}
    kinds = {path: entry.kind for path, entry in found.items()}
    assert kinds == {
        "kernel.log": Kind.FILE,
        "output/sub/a": Kind.FILE,
        "output/b": Kind.FILE,
        "output/sub/link": Kind.LINK,
        "output/pipe": Kind.FIFO,
        "output/large": Kind.FILE,
        "output/täxt": Kind.FILE,
    }
    assert found["output/sub/a"].links == 2
    assert found["output/sub/a"].identity == found["output/b"].identity
    sizes = {}
    read = [found[path] for path in ("kernel.log", "output/sub/a", "output/large", "output/täxt")]
    for entry, file in zip(read, files.open_each(read), strict=True):
        assert not isinstance(file, Refused)
        sizes[entry.path] = sum(map(len, iter(partial(file.read, 1 << 20), b"")))
    assert sizes == {path: found[path].size_bytes for path in sizes}
    assert sizes["output/large"] == 3_000_000
    assert list(files.digests(read)) == [
        hashlib.sha256(data).hexdigest() for data in (b"log", b"123", bytes(3_000_000), b"")
    ]
    assert 0 <= found["output/large"].listed - found["output/large"].changed < 60


def test_what_is_read_leads_nowhere_else_and_stops_nothing(
    transport: Transport, folder: Path
) -> None:
    """A run that goes on may put anything in the place of what was listed."""
    shell(
        transport,
        folder,
        "mkdir -p output/sub elsewhere; printf secret > elsewhere/a; ln -s a output/link;"
        "ln -s ../elsewhere output/folder; mkfifo output/pipe; printf 12345 > output/grown;"
        "printf good > output/sub/good; printf 1 > output/closed; chmod 0 output/closed",
    )
    names = ["link", "folder/a", "pipe", "gone", "grown", "none/x", "sub/good", "sub"]
    listed = [Entry(f"output/{name}", Kind.FILE, 4) for name in names]
    files = transport.files(folder)
    found = {}
    for entry, file in zip(listed, files.open_each(listed), strict=True):
        found[entry.path] = file if isinstance(file, Refused) else file.read(4)
    assert found.pop("output/sub/good") == b"good"
    assert found.pop("output/grown") == b"1234"
    assert all(isinstance(refusal, Refused) for refusal in found.values()), found
    digests = dict(zip(names, files.digests(listed), strict=True))
    assert {name for name, digest in digests.items() if digest} == {"grown", "sub/good"}


@pytest.mark.ssh
def test_a_lock_is_free_when_its_holder_falls_silent(
    ssh_cell: Cell, lab_host: LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link of a controller is cut while it holds a lock; another one gets it."""
    monkeypatch.setattr(over_ssh, "_LOCK_SILENCE_SECONDS", 2)
    monkeypatch.setattr(over_ssh, "_BEAT_SECONDS", 0.5)
    monkeypatch.setattr("remote.hosts.ssh.link.SILENCE_SECONDS", 3)
    monkeypatch.setattr("remote.hosts.ssh.link.PROBE_SECONDS", 0.5)

    def hold_while_cut() -> None:
        with connect(ssh_cell.config) as host:
            path = host.layout.root / "locks" / "silent.lock"
            with host.transport.lock(path), lab_host.link_cut():
                host.transport.run(["sleep", "60"], timeout=60)

    with pytest.raises(HostUnreachable, match="nothing heard"):
        hold_while_cut()
    with connect(ssh_cell.config) as host:
        assert isinstance(host.transport, SshTransport)
        with host.transport.lock(host.layout.root / "locks" / "silent.lock"):
            pass
