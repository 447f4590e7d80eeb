"""The one ordered writer: row groups in, shards with manifests out, each step journalled.

A build has a series of shards for each split; of a row group each gets its part. Order of what
happens: bytes of all parts; journal line; at checkpoints shards fsync then journal fsync; at a
shard's end all that is open fsync, journal fsync, final name, manifest, close line. A kill
between any two of them is repaired by `resume.restore`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from remote.errors import WorkhorseError
from remote.workloads.durable import json_bytes, write_atomic
from remote.workloads.shards.output.append import ShardFile
from remote.workloads.shards.output.encode import EncodedGroup
from remote.workloads.shards.output.fingerprints import Fingerprints
from remote.workloads.shards.output.footer import Footer
from remote.workloads.shards.output.journal import CloseLine, GroupLine, Journal, PartLine
from remote.workloads.shards.output.manifest import Appended, Identity, ShardNames, shard_manifest
from remote.workloads.shards.output.totals import Totals

log = logging.getLogger("workhorse.shards")

Dropped = Callable[[Sequence[GroupLine]], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Output:
    """Where shards go and what holds for all of them.

    Attributes:
        names: of the shards of each split, in the order of the splits.
        limit: greatest size of a shard in bytes; a single row group above it gets its own.
        dropped: spectra dropped by reason, from the stats of row groups.
    """

    names: tuple[ShardNames, ...]
    identity: Identity
    footer: Footer
    limit: int
    dropped: Dropped

    def write_manifest(
        self,
        split: int,
        index: int,
        held: Sequence[Appended],
        sha256: str,
        ids_sha256: str | None = None,
    ) -> None:
        """Write the manifest of a shard that has its final name; see `shard_manifest`.

        Dropped spectra are in no split: the shards of the first one count them.
        """
        names = self.names[split]
        dropped = self.dropped([one.group for one in held] if split == 0 else [])
        manifest = shard_manifest(self.identity, names, index, held, sha256, ids_sha256, dropped)
        write_atomic(names.manifest(index), json_bytes(manifest))


@dataclass(slots=True)
class Series:
    """The shards of one split.

    Attributes:
        closed: shards that have name and manifest, by index from 0.
        shard: the open one, None before its first row group.
        held: what the open shard holds; or groups without rows that wait for one.
    """

    closed: list[CloseLine] = field(default_factory=list)
    shard: ShardFile | None = None
    held: list[Appended] = field(default_factory=list)


@dataclass(slots=True)
class Written:
    """What lies on disk: the state that the writer begins with, and changes.

    Attributes:
        series: by split.
        totals: what cleaning counted in all row groups so far.
        fingerprints: of every spectrum written.
        rows: spectra written.
        reached: input and the row in it up to which all is written.
    """

    series: tuple[Series, ...]
    totals: Totals
    fingerprints: Fingerprints
    rows: int = 0
    reached: tuple[int, int] = (0, 0)

    @property
    def open_shards(self) -> tuple[ShardFile, ...]:
        """Those that grow."""
        return tuple(one.shard for one in self.series if one.shard is not None)

    def close(self) -> None:
        """Close the files."""
        self.fingerprints.close()
        for shard in self.open_shards:
            shard.close()


@dataclass(frozen=True, slots=True)
class Position:
    """How far a build is."""

    shards: int
    groups: int
    rows: int


class OrderedWriter:
    """Takes the row groups of a run in source order."""

    def __init__(
        self,
        output: Output,
        written: Written,
        journal: Journal | None,
        *,
        interval: int,
        summary: Callable[[Position], None],
    ) -> None:
        """Go on from what is `written`.

        Args:
            journal: None to keep none.
            interval: source rows between checkpoints.
            summary: writes the small summary file of what is safely on disk; called at
                checkpoints, in another thread.
        """
        self.written = written
        self._output = output
        self._journal = journal
        self._interval = interval
        self._summary = summary
        self._since_checkpoint = 0
        self._syncer = ThreadPoolExecutor(1, thread_name_prefix="shards-sync")
        self._syncing: Future[None] | None = None
        self._left = False

    def append(self, parts: Sequence[EncodedGroup]) -> None:
        """Write one row group: its part for each split, the first with the counts of all.

        A shard that would grow too large is closed first.
        """
        for split, part in enumerate(parts):
            self._make_room(split, part)
        line = self._put(parts)
        if self._journal is not None:  # first: an interrupt must not count what it does not hold
            self._journal.append(line)
        for series, held in zip(self.written.series, line.parts, strict=True):
            series.held.append(Appended(line, held))
        self.written.totals.add(line.stats)
        self.written.rows += line.rows
        self.written.reached = (line.input_index, line.row_stop)
        self._since_checkpoint += line.row_stop - line.row_start
        if self._since_checkpoint >= self._interval:
            self._checkpoint()

    def finish(self) -> None:
        """Close the last shards."""
        self._settle()
        for split, series in enumerate(self.written.series):
            if series.shard is not None and series.shard.rows:
                self._close_shard(split, series.shard)
        for series in self.written.series:  # last: a resume looks for what has not been closed
            if series.shard is not None:
                series.shard.discard()

    def abandon(self) -> None:
        """Make what is written durable and leave it for a later resume."""
        self._settle()
        if self._journal is not None:
            self._sync(self.written.open_shards, self.position())

    @property
    def shards_begun(self) -> int:
        """Shards that are finished, and those that grow."""
        return self._closed + len(self.written.open_shards)

    def position(self) -> Position:
        """How far it is."""
        return Position(self._closed, self.written.totals.groups, self.written.rows)

    @property
    def _closed(self) -> int:
        return sum(len(series.closed) for series in self.written.series)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is not None:
                self._leave(error)
        finally:
            self._syncer.shutdown(wait=True)
            self.written.close()
            if self._journal is not None:
                self._journal.close()

    @contextmanager
    def saved(self) -> Iterator[None]:
        """Make what is written durable at once where the block fails or is interrupted.

        For what is around it may wait long: for tasks that are under way.
        """
        try:
            yield
        except BaseException as error:
            self._leave(error)
            raise

    def _leave(self, error: BaseException) -> None:
        """Keep what is written; what ends the build is told, not what this meets in its wake."""
        if self._left:
            return
        self._left = True
        try:
            self.abandon()
        except WorkhorseError:
            if not isinstance(error, WorkhorseError):
                raise

    def _make_room(self, split: int, part: EncodedGroup) -> None:
        shard = self._open_shard(split)
        if part.rows and shard.rows:
            metadata = shard.place(part)
            if not shard.takes(part, metadata, self._output.limit):
                self._settle()
                self._close_shard(split, shard)
                self._open_shard(split)

    def _put(self, parts: Sequence[EncodedGroup]) -> GroupLine:
        first = parts[0]
        written = [self._put_part(split, part) for split, part in enumerate(parts)]
        hashes = np.concatenate([part.fingerprints for part in parts])
        return GroupLine(
            input_index=first.input_index,
            row_start=first.row_start,
            row_stop=first.row_stop,
            stats=first.stats,
            fingerprints_crc=self.written.fingerprints.append(hashes),
            parts=tuple(written),
        )

    def _put_part(self, split: int, part: EncodedGroup) -> PartLine:
        shard, metadata = self._open_shard(split), b""
        offset = shard.size
        if part.rows:
            metadata = shard.place(part)
            shard.append(part, metadata)
        return PartLine(
            shard=len(self.written.series[split].closed),
            rows=part.rows,
            offset=offset,
            size=part.size,
            prefix_sha256=shard.sha256(),
            metadata=metadata,
            first_id=part.first_id,
            last_id=part.last_id,
            precursor_mz=part.precursor_mz,
        )

    def _open_shard(self, split: int) -> ShardFile:
        series = self.written.series[split]
        if series.shard is None:
            path = self._output.names[split].shard(len(series.closed))
            series.shard = ShardFile.create(path, self._output.footer)
        return series.shard

    def _close_shard(self, split: int, shard: ShardFile) -> None:
        series = self.written.series[split]
        index = len(series.closed)
        if self._journal is not None:  # no name before the journal can tell how it came to be
            self._sync(self.written.open_shards, self.position())
        shard.finish()
        sha256 = shard.sha256()
        self._output.write_manifest(split, index, series.held, sha256, shard.ids_sha256())
        closed = CloseLine(split, index, shard.size, sha256, shard.rows)
        if self._journal is not None:
            self._journal.append(closed)
        series.closed.append(closed)
        log.info("closed %s: %d spectra, %d bytes", shard.path.name, shard.rows, shard.size)
        series.shard = None
        series.held = []

    def _checkpoint(self) -> None:
        """Begin a checkpoint, unless the one before is still under way: then a little later."""
        shards = self.written.open_shards
        if self._journal is None or not shards:
            return
        if self._syncing is not None:
            if not self._syncing.done():
                return
            self._syncing.result()
        self._since_checkpoint = 0
        self._syncing = self._syncer.submit(self._sync, shards, self.position())

    def _sync(self, shards: Sequence[ShardFile], position: Position) -> None:
        assert self._journal is not None
        for shard in shards:
            shard.sync()
        self.written.fingerprints.sync()
        self._journal.sync()
        self._summary(position)

    def _settle(self) -> None:
        """Wait for a checkpoint under way, and raise its error."""
        if self._syncing is not None:
            syncing, self._syncing = self._syncing, None
            syncing.result()
