"""What has been written, one line a row group: enough to go on after a kill.

A line is the CRC-32 of its JSON (8 hex digits), a space, and the JSON. A kill can leave a last
line cut short; it and everything after the first bad line is not believed. Lines hold no times
and no worker counts.

    {"kind": "begin", "key": ...}     what is run; the first line
    {"kind": "group", ...}            the source rows of a row group, after its bytes
    {"kind": "close", ...}            a shard, after its manifest
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from remote.workloads.durable import (
    closed_on_error,
    fsync_directory,
    make_directory,
    writing_errors,
)
from remote.workloads.shards.output.lines import believed, framed
from remote.workloads.shards.output.versions import refuse_newer


@dataclass(frozen=True, slots=True)
class PartLine:
    """What one split's shard holds of the source rows of a row group.

    Attributes:
        shard: the index of the shard among those of its split.
        rows: spectra written; 0 where there is none, and then nothing was appended.
        offset, size: where its column chunks lie in the shard.
        prefix_sha256: digest of the shard up to its end.
        metadata: its encoded Parquet metadata.
        first_id, last_id: the sample ids at its ends, empty without rows.
        precursor_mz: least and greatest.
    """

    shard: int
    rows: int
    offset: int
    size: int
    prefix_sha256: str
    metadata: bytes
    first_id: str
    last_id: str
    precursor_mz: tuple[float, float] | None

    @property
    def end(self) -> int:
        """The shard's size after this part."""
        return self.offset + self.size


@dataclass(frozen=True, slots=True)
class GroupLine:
    """The source rows of a row group, and what became of them.

    Attributes:
        input_index, row_start, row_stop: the source rows.
        stats: what cleaning counted in them.
        fingerprints_crc: CRC-32 of the group's part of the fingerprints file.
        parts: one for each split of the build, in order.
    """

    input_index: int
    row_start: int
    row_stop: int
    stats: Mapping[str, Any]
    fingerprints_crc: int
    parts: tuple[PartLine, ...]

    @property
    def rows(self) -> int:
        """Spectra written, in all splits."""
        return sum(part.rows for part in self.parts)


@dataclass(frozen=True, slots=True)
class CloseLine:
    """A shard that has its final name and its manifest; `split` counts as `parts` do."""

    split: int
    shard: int
    size: int
    sha256: str
    rows: int


Line = GroupLine | CloseLine


@dataclass(frozen=True, slots=True)
class Journalled:
    """A journal as read back.

    Attributes:
        key: what was run.
        lines: every line that can be believed, in order.
        ends: where each of them ends in the journal; the first entry is the key's end.
    """

    key: Mapping[str, Any]
    lines: tuple[Line, ...]
    ends: tuple[int, ...]


class Journal:
    """An append-only journal; each line is one write."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, path: Path, key: Mapping[str, object]) -> Self:
        """Begin a journal in place of any that was there."""
        make_directory(path.parent)
        with writing_errors(path):
            flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND
            journal = cls(path, os.open(path, flags, 0o644))
        with closed_on_error(journal):
            journal._put({"kind": "begin", "key": dict(key)})
            journal.sync()
            fsync_directory(path.parent)
        return journal

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """Go on at the end of a journal that holds whole lines only."""
        with writing_errors(path):
            return cls(path, os.open(path, os.O_WRONLY | os.O_APPEND))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(self, line: Line) -> None:
        """Add one line, not yet synced."""
        kind = "group" if isinstance(line, GroupLine) else "close"
        record = {one.name: getattr(line, one.name) for one in fields(line)}
        if isinstance(line, GroupLine):
            record["parts"] = [_part_record(part) for part in line.parts]
        self._put({"kind": kind, **record})

    def sync(self) -> None:
        """Return when every line is on disk."""
        with writing_errors(self.path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close without syncing."""
        os.close(self._descriptor)

    def _put(self, record: Mapping[str, object]) -> None:
        line = framed(record)
        with writing_errors(self.path):
            if os.write(self._descriptor, line) != len(line):
                raise OSError(28, "the line was cut short")


def read_journal(path: Path) -> Journalled | None:
    """Read a journal up to its first bad line; None where not even the first line is whole.

    Raises:
        ResultsUnusable: a newer Workhorse wrote it.
    """
    records: list[dict[str, Any]] = []
    ends: list[int] = []
    with path.open("rb") as source:
        for line in source:
            record = believed(line)
            if record is None:
                break
            records.append(record)
            ends.append((ends[-1] if ends else 0) + len(line))
    if not records or records[0].get("kind") != "begin":
        return None
    refuse_newer(records[0]["key"].get("schema_version"), str(path))
    return Journalled(
        records[0]["key"], tuple(_line(record) for record in records[1:]), tuple(ends)
    )


def _part_record(part: PartLine) -> dict[str, Any]:
    record = {one.name: getattr(part, one.name) for one in fields(part)}
    return {**record, "metadata": base64.b64encode(part.metadata).decode()}


def _line(record: Mapping[str, Any]) -> Line:
    values = {name: value for name, value in record.items() if name != "kind"}
    if record["kind"] == "close":
        return CloseLine(**values)
    values["parts"] = tuple(map(_part, values["parts"]))
    return GroupLine(**values)


def _part(record: Mapping[str, Any]) -> PartLine:
    low_high = record["precursor_mz"]
    known = {
        "metadata": base64.b64decode(record["metadata"]),
        "precursor_mz": None if low_high is None else tuple(low_high),
    }
    return PartLine(**{**record, **known})
