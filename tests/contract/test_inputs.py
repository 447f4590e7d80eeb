"""Inputs on the second host: sent once, gone on with where they stopped, never believed unread."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote.errors import IntegrityFailure
from remote.hosts.connect import Host, connect
from remote.hosts.ssh.transport import SshTransport
from remote.hosts.stores.inputs import InputStore
from tests.contract.cells import Cell

pytestmark = [pytest.mark.integration, pytest.mark.ssh]

CONTENT = bytes(range(256)) * 16_384  # 4 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def host(ssh_cell: Cell) -> Iterator[Host]:
    with connect(ssh_cell.config) as opened:
        opened.transport.remove(opened.layout.inputs)
        yield opened


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(CONTENT)
    return path


def put(host: Host, source: Path, sha256: str = SHA256) -> tuple[Path, int]:
    """Where the host has it, and how many bytes were sent over the link."""
    assert isinstance(host.transport, SshTransport)
    store = InputStore(host.transport, host.layout)
    before = host.transport.link.sent_bytes
    path = store.put(source, sha256, len(CONTENT), lambda _done, _total: None)
    return path, host.transport.link.sent_bytes - before


def leave_partial(host: Host, content: bytes) -> None:
    partial = host.layout.inputs / ".partial" / SHA256
    host.transport.make_directory(partial.parent)
    host.transport.write(partial, content)


def test_sent_once_and_kept(host: Host, source: Path) -> None:
    path, sent = put(host, source)
    assert path == host.layout.root / "inputs" / SHA256 / "data.bin"
    assert host.transport.read(path) == CONTENT
    status = host.transport.status(path)
    assert status is not None
    assert status.mode & 0o777 == 0o444
    assert sent > len(CONTENT)
    again, sent = put(host, source)
    assert again == path
    assert sent < 20_000


def test_gone_on_with_where_it_stopped(host: Host, source: Path) -> None:
    leave_partial(host, CONTENT[:3_000_000])
    path, sent = put(host, source)
    assert host.transport.read(path) == CONTENT
    assert sent < len(CONTENT) - 3_000_000 + 100_000


@pytest.mark.parametrize("damaged", [b"x" * 1_000_000, CONTENT + b"more"], ids=["other", "longer"])
def test_a_beginning_that_is_another_file_is_sent_anew(
    host: Host, source: Path, damaged: bytes
) -> None:
    leave_partial(host, damaged)
    assert host.transport.read(put(host, source)[0]) == CONTENT


def test_a_file_that_changes_on_its_way_is_refused(host: Host, source: Path) -> None:
    with pytest.raises(IntegrityFailure, match=r"data\.bin"):
        put(host, source, "0" * 64)
    assert host.transport.read(host.layout.inputs / ("0" * 64) / "data.bin") is None
    assert host.transport.read(host.layout.inputs / ".partial" / ("0" * 64)) is None


def test_a_copy_that_was_touched_is_not_believed(host: Host, source: Path) -> None:
    path, _ = put(host, source)
    write = 'printf x | dd of="$1" conv=notrunc status=none'
    script = f'chmod u+w "$1" && {write} && touch -d 2001-01-01 "$1"'
    host.transport.run(["sh", "-c", script, "sh", str(path)], timeout=10)
    assert host.transport.read(put(host, source)[0]) == CONTENT
