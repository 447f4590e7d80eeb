"""One shard that grows by whole row groups, and is a Parquet file once it is finished.

Until then it lies under a temporary name beside its final one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from remote.errors import IntegrityFailure
from remote.workloads.durable import HashingFile, file_blocks, publish
from remote.workloads.shards.encode import EncodedGroup
from remote.workloads.shards.footer import MAGIC, MAX_ROW_GROUPS, Footer, placed
from remote.workloads.shards.thrift import Struct


def partial_path(final: Path) -> Path:
    """Where a shard lies until it is whole."""
    return final.with_name(f".{final.name}.partial")


class ShardFile:
    """A growing shard.

    Attributes:
        path: the name it gets when it is finished.
        rows: spectra appended.
    """

    def __init__(self, path: Path, footer: Footer, file: HashingFile) -> None:
        self.path = path
        self.rows = 0
        self._footer = footer
        self._file = file
        self._groups: list[bytes] = []
        self._groups_bytes = 0

    @classmethod
    def create(cls, path: Path, footer: Footer) -> Self:
        """Begin an empty shard; whatever its temporary file held is gone."""
        file = HashingFile(partial_path(path))
        file.append(MAGIC)
        return cls(path, footer, file)

    @classmethod
    def reopen(
        cls, path: Path, footer: Footer, groups: Sequence[tuple[bytes, int]], size: int, sha256: str
    ) -> Self:
        """Go on after `groups` (encoded metadata, rows), which end at `size`.

        Raises:
            IntegrityFailure: the bytes on disk are not the ones that `sha256` was taken of.
        """
        partial = partial_path(path)
        digest = hashlib.sha256()
        for block in file_blocks(partial, size):
            digest.update(block)
        if digest.hexdigest() != sha256:
            raise IntegrityFailure(
                f"{partial} is not what the journal says: its first {size} bytes differ.",
                hint="The file was changed or damaged; build again into another directory.",
            )
        shard = cls(path, footer, HashingFile(partial, size=size, digest=digest))
        for group, rows in groups:
            shard._record(group, rows)
        return shard

    @property
    def size(self) -> int:
        """Bytes written so far, without the footer."""
        return self._file.size

    def sha256(self) -> str:
        """The digest (hex) of everything written so far."""
        return self._file.hexdigest()

    def takes(self, group: EncodedGroup, limit: int) -> bool:
        """True where the shard with this group and its footer stays within `limit` bytes."""
        if len(self._groups) == MAX_ROW_GROUPS:
            return False
        metadata = len(self._placed(group))
        footer = self._footer.size(
            self.rows + group.rows, len(self._groups) + 1, self._groups_bytes + metadata
        )
        return self.size + group.data.size + footer <= limit

    def append(self, group: EncodedGroup) -> bytes:
        """Append a group that has rows; return its encoded metadata."""
        metadata = self._placed(group)
        self._file.append(memoryview(group.data))
        self._record(metadata, group.rows)
        return metadata

    def finish(self) -> None:
        """Write the footer, make the file durable, and give it its final name."""
        self._file.append(self._footer.assemble(self.rows, self._groups))
        self.sync()
        self._file.close()
        publish(partial_path(self.path), self.path)

    def sync(self) -> None:
        """Return when what was appended is on disk."""
        self._file.sync()

    def close(self) -> None:
        """Leave the shard unfinished."""
        self._file.close()

    def _placed(self, group: EncodedGroup) -> bytes:
        assert isinstance(group.group, Struct)
        return placed(group.group, self.size - len(MAGIC), len(self._groups))

    def _record(self, metadata: bytes, rows: int) -> None:
        self._groups.append(metadata)
        self._groups_bytes += len(metadata)
        self.rows += rows
