"""Data that the second host sees by itself: used where it lies, and shown to be the same file."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from remote.errors import InputUnusable
from remote.hosts.connect import Host, connect
from remote.hosts.ssh.transport import SshTransport
from remote.model import DataFolder, RunState, StagedInput
from remote.run.stage import stage
from tests.contract.cells import Cell
from tests.lab.host import LabHost

pytestmark = [pytest.mark.integration, pytest.mark.ssh]

TEXT = "0123456789" * 300_000
SHA256 = hashlib.sha256(TEXT.encode()).hexdigest()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The folder as this machine sees it; there is one file in it."""
    folder = tmp_path / "share"
    (folder / "day 1").mkdir(parents=True)
    (folder / "day 1" / "data.txt").write_text(TEXT)
    return folder


@pytest.fixture
def cell(ssh_cell: Cell, here: Path) -> Cell:
    """The second host, which has the folder under another name in its user's home."""
    data = (DataFolder(here.parent, Path("/nowhere")), DataFolder(here, Path("~/raw")))
    return replace(ssh_cell, config=replace(ssh_cell.config, data=data))


@pytest.fixture
def host(cell: Cell) -> Iterator[Host]:
    with connect(cell.config) as opened:
        transport = opened.transport
        assert isinstance(transport, SshTransport)
        folder = transport.home / "raw"
        transport.remove(opened.layout.inputs)
        transport.make_directory(folder / "day 1")
        transport.write(folder / "day 1" / "data.txt", TEXT.encode())
        yield opened
        transport.remove(folder)
        transport.remove(opened.layout.cache / "data")


def staged(host: Host, cell: Cell, path: Path) -> tuple[StagedInput, int]:
    """How a file is staged, and how many bytes were sent for it."""
    assert isinstance(host.transport, SshTransport)
    before = host.transport.link.sent_bytes
    (item,) = stage(host, cell.request("reads", data=path).parameters, lambda _: None).inputs
    return item, host.transport.link.sent_bytes - before


def there(host: Host) -> Path:
    assert isinstance(host.transport, SshTransport)
    return host.transport.home / "raw" / "day 1" / "data.txt"


def refused(host: Host, cell: Cell, path: Path) -> InputUnusable:
    with pytest.raises(InputUnusable) as caught:
        staged(host, cell, path)
    assert "take it out" in caught.value.hint
    assert f"{cell.config.data[1].here}: ~/raw" in caught.value.hint
    return caught.value


def test_used_where_it_lies(host: Host, cell: Cell, here: Path) -> None:
    item, sent = staged(host, cell, here / "day 1" / "data.txt")
    assert item.path_on_host == there(host)
    assert (item.sha256, item.size_bytes) == (SHA256, len(TEXT))
    assert sent < 20_000
    sealed = cell.run("reads", data=here / "day 1" / "data.txt")
    assert sealed.outcome.state is RunState.SUCCEEDED, sealed.outcome.details
    seen = json.loads((sealed.path / "seen.json").read_bytes())
    assert seen == {"name": "data.txt", "content": TEXT, "writable": False}
    (record,) = json.loads((sealed.path / "run.json").read_bytes())["inputs"]
    assert record == {
        "parameter": "data",
        "path_seen": str(here / "day 1" / "data.txt"),
        "path_on_host": str(there(host)),
        "path_in_run": "/inputs/data/data.txt",
        "sha256": SHA256,
        "size_bytes": len(TEXT),
    }
    assert host.transport.names(host.layout.inputs) == ()


