"""The one ordered writer: row groups in, shards with manifests out, each step journalled.

Order of what happens to a shard: bytes; journal line; at checkpoints shard fsync then journal
fsync; at the end footer, fsync, journal fsync, final name, manifest, close line. A kill between
any two of them is repaired by `resume.restore`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from remote.errors import WorkhorseError
from remote.workloads.durable import json_bytes, write_atomic
from remote.workloads.shards.append import ShardFile
from remote.workloads.shards.encode import EncodedGroup
from remote.workloads.shards.fingerprints import Fingerprints
from remote.workloads.shards.footer import Footer
from remote.workloads.shards.journal import CloseLine, GroupLine, Journal
from remote.workloads.shards.manifest import Identity, ShardNames, shard_manifest
from remote.workloads.shards.totals import Totals

log = logging.getLogger("workhorse.shards")

Dropped = Callable[[Sequence[GroupLine]], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Output:
    """Where shards go and what holds for all of them.

    Attributes:
        limit: greatest size of a shard in bytes; a single row group above it gets its own.
        dropped: spectra dropped by reason, from the stats of row groups.
    """

    names: ShardNames
    identity: Identity
    footer: Footer
    limit: int
    dropped: Dropped

    def write_manifest(
        self, index: int, lines: Sequence[GroupLine], sha256: str, ids_sha256: str | None = None
    ) -> None:
        """Write the manifest of a shard that has its final name; see `shard_manifest`."""
        path = self.names.shard(index)
        dropped = self.dropped(lines)
        manifest = shard_manifest(self.identity, path, index, lines, sha256, ids_sha256, dropped)
        write_atomic(self.names.manifest(index), json_bytes(manifest))


@dataclass(slots=True)
class Written:
    """What lies on disk: the state that the writer begins with, and changes.

    Attributes:
        closed: shards that have name and manifest, by index from 0.
        shard: the open one, None before its first row group.
        lines: the row groups of the open shard, or those without rows that wait for one.
        totals: what cleaning counted in all row groups so far.
        fingerprints: of every spectrum written.
        rows: spectra written.
        reached: input and the row in it up to which all is written.
    """

    closed: list[CloseLine]
    shard: ShardFile | None
    lines: list[GroupLine]
    totals: Totals
    fingerprints: Fingerprints
    rows: int = 0
    reached: tuple[int, int] = (0, 0)

    def close(self) -> None:
        """Close the files."""
        self.fingerprints.close()
        if self.shard is not None:
            self.shard.close()


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

    def append(self, group: EncodedGroup) -> None:
        """Write one row group, closing the open shard first where it would grow too large."""
        line = self._place(group)
        if self._journal is not None:  # first: an interrupt must not count what it does not hold
            self._journal.append(line)
        self.written.lines.append(line)
        self.written.totals.add(group.stats)
        self.written.rows += group.rows
        self.written.reached = (group.input_index, group.row_stop)
        self._since_checkpoint += group.row_stop - group.row_start
        if self._since_checkpoint >= self._interval:
            self._checkpoint()

    def finish(self) -> None:
        """Close the last shard."""
        self._settle()
        if self.written.shard is not None and self.written.shard.rows:
            self._close_shard(self.written.shard)

    def abandon(self) -> None:
        """Make what is written durable and leave it for a later resume."""
        self._settle()
        if self.written.shard is not None and self._journal is not None:
            self._sync(self.written.shard, self.position())

    @property
    def shards_begun(self) -> int:
        """Shards that are finished, and the one that is growing."""
        return len(self.written.closed) + (self.written.shard is not None)

    def position(self) -> Position:
        """How far it is."""
        return Position(len(self.written.closed), self.written.totals.groups, self.written.rows)

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

    def _place(self, group: EncodedGroup) -> GroupLine:
        shard = self._open_shard()
        metadata = b""
        if group.rows:
            metadata = shard.place(group)
            if shard.rows and not shard.takes(group, metadata, self._output.limit):
                self._settle()
                self._close_shard(shard)
                shard = self._open_shard()
                metadata = shard.place(group)
            offset = shard.size
            shard.append(group, metadata)
        else:
            offset = shard.size
        return GroupLine(
            shard=len(self.written.closed),
            input_index=group.input_index,
            row_start=group.row_start,
            row_stop=group.row_stop,
            rows=group.rows,
            offset=offset,
            size=group.size,
            prefix_sha256=shard.sha256(),
            metadata=metadata,
            first_id=group.first_id,
            last_id=group.last_id,
            precursor_mz=group.precursor_mz,
            stats=group.stats,
            fingerprints_crc=self.written.fingerprints.append(group.fingerprints),
        )

    def _open_shard(self) -> ShardFile:
        if self.written.shard is None:
            path = self._output.names.shard(len(self.written.closed))
            self.written.shard = ShardFile.create(path, self._output.footer)
        return self.written.shard

    def _close_shard(self, shard: ShardFile) -> None:
        index = len(self.written.closed)
        if self._journal is not None:  # no name before the journal can tell how it came to be
            self._sync(shard, self.position())
        shard.finish()
        sha256 = shard.sha256()
        self._output.write_manifest(index, self.written.lines, sha256, shard.ids_sha256())
        closed = CloseLine(index, shard.size, sha256, shard.rows)
        if self._journal is not None:
            self._journal.append(closed)
        self.written.closed.append(closed)
        log.info("closed %s: %d spectra, %d bytes", shard.path.name, shard.rows, shard.size)
        self.written.shard = None
        self.written.lines = []

    def _checkpoint(self) -> None:
        """Begin a checkpoint, unless the one before is still under way: then a little later."""
        if self._journal is None or self.written.shard is None:
            return
        if self._syncing is not None:
            if not self._syncing.done():
                return
            self._syncing.result()
        self._since_checkpoint = 0
        self._syncing = self._syncer.submit(self._sync, self.written.shard, self.position())

    def _sync(self, shard: ShardFile, position: Position) -> None:
        assert self._journal is not None
        shard.sync()
        self.written.fingerprints.sync()
        self._journal.sync()
        self._summary(position)

    def _settle(self) -> None:
        """Wait for a checkpoint under way, and raise its error."""
        if self._syncing is not None:
            syncing, self._syncing = self._syncing, None
            syncing.result()
