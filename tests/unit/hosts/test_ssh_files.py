"""What a host prints of its files is believed no further than it was asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import HostRefused
from remote.hosts.ssh import scripts as host_scripts
from remote.hosts.ssh.files import Said, Streamed, entry_of
from remote.results.files import Kind, Refused


class Printed(Said):
    """All that a command ever prints."""

    def __init__(self, data: bytes) -> None:
        self.link = cast(Any, SimpleNamespace(route=SimpleNamespace(name="mini")))
        self._ahead = bytearray()
        self._data = data

    def _more(self, most: int) -> bytes:
        if not self._data:
            raise HostRefused("it ended too early")
        piece, self._data = self._data[:most], self._data[most:]
        return piece


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Welcome to mini!\n",
        b"+-1\n",
        b"+ 3\nabc.\n",
        b"+12\nabcdefghijkl.\n",
        b"+6\nabcdef+6\nabcdef.\n",
        b"+\xb2\nab",
        b"+3",
        b"+" + b"1" * 10_000,
        b"x" * 100_000,
    ],
)
def test_what_no_command_of_ours_prints_is_refused(data: bytes) -> None:
    def read() -> None:
        file = Streamed(Printed(data), 11)
        while file.read(4):
            pass

    with pytest.raises(HostRefused):
        read()


def test_refusals_before_and_within_a_file() -> None:
    said = Printed(b"!is gone\n+3\nabc!cannot be read: Input/output error\n+1\nx.\n")
    assert str(Streamed(said, 10).refusal) == "is gone"
    second = Streamed(said, 10)
    assert second.refusal is None
    with pytest.raises(Refused, match="Input/output error"):
        second.read(10)
    second.skip()
    assert Streamed(said, 10).read(10) == b"x"


@given(contents=st.lists(st.binary(max_size=40), max_size=6), unread=st.integers(0, 45))
def test_files_come_one_after_the_other_however_much_of_them_is_read(
    contents: list[bytes], unread: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("run")
    for index, content in enumerate(contents):
        (root / str(index)).write_bytes(content)
    requests = b"".join(b"%d %d\0" % (len(c), i) for i, c in enumerate(contents))
    said = Printed(_printed(host_scripts.read_each(root), requests))
    for content in contents:
        file = Streamed(said, len(content) + 1)
        assert file.refusal is None
        wanted = max(0, len(content) - unread)
        assert file.read(wanted) == content[:wanted]
        file.skip()
    assert said._ahead == b""


def test_a_file_that_grew_is_printed_to_one_byte_more_than_was_listed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    printed = _printed(host_scripts.read_each(tmp_path), b"2000000 a\00 a\0")
    said = Printed(printed)
    first = Streamed(said, 2_000_001)
    assert len(first.read(5_000_000)) == 2_000_001
    assert Streamed(said, 1).read(10) == b"x"


def test_a_listing_line_names_all_that_is_known() -> None:
    entry = entry_of(b"file 12 2 5 77 1000 1060 output/a b \xff")
    assert (entry.path, entry.kind) == ("output/a b \udcff", Kind.FILE)
    assert (entry.size_bytes, entry.identity) == (12, (5, 77))
    assert (entry.changed, entry.listed) == (1000, 1060)


def _printed(argv: Sequence[str], requests: bytes) -> bytes:
    return subprocess.run(argv, input=requests, capture_output=True, check=True).stdout
