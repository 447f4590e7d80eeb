"""The journal gives back its whole lines, whatever happened to its end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote.workloads.shards.output.fingerprints import Fingerprints, crc, stored
from remote.workloads.shards.output.journal import (
    CloseLine,
    GroupLine,
    Journal,
    Line,
    PartLine,
    read_journal,
)

KEY = {"inputs": {"a": "12"}, "run_id": "r"}


def group_line(at: int, rows: int = 3) -> GroupLine:
    part = PartLine(
        shard=0,
        rows=rows,
        offset=4 + at,
        size=1,
        prefix_sha256="ab" * 32,
        metadata=bytes(range(at)),
        first_id="ä:0",
        last_id="ä:9",
        precursor_mz=(100.5, 0.1 + 0.2) if rows else None,
    )
    return GroupLine(
        input_index=0,
        row_start=at * 10,
        row_stop=at * 10 + 10,
        stats={"read": 10, "files": {"x.mzML": [1, 2]}},
        fingerprints_crc=7,
        parts=(part, replace(part, rows=0, precursor_mz=None)),
    )


LINES: list[Line] = [
    group_line(0),
    group_line(1, 0),
    CloseLine(1, 0, 99, "cd" * 32, 3),
    group_line(2),
]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "checkpoints" / "journal.jsonl"
    with Journal.create(path, KEY) as sink:
        for line in LINES[:2]:
            sink.append(line)
        sink.sync()
    with Journal.reopen(path) as sink:
        for line in LINES[2:]:
            sink.append(line)
    return path


def test_lines_come_back_as_they_went_in(journal: Path) -> None:
    found = read_journal(journal)
    assert found is not None
    assert found.key == KEY
    assert list(found.lines) == LINES
    assert found.ends[-1] == journal.stat().st_size
    assert len(found.ends) == len(LINES) + 1


@settings(max_examples=80)
@given(st.data())
def test_a_journal_cut_anywhere_keeps_its_whole_lines(journal: Path, data: st.DataObject) -> None:
    whole = journal.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    short = journal.with_name("short")
    short.write_bytes(whole[:cut])
    found = read_journal(short)
    ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]
    complete = sum(end <= cut for end in ends)
    assert (0 if found is None else len(found.ends)) == complete


@settings(max_examples=80)
@given(st.data())
def test_nothing_after_a_damaged_byte_is_believed(journal: Path, data: st.DataObject) -> None:
    whole = bytearray(journal.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    line = whole[:at].count(10)
    whole[at] ^= data.draw(st.integers(1, 255))
    damaged = journal.with_name("damaged")
    damaged.write_bytes(whole)
    found = read_journal(damaged)
    assert (0 if found is None else len(found.ends)) <= line


def test_fingerprints_are_kept_and_cut(tmp_path: Path) -> None:
    path = tmp_path / "prints"
    first, second = np.arange(3, dtype=np.uint64), np.arange(3, 5, dtype=np.uint64)
    prints = Fingerprints.create(path)
    assert prints.append(first) == crc(first)
    prints.append(second)
    prints.sync()
    prints.close()
    assert [part.tolist() for part in stored(path, 0, [3, 2])] == [[0, 1, 2], [3, 4]]
    again = Fingerprints.reopen(path, 3)
    again.append(np.array([9], np.uint64))
    assert [part.tolist() for part in again.parts()] == [[0, 1, 2, 9]]
    again.close()
    assert [part.tolist() for part in stored(path, 2, [1, 1, 4])] == [[2], [9], []]
    unnamed = Fingerprints.nameless(tmp_path)
    unnamed.append(first)
    assert [part.tolist() for part in unnamed.parts()] == [[0, 1, 2]]
    unnamed.close()
    assert list(tmp_path.iterdir()) == [path]
