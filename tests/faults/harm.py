"""Sound files with damage of which the rows are known: what `--skip-damaged` has to leave out.

flip      a byte of a packed chunk           the rows of that chunk
astray    a chunk's address, beyond the end  the rows of that chunk
lost      a chunk that was never written     the rows of that chunk
range     values that do not fit             those rows
heap      a heap of names without its mark   the rows that refer to it
cut       a file that ends within a chunk     the rows of what is after its end
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.faults.damaged import LAYOUTS, healthy
from tests.unit.shards.raws import spectra

ROWS = 5_300
WIDTH = 12
# Where a superblock of version 0 says that the file ends.
_END = slice(40, 48)
_VOUCHED = ("columns", "rows", "shuffled", "growing", "fletcher")
Lost = dict[str, set[int]]


@dataclass(frozen=True)
class Harmed:
    """A damaged file and the rows that it lost, by dataset."""

    path: Path
    lost: Lost

    @property
    def rows(self) -> set[int]:
        """Rows that are damaged in any dataset."""
        return set().union(*self.lost.values())


@cache
def _sound(layout: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.hdf5"
        healthy(path, layout, ROWS)
        return path.read_bytes()


def sound(path: Path, layout: str) -> Path:
    """The file before the damage."""
    path.write_bytes(_sound(layout))
    return path


def harmed(path: Path, layout: str, seed: int) -> Harmed:
    """The file with one to three kinds of damage."""
    choose = random.Random(f"{seed}{layout}")
    sound(path, layout)
    lost: Lost = {}
    kinds = choose.sample(sorted(_kinds(layout)), choose.randint(1, 3))
    for kind in sorted(kinds, key=_ORDER.index):
        for dataset, rows in _HARMS[kind](path, layout, choose):
            lost.setdefault(dataset, set()).update(rows)
    return Harmed(path, lost)


def _kinds(layout: str) -> set[str]:
    chunked = {"lost", "flip"} if layout != "contiguous" else set[str]()
    astray = {"astray"} if layout in ("columns", "rows", "shuffled", "unpacked") else set[str]()
    return {"range", "heap", "flip"} | chunked | astray


def _flip(path: Path, layout: str, choose: random.Random) -> Iterator[tuple[str, set[int]]]:
    """Peaks where a checksum vouches for them, else the names' references."""
    name = choose.choice(["spectrum", "RT", "name"] if layout in _VOUCHED else ["name"])
    at, rows, size = choose.choice(_chunks(path, name))
    content = bytearray(path.read_bytes())
    content[at + choose.randrange(2, size)] ^= 1 << choose.randrange(8)
    path.write_bytes(content)
    yield name, rows


def _chunks(path: Path, name: str) -> list[tuple[int, set[int], int]]:
    """Of each chunk: where it lies, its rows, its size."""
    with h5py.File(path, "r") as file:
        dataset, stored = file[name], list[Any]()
        dataset.id.chunk_iter(stored.append)
        step, end = dataset.chunks[0], dataset.shape[0]
        return [
            (
                x.byte_offset,
                set(range(x.chunk_offset[0], min(end, x.chunk_offset[0] + step))),
                x.size,
            )
            for x in stored
        ]


def _astray(path: Path, layout: str, choose: random.Random) -> Iterator[tuple[str, set[int]]]:
    at, rows, _ = choose.choice(_chunks(path, "spectrum"))
    content, wanted = path.read_bytes(), at.to_bytes(8, "little")
    assert content.count(wanted) == 1
    path.write_bytes(content.replace(wanted, (1 << 40).to_bytes(8, "little")))
    yield "spectrum", rows


def _lost(path: Path, layout: str, choose: random.Random) -> Iterator[tuple[str, set[int]]]:
    """The peaks again, but for one chunk."""
    step = LAYOUTS[layout]["chunks"][0]
    gap = choose.randrange(ROWS // step) * step
    with h5py.File(path, "a") as file:
        values, kept = file["spectrum"][...], file["spectrum"]
        options = {"chunks": kept.chunks, "maxshape": kept.maxshape}
        packing = {k: v for k, v in LAYOUTS[layout].items() if k not in options}
        del file["spectrum"]
        made = file.create_dataset("spectrum", values.shape, "f8", **options, **packing)
        made[:gap] = values[:gap]
        made[gap + step :] = values[gap + step :]
    yield "spectrum", set(range(gap, min(ROWS, gap + step)))


def _range(path: Path, layout: str, choose: random.Random) -> Iterator[tuple[str, set[int]]]:
    """A charge of 300 here and there, in a dataset of wider numbers."""
    rows = set(choose.sample(range(ROWS), 3))
    first = choose.randrange(ROWS - 40)
    rows |= set(range(first, first + choose.randrange(40)))
    with h5py.File(path, "a") as file:
        values = file["charge"][...].astype("i4")
        values[sorted(rows)] = 300
        del file["charge"]
        file["charge"] = values
    yield "charge", rows


def _heap(path: Path, layout: str, choose: random.Random) -> Iterator[tuple[str, set[int]]]:
    content = bytearray(path.read_bytes())
    found: list[int] = []
    at = content.find(b"GCOL")
    while at >= 0:
        found.append(at)
        at = content.find(b"GCOL", at + 1)
    at = choose.choice(found)
    content[at : at + 4] = b"GCOX"
    path.write_bytes(content)
    yield "name", _unreadable(path, "name")


def _unreadable(path: Path, name: str) -> set[int]:
    """The rows that h5py cannot read one at a time."""
    rows: set[int] = set()
    with h5py.File(path, "r") as file:
        for row in range(ROWS):
            try:
                file[name][row]
            except OSError:
                rows.add(row)
    return rows


def cut_in_a_chunk(path: Path, step: int, chunks: int, held: int) -> Path:
    """Peaks in `chunks` chunks of `step` rows; the file holds `held` and part of another.

    It says that it ends there, as `h5clear --increment` makes it say: the library opens it.
    """
    rows = step * chunks
    with h5py.File(path, "w") as file:
        file["precursor_mz"] = np.full(rows, 400.0)
        made = file.create_dataset(
            "spectrum", (rows, 2, WIDTH), "f8", chunks=(step, 2, WIDTH), compression="gzip"
        )
        made[:step] = 1
        file.flush()
        made[...] = spectra(rows, WIDTH, 3)
    places = sorted((at, min(inside)) for at, inside, _ in _chunks(path, "spectrum"))
    assert [row for _, row in places[held:]] == [n * step for n in range(held, chunks)]
    end = places[held][0] + 100
    content = bytearray(path.read_bytes()[:end])
    content[_END] = end.to_bytes(8, "little")
    path.write_bytes(content)
    return path


_HARMS: dict[str, Callable[..., Iterator[tuple[str, set[int]]]]] = {
    "lost": _lost,
    "range": _range,
    "heap": _heap,
    "flip": _flip,
    "astray": _astray,
}
# What is made with the library comes before what it could no longer read.
_ORDER = list(_HARMS)
