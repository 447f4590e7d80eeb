"""Input files as damage, mistakes and odd tools leave them: a seeded corpus.

Each case says what may come of it, beside one clear error:

    exact    no error: the file is odd and right, and its rows are what h5py reads from it
    error    nothing: only the error is right
    truth    the rows of the file before it was damaged
    library  those, or what h5py reads from the damaged file. For bytes that nothing vouches for:
             contiguous, uncompressed and lzf data, text in heaps, and object headers of the old
             format, which have no checksum, and for where unpacked chunks lie. A flipped bit
             there may give another valid file.
    ends     anything: of such bytes, where a row is partly as before and partly as h5py reads it
"""

from __future__ import annotations

import io
import random
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from tests.unit.shards.raws import spectra

Oracle = Literal["exact", "error", "truth", "library", "ends"]
Make = Callable[[Path], None]

ROWS = 120
WIDTH = 12
SEED = 20250423
SECTOR = 512
LAYOUTS: dict[str, dict[str, Any]] = {
    "columns": {"chunks": (40, 1, 1), "compression": "gzip"},
    "rows": {"chunks": (16, 2, WIDTH), "compression": "gzip"},
    "shuffled": {"chunks": (50, 1, 2), "compression": "gzip", "shuffle": True},
    "latest": {"chunks": (40, 1, 1), "compression": "gzip"},
    "growing": {"chunks": (40, 1, 1), "compression": "gzip", "maxshape": (None, 2, None)},
    "fletcher": {"chunks": (16, 2, WIDTH), "compression": "gzip", "fletcher32": True},
    "lzf": {"chunks": (16, 2, WIDTH), "compression": "lzf"},
    "unpacked": {"chunks": (40, 1, 1)},
    "contiguous": {},
}
# Those whose every byte of peaks is under a checksum.
VOUCHED = ("columns", "rows", "shuffled", "latest", "growing", "fletcher")


@dataclass(frozen=True)
class Case:
    """One damaged file.

    Attributes:
        make: writes it.
        says: what the error must mention beside the file.
        undamaged: writes the file that "truth" is read from.
        shrink: at which report of progress the file is cut, and to which share of its size.
        kind: what it is counted as.
    """

    name: str
    make: Make
    oracle: Oracle
    says: str = ""
    undamaged: Make | None = None
    shrink: tuple[int, float] | None = None
    rows: int = field(default=ROWS)
    kind: str = ""


def healthy(path: Path, layout: str = "columns", rows: int = ROWS) -> None:
    """A sound file with every kind of column, the same bytes every time."""
    chooser = np.random.default_rng(SEED)
    options = LAYOUTS[layout]
    packed = {key: x for key, x in options.items() if key not in ("chunks", "maxshape")}
    with h5py.File(path, "w", libver="latest" if layout == "latest" else None) as file:
        file.create_dataset("spectrum", data=spectra(rows, WIDTH, seed=rows), **options)
        precursor = chooser.uniform(100, 1500, rows).astype(np.float32)
        file.create_dataset("precursor_mz", data=precursor, chunks=(50,), **packed)
        file.create_dataset("charge", data=chooser.integers(-2, 4, rows).astype(np.int8))
        file.create_dataset("RT", data=chooser.uniform(0, 3600, rows), chunks=(50,), **packed)
        names = np.array([f"MSV{row // 25:06d}.mzML" for row in range(rows)], object)
        file.create_dataset(
            "name", data=names, dtype=h5py.string_dtype(), chunks=(50,), compression="gzip"
        )
        file["adduct"] = np.array([b"[M+H]+", b"[M+Na]+"])[chooser.integers(0, 2, rows)]


