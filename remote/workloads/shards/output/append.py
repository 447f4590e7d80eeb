"""One shard that grows by whole row groups, and is a Parquet file once it is finished.

Until then it lies under a temporary name beside its final one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from remote.workloads.durable import (
    Digest,
    HashingFile,
    closed_on_error,
    publish,
    writing_errors,
)
from remote.workloads.shards.output.encode import EncodedGroup
from remote.workloads.shards.output.footer import MAGIC, MAX_ROW_GROUPS, Footer, placed


def partial_path(final: Path) -> Path:
    """Where a shard lies until it is whole."""
    return final.with_name(f".{final.name}.partial")


@dataclass(frozen=True, slots=True)
class CheckedPrefix:
    """The first `size` bytes of an unfinished shard, and their digest."""

    size: int
    digest: Digest


def longest_prefix(partial: Path, ends: Sequence[tuple[int, str]]) -> list[CheckedPrefix]:
    """How much of an unfinished shard is as it was written.

    Args:
        ends: sizes, not decreasing, with the SHA-256 (hex) that the file had at each.

    Returns:
        One entry for each of the first ends whose digest is right.
    """
    found: list[CheckedPrefix] = []
    if not partial.exists():
        return found
    digest = hashlib.sha256()
    with partial.open("rb") as source:
        for size, expected in ends:
            _read_into(digest, source, size - source.tell())
            if source.tell() != size or digest.hexdigest() != expected:
                break
            found.append(CheckedPrefix(size, digest.copy()))
    return found


def _read_into(digest: Digest, source: BinaryIO, count: int) -> None:
    while count and (block := source.read(min(count, 1 << 20))):
        digest.update(block)
        count -= len(block)


@dataclass(frozen=True, slots=True)
class Filled:
    """How full a shard is: bytes without its footer, spectra, groups, bytes of their metadata."""

    size: int = len(MAGIC)
    rows: int = 0
    groups: int = 0
    groups_bytes: int = 0

    def with_group(self, size: int, rows: int, metadata: bytes) -> Filled:
        """With one more row group."""
        return Filled(
            self.size + size,
            self.rows + rows,
            self.groups + 1,
            self.groups_bytes + len(metadata),
        )

    def fits(self, footer: Footer, limit: int) -> bool:
        """True where it stays within `limit` bytes once it has its footer."""
        total = self.size + footer.size(self.rows, self.groups, self.groups_bytes)
        return self.groups <= MAX_ROW_GROUPS and total <= limit


class ShardFile:
    """A growing shard.

    Attributes:
        path: the name it gets when it is finished.
        rows: spectra appended.
    """

    def __init__(
        self, path: Path, footer: Footer, file: HashingFile, ids: Digest | None = None
    ) -> None:
        self.path = path
        self.rows = 0
        self._ids = ids
        self._footer = footer
        self._file = file
        self._groups: list[bytes] = []
        self._groups_bytes = 0

    @classmethod
    def create(cls, path: Path, footer: Footer) -> Self:
        """Begin an empty shard; whatever its temporary file held is gone."""
        file = HashingFile(partial_path(path))
        with closed_on_error(file):
            file.append(MAGIC)
        return cls(path, footer, file, hashlib.sha256())

    @classmethod
    def reopen(
        cls, path: Path, footer: Footer, groups: Sequence[tuple[bytes, int]], checked: CheckedPrefix
    ) -> Self:
        """Go on after `groups` (encoded metadata, rows), which end where `checked` does."""
        shard = cls(
            path,
            footer,
            HashingFile(partial_path(path), size=checked.size, digest=checked.digest),
        )
        for metadata, rows in groups:
            shard._record(metadata, rows)
        return shard

    @property
    def size(self) -> int:
        """Bytes written so far, without the footer."""
        return self._file.size

    def sha256(self) -> str:
        """The digest (hex) of everything written so far."""
        return self._file.hexdigest()

    def ids_sha256(self) -> str | None:
        """The digest (hex) of the sample ids as UTF-8 lines; None where it was gone on with."""
        return None if self._ids is None else self._ids.hexdigest()

    def place(self, group: EncodedGroup) -> bytes:
        """The encoded metadata that a group that has rows gets if it is appended next."""
        assert group.group is not None
        return placed(group.group, self.size - len(MAGIC), len(self._groups))

    def takes(self, group: EncodedGroup, metadata: bytes, limit: int) -> bool:
        """True where the shard with this group and its footer stays within `limit` bytes."""
        filled = Filled(self.size, self.rows, len(self._groups), self._groups_bytes)
        return filled.with_group(group.size, group.rows, metadata).fits(self._footer, limit)

    def append(self, group: EncodedGroup, metadata: bytes) -> None:
        """Append a group at the place that its metadata says."""
        self._file.append(*group.data)
        if self._ids is not None:
            self._ids.update(memoryview(group.ids))
        self._record(metadata, group.rows)

    def finish(self) -> None:
        """Write the footer, make the file durable, and give it its final name."""
        self._file.append(self._footer.assemble(self.rows, self._groups))
        self.sync()
        self._file.close()
        publish(partial_path(self.path), self.path)

    def sync(self) -> None:
        """Return when what was appended is on disk; a finished shard is already."""
        if not self._file.closed:
            self._file.sync()

    def close(self) -> None:
        """Leave the shard unfinished."""
        self._file.close()

    def discard(self) -> None:
        """Remove the shard: nothing came into it."""
        self._file.close()
        with writing_errors(self.path):
            partial_path(self.path).unlink(missing_ok=True)

    def _record(self, metadata: bytes, rows: int) -> None:
        self._groups.append(metadata)
        self._groups_bytes += len(metadata)
        self.rows += rows
