"""How many of very many 64-bit values repeat, or are in several splits; in bounded memory.

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

# Counted at a time: 64 MB, and what it takes to compare them.
AT_ONCE = 1 << 23
BYTES_PER_VALUE = 12
_MIXER = np.uint64(0x9E3779B97F4A7C15)
_SPLIT_BITS = 2


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


@dataclass(frozen=True, slots=True)
class Shared:
    """Of values that are in splits.

    Attributes:
        groups: different values.
        several: those that are in more than one split.
        values: how many of all values, by split, are such.
        largest: the most values that are equal.
    """

    groups: int = 0
    several: int = 0
    values: tuple[int, ...] = (0,) * (1 << _SPLIT_BITS)
    largest: int = 0

    def __add__(self, other: Shared) -> Shared:
        return Shared(
            self.groups + other.groups,
            self.several + other.several,
            tuple(a + b for a, b in zip(self.values, other.values, strict=True)),
            max(self.largest, other.largest),
        )


def count_repeats(parts: Iterable[Words], total: int, folder: Path) -> Repeats:
    """Count, in one pass over the values.

    Args:
        parts: the values, each (n,) uint64.
        total: at least how many there are all together.
        folder: where there is room for them (8 bytes each) where they are many.

    Raises:
        DiskTooSmall, ResultsUnusable: see `writing_errors`.
    """
    return sum(map(_repeats, _dealt(parts, total, folder, 0)), Repeats())


def count_shared(parts: Iterable[tuple[int, Words]], total: int, folder: Path) -> Shared:
    """What splits have in common; as `count_repeats`, each part with the index of its split.

    Two bits of a value make room for the split: values that differ in them alone count as equal.
    """
    mask = np.uint64((1 << _SPLIT_BITS) - 1)
    tagged = (words & ~mask | np.uint64(split) for split, words in parts)
    return sum(map(_shared, _dealt(tagged, total, folder, _SPLIT_BITS)), Shared())


def _dealt(parts: Iterable[Words], total: int, folder: Path, ignored: int) -> Iterator[Words]:
    """All values in pieces; those that are equal but for the `ignored` last bits are in one."""
    if total <= AT_ONCE:
        yield _gathered(parts, total)
        return
    bits = (total // AT_ONCE).bit_length()
    with ExitStack() as stack, writing_errors(folder):
        files = [stack.enter_context(tempfile.TemporaryFile(dir=folder)) for _ in range(1 << bits)]
        for part in parts:
            _deal(part, files, bits, ignored)
        yield from _read(files)


def _gathered(parts: Iterable[Words], total: int) -> Words:
    """All in one array, without two of everything for a moment."""
    words, count = np.empty(total, np.uint64), 0
    for part in parts:
        words[count : count + len(part)] = part
        count += len(part)
    return words[:count]


def _deal(words: Words, files: Sequence[IO[bytes]], bits: int, ignored: int) -> None:
    places = ((words >> np.uint64(ignored)) * _MIXER) >> np.uint64(64 - bits)
    order = np.argsort(places, kind="stable")
    bounds = np.searchsorted(places[order], np.arange(len(files) + 1, dtype=np.uint64))
    ordered = words[order]
    for file, start, stop in zip(files, bounds[:-1], bounds[1:], strict=True):
        file.write(ordered[start:stop].tobytes())


def _read(files: Sequence[IO[bytes]]) -> Iterator[Words]:
    for file in files:
        file.seek(0)
        yield np.fromfile(file, np.uint64)


def _repeats(words: Words) -> Repeats:
    words.sort()
    same = words[1:] == words[:-1]
    again = int(np.count_nonzero(same))
    # The first of each run of equal ones is shared as well.
    runs = int(np.count_nonzero(same & ~np.concatenate([[False], same[:-1]]))) if again else 0
    return Repeats(again, again + runs)


def _shared(words: Words) -> Shared:
    if not len(words):
        return Shared()
    words.sort()
    values, splits = words >> np.uint64(_SPLIT_BITS), words & np.uint64((1 << _SPLIT_BITS) - 1)
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    lengths = np.diff(np.append(starts, len(words)))
    several = splits[starts] != splits[starts + lengths - 1]
    concerned = splits[np.repeat(several, lengths)].astype(np.intp)
    counts = np.bincount(concerned, minlength=1 << _SPLIT_BITS)
    return Shared(len(starts), int(several.sum()), tuple(counts.tolist()), int(lengths.max()))
