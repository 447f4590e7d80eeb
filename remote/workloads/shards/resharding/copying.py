"""The shards of one split made anew, of the row groups that others hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from remote.errors import IntegrityFailure
from remote.workloads.durable import json_bytes, make_directory, sha256_file, write_atomic
from remote.workloads.shards.output.append import ShardFile
from remote.workloads.shards.output.encode import EncodedGroup
from remote.workloads.shards.output.footer import Footer
from remote.workloads.shards.output.manifest import ShardNames, read_manifest
from remote.workloads.shards.resharding.origin import Origin, Part
from remote.workloads.shards.resharding.packing import Packed, Packer
from remote.workloads.shards.resharding.records import shard_record
from remote.workloads.shards.tasks import in_order
from remote.workloads.shards.validation.records import Record, ShardRecord

# Row groups read before their turn to be written.
_AHEAD = 4
Passed = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Closed:
    """A shard that has its name and waits for its manifest."""

    index: int
    sha256: str
    held: Sequence[Packed]


def origins(shards: Sequence[ShardRecord], first: int = 0) -> Iterator[Origin]:
    """The shards of a split from the `first` one on, opened when their turn comes.

    Raises:
        IntegrityFailure: one is not what its manifest says, or has other columns than the others.
    """
    known: bytes | None = None
    for number, shard in enumerate(shards):
        if number < first:
            continue
        origin = Origin.opened(number, shard)
        own = origin.footer.assemble(0, ())
        if known is not None and own != known:
            raise IntegrityFailure(
                f"{shard.path}: its columns or metadata are not those of the shards before it.",
                hint="Shards of one dataset have the same: fetch it again.",
            )
        known = own
        yield origin


class SplitCopy:
    """Copies one split."""

    def __init__(
        self,
        shards: Sequence[ShardRecord],
        names: ShardNames,
        limit: int,
        run: Record,
        passed: Passed,
    ) -> None:
        """Go on after the shards that are there with their manifests.

        Args:
            shards: those of the split, in order.
            names: of the shards that are made.
            run: the `run` block of their manifests.
            passed: is told of spectra that are done, and of shards begun.
        """
        self._shards = shards
        self._names = names
        self._limit = limit
        self._run = run
        self._passed = passed
        self._shard: ShardFile | None = None
        self._held: list[Packed] = []
        self._closed: list[_Closed] = []
        self.manifests: list[dict[str, Any]] = list(_kept(names))

    def __call__(self) -> None:
        """Copy what is left.

        Raises:
            IntegrityFailure: something that is read is not what was recorded of it.
            DiskTooSmall, ResultsUnusable: see `writing_errors`.
        """
        make_directory(self._names.folder)
        self._passed(sum(x["num_samples"] for x in self.manifests), len(self.manifests))
        try:
            self._copy()
        finally:
            if self._shard is not None:
                self._shard.close()

    def _copy(self) -> None:
        done = sum(len(manifest["row_groups"]) for manifest in self.manifests)
        first = 0
        while first < len(self._shards) and done >= self._groups(first):
            done -= self._groups(first)
            first += 1
        pack: Packer | None = None
        for origin, part, data in _read(origins(self._shards, first)):
            if done:  # is in a shard that is there; read for the digest alone
                done -= 1
            else:
                pack = pack or Packer(origin.footer, self._limit, len(self.manifests))
                self._append(pack(part), data, origin.footer)
            if part is origin.parts[-1]:
                origin.verify()
                self._record()
        self._close()
        self._record()

    def _groups(self, number: int) -> int:
        manifest = self._shards[number].manifest
        assert manifest is not None
        return len(manifest["row_groups"])

    def _append(self, one: Packed, data: bytes, footer: Footer) -> None:
        if self._held and one.shard != self._held[-1].shard:
            self._close()
        if self._shard is None:
            self._shard = ShardFile.create(self._names.shard(one.shard), footer)
        self._shard.append(_encoded(one.part, data), one.metadata)
        self._held.append(one)
        self._passed(one.part.rows, one.shard + 1)

    def _close(self) -> None:
        if self._shard is not None:
            self._shard.finish()
            self._closed.append(_Closed(self._held[0].shard, self._shard.sha256(), self._held))
            self._shard, self._held = None, []

    def _record(self) -> None:
        """Write the manifests of shards of which all has been verified."""
        for closed in self._closed:
            parent = self._shards[closed.held[0].part.origin].manifest
            assert parent is not None
            path = self._names.shard(closed.index)
            manifest = shard_record(
                parent, path, closed.index, closed.sha256, closed.held, self._run
            )
            write_atomic(self._names.manifest(closed.index), json_bytes(manifest))
            self.manifests.append(manifest)
        self._closed = []


def _kept(names: ShardNames) -> Iterator[dict[str, Any]]:
    """The manifests of shards that are whole, from the first one on; the others are removed."""
    index = 0
    while names.manifest(index).is_file() and names.shard(index).is_file():
        manifest = read_manifest(names.manifest(index))
        if manifest["checksum"] != f"sha256:{sha256_file(names.shard(index))}":
            break
        yield manifest
        index += 1


def _read(opened: Iterator[Origin]) -> Iterator[tuple[Origin, Part, bytes]]:
    """All row groups in order; one thread reads ahead, so that digests see them in order."""
    with ThreadPoolExecutor(1, thread_name_prefix="reshard-read") as pool:
        groups = ((origin, part) for origin in opened for part in origin.parts)
        yield from in_order(lambda one: pool.submit(_one, *one), groups, _AHEAD)


def _one(origin: Origin, part: Part) -> tuple[Origin, Part, bytes]:
    return origin, part, origin.read(part)


def _encoded(part: Part, data: bytes) -> EncodedGroup:
    """The group as the growing shard wants it; what only a build needs is left empty."""
    return EncodedGroup(
        input_index=0,
        row_start=0,
        row_stop=0,
        rows=part.rows,
        data=(pa.py_buffer(data),),
        ids=pa.py_buffer(b""),
        group=part.group,
        first_id="",
        last_id="",
        precursor_mz=None,
        stats={},
        fingerprints=np.zeros(0, np.uint64),
    )