def test_digested_once_for_as_long_as_it_stays(host: Host, cell: Cell, here: Path) -> None:
    path = here / "day 1" / "data.txt"
    time.sleep(1.1)  # of what was changed this second nothing is remembered
    staged(host, cell, path)
    folder = host.layout.cache / "data"
    (name,) = host.transport.run(["ls", str(folder)], timeout=10).stdout.split()
    record = json.loads(host.transport.read(folder / name) or b"")
    host.transport.write(folder / name, json.dumps({**record, "sha256": "f" * 64}).encode())
    assert staged(host, cell, path)[0].sha256 == "f" * 64
    host.transport.write(folder / name, b'{"stamp": ')
    assert staged(host, cell, path)[0].sha256 == SHA256
    other = TEXT.replace("0", "x").encode()
    host.transport.write(there(host), other)
    assert staged(host, cell, path)[0].sha256 == hashlib.sha256(other).hexdigest()


def test_what_changes_in_this_very_second_is_read_again(host: Host, cell: Cell, here: Path) -> None:
    path = here / "day 1" / "data.txt"
    for letter in "abc":
        script = f'sed -i "s/./{letter}/" "$1"; exec touch -d 2001-01-01 "$1"'
        host.transport.run(["sh", "-c", script, "sh", str(there(host))], timeout=10)
        found = host.transport.run(["sha256sum", str(there(host))], timeout=10).stdout
        assert staged(host, cell, path)[0].sha256 == found.split()[0]


def test_another_size_is_another_file(host: Host, cell: Cell, here: Path) -> None:
    path = here / "day 1" / "data.txt"
    path.write_text("ten bytes.")
    problem = refused(host, cell, path).problem
    assert f"{path} has 10 bytes here" in problem
    assert f"{there(host)} has 3,000,000 bytes on mini" in problem
    assert "the mapping is wrong" in problem
    assert list((cell.project.root / "results").rglob("reads_*.json")) == []


def test_other_bytes_are_another_file_where_ours_are_known(
    host: Host, cell: Cell, ssh_cell: Cell, here: Path
) -> None:
    path = here / "day 1" / "data.txt"
    path.write_text(TEXT.replace("0", "x"))
    stage(host, cell.request("reads", data=path).parameters, lambda _: None)  # nothing is known
    plain = replace(host, config=ssh_cell.config)
    stage(plain, cell.request("reads", data=path).parameters, lambda _: None)
    assert "same size and other bytes" in refused(host, cell, path).problem


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ('rm "$1"', "No such file or directory"),
        ('chmod 0 "$1"', "Permission denied"),
        ('rm "$1"; mkdir "$1"', "is no regular file"),
        ('rm "$1"; mkfifo "$1"', "is no regular file"),
    ],
    ids=["missing", "closed", "directory", "fifo"],
)
def test_what_the_host_cannot_read(
    host: Host, cell: Cell, here: Path, script: str, says: str
) -> None:
    host.transport.run(["sh", "-c", script, "sh", str(there(host))], timeout=10)
    problem = refused(host, cell, here / "day 1" / "data.txt").problem
    assert f"{there(host)} on mini: {says}" in problem


def test_what_one_of_the_users_groups_may_read_and_the_run_may_not(
    host: Host, cell: Cell, here: Path, lab_host: LabHost
) -> None:
    lab_host.run("chown", "root:docker", str(there(host)))
    lab_host.run("chmod", "640", str(there(host)))
    assert staged(host, cell, here / "day 1" / "data.txt")[0].sha256 == SHA256
    with pytest.raises(InputUnusable, match="cannot be read by the run's user") as caught:
        cell.run("reads", data=here / "day 1" / "data.txt")
    assert f"chmod o+r {there(host)}; or correct hosts/mini/data" in caught.value.hint


def test_a_file_that_only_the_host_sees(host: Host, cell: Cell, here: Path) -> None:
    path = here / "day 1" / "data.txt"
    path.unlink()
    sealed = cell.run("reads", data=path)
    assert sealed.outcome.state is RunState.SUCCEEDED, sealed.outcome.details
    assert json.loads((sealed.path / "seen.json").read_bytes())["content"] == TEXT
    with pytest.raises(InputUnusable, match=r"on mini: No such file"):
        staged(host, cell, path.with_name("none.txt"))
