"""One shard after the other: digests, row groups, and what holds of all of them together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field

from remote.workloads.durable import sha256_file
from remote.workloads.shards.blocks import ROW_GROUP_ROWS
from remote.workloads.shards.tasks import in_order
from remote.workloads.shards.validation.groups import Group, Look
from remote.workloads.shards.validation.problems import Problem
from remote.workloads.shards.validation.records import Record, ShardRecord
from remote.workloads.shards.validation.scores import Told, stems_of
from remote.workloads.shards.validation.seen import Seen, SourceRows
from remote.workloads.shards.validation.stored import (
    UNREADABLE,
    Stored,
    against_manifest,
    check_schema,
    layout,
)
from remote.workloads.shards.validation.values import Rules


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks the shards of one dataset, each once.

    Attributes:
        dataset: its manifest.
        full: whether values are looked at.
        pool, ahead: where row groups are looked at, and how many at a time.
        passed: is told of spectra that were looked at.
        scores: what the ranker is recorded to have said; None where it said nothing.
    """

    dataset: Record
    full: bool
    pool: Executor
    ahead: int
    passed: Callable[[int], None]
    scores: Told | None
    seen: Seen = field(default_factory=Seen)

    def __call__(self, shard: ShardRecord) -> Iterator[Problem]:
        """Everything that is wrong with a shard."""
        if not shard.path.is_file():
            yield Problem(shard.file, "is missing")
            return
        size = shard.path.stat().st_size
        if size != shard.entry["file_size_bytes"]:
            yield Problem(shard.file, f"has {size} bytes, not {shard.entry['file_size_bytes']}")
        try:
            yield from self._opened(shard, Stored.opened(shard.path))
        except UNREADABLE as error:
            yield Problem(shard.file, f"cannot be read: {error}")
            yield from _digest(shard, sha256_file(shard.path))

    def _opened(self, shard: ShardRecord, stored: Stored) -> Iterator[Problem]:
        wrong = [
            Problem(shard.file, text, column=column)
            for column, text in check_schema(stored, self.dataset)
        ]
        yield from wrong
        if wrong and self.full:
            yield Problem(shard.file, "its values were not looked at, for its columns are others")
        if shard.manifest is not None:
            for text in against_manifest(stored, shard.manifest):
                yield Problem(shard.file, text)
        text = layout(stored)
        if text:
            yield Problem(shard.file, text)
            yield from _digest(shard, sha256_file(shard.path))
        else:
            yield from self._groups(shard, stored, full=self.full and not wrong)

    def _groups(self, shard: ShardRecord, stored: Stored, *, full: bool) -> Iterator[Problem]:
        digest, ids = hashlib.sha256(), hashlib.sha256()
        digest.update(stored.read(0, stored.spans[0][0]))
        ends: list[str] = []
        for place, group in enumerate(self._looked(shard, stored, full=full)):
            digest.update(group.data)
            yield from group.problems
            if group.content is not None:
                ids.update(memoryview(group.content.ids))
                ends += (group.content.first_id, group.content.last_id)
                if group.content.rows is not None:
                    yield from self._met(shard, place, group.content.rows)
            self.passed(stored.rows[place])
        digest.update(stored.read(stored.spans[-1][1], stored.size))
        yield from _digest(shard, digest.hexdigest())
        if len(ends) == 2 * len(stored.spans):
            yield from _ids(shard, ends[0], ends[-1], ids.hexdigest())

    def _looked(self, shard: ShardRecord, stored: Stored, *, full: bool) -> Iterator[Group]:
        rules = Rules.of(self.dataset["preprocessing"])
        stems = stems_of(self.dataset)
        look = Look(shard.file, stored, full, rules, stems, self.scores, stored.firsts)
        places = range(len(stored.spans))
        return in_order(lambda place: self.pool.submit(look, place), places, self.ahead)

    def _met(self, shard: ShardRecord, place: int, met: SourceRows) -> Iterator[Problem]:
        """Are the source rows those that the manifest says, and met for the first time?"""
        if self.scores is not None:
            self.scores.meet(met)
        for row, file in self.seen.again(shard.file, met):
            text = f"source row {row} of {met.input} is in {file} as well"
            yield Problem(shard.file, text, place, column="sample_id", kind="again")
        if shard.manifest is None:
            return
        groups = shard.manifest["row_groups"]
        if place < len(groups):
            told = f"rows {groups[place]['row_start']} on of {groups[place]['input']}"
            found = f"rows {met.block * ROW_GROUP_ROWS} on of {met.input}"
            if told != found:
                yield Problem(shard.file, f"is of {found}, its manifest says {told}", place)
        ranges = [x for x in shard.manifest["source_ranges"] if x["input"] == met.input]
        first, last = int(met.rows[0]), int(met.rows[-1])
        if not any(x["row_start"] <= first and last < x["row_stop"] for x in ranges):
            text = f"holds source rows {first} to {last} of {met.input}, which source_ranges lacks"
            yield Problem(shard.file, text, place)


def _digest(shard: ShardRecord, sha256: str) -> Iterator[Problem]:
    if f"sha256:{sha256}" != shard.entry["checksum"]:
        yield Problem(shard.file, "its SHA-256 is not the recorded one")


def _ids(shard: ShardRecord, first: str, last: str, sha256: str) -> Iterator[Problem]:
    if shard.manifest is None:
        return
    recorded = shard.manifest
    if sha256 != recorded["sample_ids_sha256"]:
        yield Problem(shard.file, "has other sample ids than its manifest says")
    told = (recorded["first_sample_id"], recorded["last_sample_id"])
    if (first, last) != told:
        text = f"has the sample ids {first} to {last}, its manifest says {told[0]} to {told[1]}"
        yield Problem(shard.file, text)
