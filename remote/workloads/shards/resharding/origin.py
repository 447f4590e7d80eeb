"""A shard of the dataset that is resharded: its row groups, read once and verified meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from remote.errors import IntegrityFailure
from remote.workloads.durable import Digest
from remote.workloads.shards.output.footer import Footer, footer_of
from remote.workloads.shards.output.thrift import Struct
from remote.workloads.shards.schema import column_at
from remote.workloads.shards.validation.pages import flaws
from remote.workloads.shards.validation.records import Record, ShardRecord
from remote.workloads.shards.validation.stored import (
    UNREADABLE,
    Stored,
    against_manifest,
    layout,
)

Range = Mapping[str, Any]
HINT = "`msms validate-shards` names all that is wrong; build it again, or fetch it again."


@dataclass(frozen=True, slots=True)
class Part:
    """A row group of a shard.

    Attributes:
        origin: the number of its shard among those of the split.
        place: its number in the shard.
        offset, size: where its bytes lie.
        group: its Parquet `RowGroup`, offsets as in the shard.
        record: what the shard's manifest says of it.
        ranges: the source rows that it accounts for, dropped ones included.
    """

    origin: int
    place: int
    offset: int
    size: int
    rows: int
    group: Struct
    record: Record
    ranges: tuple[Range, ...]


@dataclass(slots=True)
class Origin:
    """An opened shard.

    Attributes:
        footer: what its footer has beside row groups.
        parts: its row groups, in order.
    """

    shard: ShardRecord
    stored: Stored
    footer: Footer
    parts: tuple[Part, ...]
    _digest: Digest = field(default_factory=hashlib.sha256)
    _read: int = 0

    @classmethod
    def opened(cls, number: int, shard: ShardRecord) -> Origin:
        """Read its footer.

        Raises:
            IntegrityFailure: it is not what its manifest says.
        """
        assert shard.manifest is not None
        try:
            stored = Stored.opened(shard.path)
            wrong = [*against_manifest(stored, shard.manifest)]
            wrong += [text] if (text := layout(stored)) else []
        except UNREADABLE as error:
            raise IntegrityFailure(f"{shard.path}: {error}", hint=HINT) from error
        if wrong:
            raise IntegrityFailure(f"{shard.path}: {wrong[0]}.", hint=HINT)
        tail = footer_of(stored.read(stored.spans[-1][0], stored.size))
        footer, groups = Footer.taken_apart(tail)
        parts = tuple(
            Part(number, place, start, stop - start, rows, group, record, tuple(ranges))
            for place, ((start, stop), rows, group, record, ranges) in enumerate(
                zip(
                    stored.spans,
                    stored.rows,
                    groups,
                    shard.manifest["row_groups"],
                    shares(shard.manifest),
                    strict=True,
                )
            )
        )
        return cls(shard, stored, footer, parts)

    def read(self, part: Part) -> bytes:
        """The bytes of a row group; to be called for each one, in their order, once.

        Raises:
            IntegrityFailure: a page is damaged, or the file ends before.
        """
        if part.place == 0:
            self._digest.update(self.stored.read(0, part.offset))
        data = self.stored.read(part.offset, part.offset + part.size)
        for flaw in flaws(data, part.offset, self.stored.chunks[part.place]):
            where = f"row group {part.place}, column {column_at(flaw.column)}"
            raise IntegrityFailure(f"{self.shard.path}, {where}: {flaw.text}.", hint=HINT)
        self._digest.update(data)
        return data

    def verify(self) -> None:
        """After the last row group: was all of it what the manifest says?

        Raises:
            IntegrityFailure: the SHA-256 is another.
        """
        self._digest.update(self.stored.read(self.stored.spans[-1][1], self.stored.size))
        if f"sha256:{self._digest.hexdigest()}" != self.shard.entry["checksum"]:
            raise IntegrityFailure(
                f"{self.shard.path}: its SHA-256 is not the recorded one.", hint=HINT
            )


def shares(manifest: Record) -> list[list[Range]]:
    """The source rows that each row group of a shard accounts for.

    A group's share reaches to where the next one's source rows begin.

    Raises:
        IntegrityFailure: source_ranges and row_groups do not agree.
    """
    starts = [(group["input"], group["row_start"]) for group in manifest["row_groups"]]
    found: list[list[Range]] = [[] for _ in starts]
    at = 0
    for one in manifest["source_ranges"]:
        for reached, start, stop in _cuts(one, starts[at + 1 :]):
            found[at + reached].append(
                {"input": one["input"], "row_start": start, "row_stop": stop}
            )
        at += sum(_inside(one, start) for start in starts[at + 1 :])
    if at != len(starts) - 1:
        raise IntegrityFailure(
            f"{manifest['file']}: source_ranges lacks rows of row group {at + 1}.", hint=HINT
        )
    return found


def _cuts(one: Range, starts: list[tuple[str, int]]) -> Iterator[tuple[int, int, int]]:
    """A range cut where row groups begin: (groups begun in it, row_start, row_stop)."""
    inside = [row for name, row in starts if _inside(one, (name, row))]
    bounds = [one["row_start"], *inside, one["row_stop"]]
    for number, (start, stop) in enumerate(pairwise(bounds)):
        if start < stop:
            yield number, start, stop


def _inside(one: Range, start: tuple[str, int]) -> bool:
    return bool(one["input"] == start[0] and one["row_start"] <= start[1] < one["row_stop"])
