"""What no sharding can do without: inflate every chunk, hash the input, write and hash the output.

Nothing is cleaned or encoded; what is written is as large as the shards. Gzip is inflated by
libdeflate, contiguous data is read, anything else goes through h5py, as in a build.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import deflate
import h5py

from benchmarks.sharding.inputs import tasks_of
from benchmarks.sharding.timing import Measured, timed
from remote.workloads.shards.inputs.storage import DataFile, stored_item_bytes

_PIECE_BYTES = 8 << 20
_PIECE_CHUNKS = 64
_WRITE_BYTES = 2 << 20

Job = Callable[[], object]


@dataclass(frozen=True)
class Floor:
    """The floor of one input, whose shards have `output_bytes`."""

    path: Path
    rows: int
    output_bytes: int
    scratch: Path

    def __call__(self, threads: int) -> Measured:
        """Do it with this many threads."""
        target = self.scratch / "floor"

        def work() -> tuple[int, int]:
            with DataFile(self.path) as file, ThreadPoolExecutor(threads) as pool:
                jobs = [self._hash, lambda: self._write(target), *_readings(file)]
                for done in [pool.submit(job) for job in jobs]:
                    done.result()
            return self.rows, self.output_bytes

        measured = timed(work)
        target.unlink()
        return measured

    def _hash(self) -> None:
        digest = hashlib.sha256()
        with self.path.open("rb", buffering=0) as source:
            while block := source.read(1 << 20):
                digest.update(block)

    def _write(self, target: Path) -> None:
        digest, block = hashlib.sha256(), os.urandom(_WRITE_BYTES)
        with target.open("wb", buffering=0) as sink:
            for start in range(0, self.output_bytes, _WRITE_BYTES):
                part = memoryview(block)[: self.output_bytes - start]
                digest.update(part)
                sink.write(part)
            os.fsync(sink.fileno())


def _readings(file: DataFile) -> Iterator[Job]:
    for name in file.hdf5:
        yield from _reading(file, file.hdf5[name])


def _reading(file: DataFile, dataset: Any) -> Iterator[Job]:
    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
    if not dataset.chunks:
        size, offset = dataset.id.get_storage_size(), file.start_of(dataset)
        for start, stop in tasks_of(size, _PIECE_BYTES):
            yield _read(file, offset + start, stop - start)
    elif filters == [h5py.h5z.FILTER_DEFLATE]:
        chunks: list[Any] = []
        dataset.id.chunk_iter(chunks.append)
        raw_size = math.prod(dataset.chunks) * stored_item_bytes(dataset)
        places = iter(sorted((x.byte_offset, x.size) for x in chunks))
        while some := list(islice(places, _PIECE_CHUNKS)):
            yield _inflate(file, some, raw_size)
    else:
        for start, stop in tasks_of(len(dataset), dataset.chunks[0] * _PIECE_CHUNKS):
            yield _unpack(dataset, start, stop)


def _read(file: DataFile, offset: int, size: int) -> Job:
    return lambda: file.pread(size, offset)


def _inflate(file: DataFile, places: Sequence[tuple[int, int]], raw_size: int) -> Job:
    def work() -> None:
        for offset, size in places:
            deflate.zlib_decompress(file.pread(size, offset), raw_size)

    return work


def _unpack(dataset: Any, start: int, stop: int) -> Job:
    return lambda: dataset[start:stop]
