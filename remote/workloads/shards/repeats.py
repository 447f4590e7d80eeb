"""How many of very many 64-bit values repeat, in memory that does not grow with them.

Values are dealt out to files by a hash of them, so that equal ones meet, and counted file by
file. Few are counted where they are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from remote.workloads.durable import writing_errors

Words = npt.NDArray[np.uint64]

# Counted at a time: 64 MB, and as much again to sort them.
AT_ONCE = 1 << 23
_MIXER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Repeats:
    """Of all values.

    Attributes:
        again: values that an earlier one equals.
        shared: values that another one equals, earlier or later.
    """

    again: int = 0
    shared: int = 0

    def __add__(self, other: Repeats) -> Repeats:
        return Repeats(self.again + other.again, self.shared + other.shared)


def count_repeats(parts: Iterable[Words], total: int, folder: Path) -> Repeats:
    """Count, in one pass over the values.

    Args:
        parts: the values, each (n,) uint64.
        total: at least how many there are all together.
        folder: where there is room for them (8 bytes each) where they are many.

    Raises:
        DiskTooSmall, ResultsUnusable: see `writing_errors`.
    """
    if total <= AT_ONCE:
        return _counted(np.concatenate([np.zeros(0, np.uint64), *parts]))
    bits = (total // AT_ONCE).bit_length()
    with ExitStack() as stack, writing_errors(folder):
        files = [stack.enter_context(tempfile.TemporaryFile(dir=folder)) for _ in range(1 << bits)]
        for part in parts:
            _deal(part, files, bits)
        return sum((_counted(words) for words in _read(files)), Repeats())


def _deal(words: Words, files: Sequence[IO[bytes]], bits: int) -> None:
    places = (words * _MIXER) >> np.uint64(64 - bits)
    order = np.argsort(places, kind="stable")
    bounds = np.searchsorted(places[order], np.arange(len(files) + 1, dtype=np.uint64))
    ordered = words[order]
    for file, start, stop in zip(files, bounds[:-1], bounds[1:], strict=True):
        file.write(ordered[start:stop].tobytes())


def _read(files: Sequence[IO[bytes]]) -> Iterator[Words]:
    for file in files:
        file.seek(0)
        yield np.frombuffer(file.read(), np.uint64)


def _counted(words: Words) -> Repeats:
    ordered = np.sort(words)
    same = ordered[1:] == ordered[:-1]
    again = int(np.count_nonzero(same))
    # The first of each run of equal ones is shared as well.
    runs = int(np.count_nonzero(same & ~np.concatenate([[False], same[:-1]]))) if again else 0
    return Repeats(again, again + runs)
