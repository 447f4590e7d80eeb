"""Which row group goes into which shard: the rule of the build, on what it wrote."""

from __future__ import annotations

from dataclasses import dataclass

from remote.workloads.shards.output.append import Filled
from remote.workloads.shards.output.footer import Footer, placed
from remote.workloads.shards.resharding.origin import Part


@dataclass(frozen=True, slots=True)
class Packed:
    """A row group at its place: the number of its shard, where it begins, its metadata there."""

    shard: int
    part: Part
    offset: int
    metadata: bytes


class Packer:
    """Fills shards of at most `limit` bytes; a row group above it has one to itself."""

    def __init__(self, footer: Footer, limit: int, shard: int = 0) -> None:
        """Begin with an empty shard of that number."""
        self._footer = footer
        self._limit = limit
        self._shard = shard
        self._filled = Filled()

    def __call__(self, part: Part) -> Packed:
        """Where the next row group goes."""
        one = self._placed(part)
        filled = self._with(one)
        if self._filled.groups and not filled.fits(self._footer, self._limit):
            self._shard += 1
            self._filled = Filled()
            one = self._placed(part)
            filled = self._with(one)
        self._filled = filled
        return one

    @property
    def size(self) -> int:
        """Bytes of the shard that is being filled, with its footer."""
        now = self._filled
        return now.size + self._footer.size(now.rows, now.groups, now.groups_bytes)

    def _placed(self, part: Part) -> Packed:
        now = self._filled
        metadata = placed(part.group, now.size - part.offset, now.groups)
        return Packed(self._shard, part, now.size, metadata)

    def _with(self, one: Packed) -> Filled:
        return self._filled.with_group(one.part.size, one.part.rows, one.metadata)