@cache
def sound(layout: str, rows: int = ROWS) -> bytes:
    """The bytes of `healthy`; made under a name that nothing else has."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.hdf5"
        healthy(path, layout, rows)
        return path.read_bytes()


@cache
def regions(layout: str) -> dict[str, list[tuple[int, int]]]:
    """Byte ranges of a sound file: data, index (B-trees of chunks), heap, header (the rest)."""
    content = sound(layout)
    found: dict[str, list[tuple[int, int]]] = {"data": [], "index": [], "heap": []}
    with h5py.File(io.BytesIO(content), "r") as file:
        for dataset in file.values():
            if dataset.chunks:
                stored: list[Any] = []
                dataset.id.chunk_iter(stored.append)
                found["data"] += [(x.byte_offset, x.byte_offset + x.size) for x in stored]
            else:
                at = dataset.id.get_offset()
                found["data"].append((at, at + dataset.nbytes))
    found["index"] = list(_trees(content))
    at = content.find(b"GCOL")
    while at >= 0:
        found["heap"].append((at, at + int.from_bytes(content[at + 8 : at + 16], "little")))
        at = content.find(b"GCOL", at + 1)
    taken = sorted(span for spans in found.values() for span in spans)
    edges = [0, *(edge for span in taken for edge in span), len(content)]
    found["header"] = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
    return found


def _trees(content: bytes) -> Iterator[tuple[int, int]]:
    """The used parts of version-1 B-trees of chunks."""
    at = content.find(b"TREE")
    while at >= 0:
        if content[at + 4] == 1:
            used = int.from_bytes(content[at + 6 : at + 8], "little")
            keys = 40 if _is_cube(content, at) else 24
            yield at, at + 24 + used * (keys + 8) + keys
        at = content.find(b"TREE", at + 1)


def _is_cube(content: bytes, at: int) -> bool:
    """True for keys of three axes: chunks of a single axis begin a second key 32 bytes on."""
    second = int.from_bytes(content[at + 24 + 32 + 8 : at + 24 + 32 + 16], "little")
    return second != 50


def write(content: bytes) -> Make:
    """Write these bytes."""

    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


def truncations(places: int = 50, seed: int = SEED) -> Iterator[Case]:
    """Files that end too early, cut anywhere."""
    choose = random.Random(seed)
    for layout in ("columns", "rows", "contiguous", "latest", "lzf"):
        content = sound(layout)
        for n in range(places):
            size = choose.randrange(len(content) * n // places, len(content) * (n + 1) // places)
            yield Case(f"cut {layout} at {size}", write(content[:size]), "error")


def flips(layout: str, region: str, count: int, seed: int = SEED) -> Iterator[Case]:
    """Files with one byte changed."""
    choose = random.Random(f"{seed}{layout}{region}")
    content = sound(layout)
    places = [place for span in regions(layout)[region] for place in range(*span)]
    unknowable = region == "heap" or (region == "header" and layout != "latest")
    # An address alone says where unpacked chunks are, and any bytes are numbers.
    unknowable |= region == "index" and layout in ("unpacked", "contiguous")
    unknowable |= region == "data" and layout not in VOUCHED
    for at in choose.sample(places, min(count, len(places))):
        value = choose.choice([content[at] ^ 1 << choose.randrange(8), 0, 255])
        if value == content[at]:
            value ^= 1 << choose.randrange(8)
        damaged = content[:at] + bytes([value]) + content[at + 1 :]
        contiguous = region == "data" and _in_contiguous(layout, at)
        yield Case(
            f"flip {layout} {region} {at} {content[at]:02x}-{value:02x}",
            write(damaged),
            "library" if unknowable or contiguous else "truth",
            undamaged=write(content),
        )


def wipes(layout: str, count: int, seed: int = SEED) -> Iterator[Case]:
    """Files in which a sector holds zeros, noise, or what belongs elsewhere in the file."""
    choose = random.Random(f"{seed}{layout}")
    content = sound(layout)
    for sector in choose.sample(range(len(content) // SECTOR), count):
        at, other = sector * SECTOR, choose.randrange(len(content) // SECTOR) * SECTOR
        kind = choose.choice(["zeros", "noise", "another"])
        # Where one part is as before the damage and another as h5py reads it, no one is right.
        unknowable = layout not in VOUCHED and _touched(layout, at) >= {"index", "data"}
        found = {
            "zeros": bytes(SECTOR),
            "noise": choose.randbytes(SECTOR),
            "another": content[other : other + SECTOR],
        }[kind]
        yield Case(
            f"wipe {layout} {at} {kind}",
            write(content[:at] + found + content[at + SECTOR :]),
            "ends" if unknowable else "library",
            undamaged=write(content),
        )


def _touched(layout: str, at: int) -> set[str]:
    """The regions that a sector lies in."""
    return {
        name
        for name, spans in regions(layout).items()
        for start, stop in spans
        if start < at + SECTOR and stop > at
    }


def _in_contiguous(layout: str, at: int) -> bool:
    """True within a dataset that lies in one piece: nothing vouches for its bytes."""
    with h5py.File(io.BytesIO(sound(layout)), "r") as file:
        spans = [(x.id.get_offset(), x.nbytes) for x in file.values() if x.chunks is None]
    return any(start <= at < start + size for start, size in spans)


def shrinking(seed: int = SEED) -> Iterator[Case]:
    """Files that are cut while they are read."""
    choose = random.Random(seed)
    for layout in LAYOUTS:
        content = sound(layout, 7_000)
        for moment in range(3):
            share = choose.uniform(0.0, 0.95)
            yield Case(
                f"shrink {layout} at {moment} to {share:.2f}",
                write(content),
                "truth",
                undamaged=write(content),
                shrink=(moment, share),
                rows=7_000,
            )


def everything(seed: int = SEED) -> tuple[Case, ...]:
    """The long tier."""
    flipped = (
        case
        for layout in LAYOUTS
        for region, count in (("header", 150), ("index", 120), ("heap", 40), ("data", 40))
        for case in _kind(f"flipped {region}", flips(layout, region, count, seed))
    )
    wiped = (case for layout in LAYOUTS for case in wipes(layout, 40, seed))
    return (
        *_made(),
        *_kind("truncated", truncations(seed=seed)),
        *_kind("shrinking", shrinking(seed)),
        *flipped,
        *_kind("wiped sectors", wiped),
    )


def selection(seed: int = SEED) -> tuple[Case, ...]:
    """About 90, for every day: some of each kind."""
    choose = random.Random(seed)
    flipped = (
        case
        for layout in ("columns", "rows", "growing", "lzf")
        for region, count in (("header", 3), ("index", 3), ("heap", 1), ("data", 2))
        for case in _kind(f"flipped {region}", flips(layout, region, count, seed))
    )
    return (
        *choose.sample(list(_made()), 42),
        *_kind("truncated", choose.sample(list(truncations(seed=seed)), 7)),
        *_kind("shrinking", choose.sample(list(shrinking(seed)), 5)),
        *flipped,
        *_kind("wiped sectors", (*wipes("columns", 3, seed), *wipes("latest", 3, seed))),
    )


_ROWS_ALONE = ("flipped index", "flipped heap", "flipped data", "wiped", "shrinking", "absurd")


def damage(seed: int = SEED) -> tuple[Case, ...]:
    """Of the selection, what may concern some rows alone."""
    return tuple(case for case in selection(seed) if case.kind.startswith(_ROWS_ALONE))


TIERS: Mapping[str, Callable[[int], tuple[Case, ...]]] = {
    "selection": selection,
    "damage": damage,
    "everything": everything,
}


def _made() -> Iterator[Case]:
    """Those that no seed chooses."""
    from tests.faults.linked import linked
    from tests.faults.odd import ODD

    for kind, cases in ODD.items():
        yield from _kind(kind, cases())
    yield from _kind("links and other files", linked())


def _kind(kind: str, cases: Iterable[Case]) -> Iterator[Case]:
    return (replace(case, kind=kind) for case in cases)


def prepare(case: Case, folder: Path) -> Path:
    """Write a case's file into an empty folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / "input.hdf5"
    case.make(path)
    return path
