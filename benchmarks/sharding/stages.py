"""Each stage of a build by itself, on one core, over the row groups that a build makes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import pyarrow as pa

from benchmarks.sharding.timing import Measured, timed
from remote.workloads.durable import HashingFile
from remote.workloads.shards.blocks import CleanRows, RawRows, cut
from remote.workloads.shards.clean import clean
from remote.workloads.shards.inputs.source import Source
from remote.workloads.shards.output.encode import Encoder
from remote.workloads.shards.plan import plan
from remote.workloads.shards.schema import Layout as Columns
from remote.workloads.shards.settings import Preprocessing

RULES = Preprocessing()
READ, CLEAN, ENCODE = "read, inflate", "clean", "encode"
WRITE, HASH = "write, fsync, hash", "hash the input"
STAGES = (READ, CLEAN, ENCODE, WRITE, HASH)
# Cleaning and encoding are timed on this many tasks' rows, which stay in memory.
_TASKS = 2


@dataclass(frozen=True)
class Prepared:
    """An open input with some of its rows as each stage gets them."""

    source: Source
    scratch: Path
    raws: tuple[RawRows, ...]
    cleaned: tuple[CleanRows, ...]
    encoder: Encoder

    @classmethod
    def of(cls, source: Source, scratch: Path) -> Prepared:
        """Read, clean and encode once, which compiles what is to be compiled."""
        columns = Columns.of(source.columns, lsh=source.lsh or "int64", preprocessing={})
        encoder = Encoder(columns, (source.name,), (source.path.name,))
        blocks = [source.read(t.row_start, t.row_stop) for t in islice(plan([source]), _TASKS)]
        raws = tuple(part for block in blocks for part in cut(block))
        return cls(source, scratch, raws, tuple(clean(raw, RULES) for raw in raws), encoder)

    def works(self) -> dict[str, Callable[[], Measured]]:
        """The stages by name."""
        groups = [self.encoder(rows).data for rows in self.cleaned]
        return {
            READ: partial(timed, self._read),
            CLEAN: partial(timed, self._clean),
            ENCODE: partial(timed, self._encode),
            WRITE: partial(self._write, groups),
            HASH: partial(timed, self._hash),
        }

    def _read(self) -> tuple[int, int]:
        for task in plan([self.source]):
            self.source.read(task.row_start, task.row_stop)
        return self.source.rows, 0

    def _clean(self) -> tuple[int, int]:
        for raw in self.raws:
            clean(raw, RULES)
        return sum(map(len, self.raws)), 0

    def _encode(self) -> tuple[int, int]:
        for rows in self.cleaned:
            self.encoder(rows)
        return sum(map(len, self.raws)), 0

    def _write(self, groups: Sequence[tuple[pa.Buffer, ...]]) -> Measured:
        """As many groups as the whole input has, one after the other into one file."""
        rows = sum(map(len, self.raws))
        count = round(len(groups) * self.source.rows / rows)
        path = self.scratch / "shard"

        def write() -> tuple[int, int]:
            file = HashingFile(path)
            for group in islice(cycle(groups), count):
                file.append(*group)
            file.sync()
            file.close()
            return self.source.rows, file.size

        measured = timed(write)
        path.unlink()
        return measured

    def _hash(self) -> tuple[int, int]:
        digest = hashlib.sha256()
        with self.source.path.open("rb", buffering=0) as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return self.source.rows, 0
