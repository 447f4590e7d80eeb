"""Files that are damaged, missing, or in each other's place."""

from __future__ import annotations

import shutil
from pathlib import Path

from remote.workloads.shards.output.manifest import DATASET_MANIFEST
from remote.workloads.shards.validation.stored import Stored
from tests.unit.shards.harmed_dataset import edit, flip, shards
from tests.unit.shards.harms.case import Case, Harm, first


def page(column: str, group: int) -> Harm:
    """A bit in the last page of a column chunk."""

    def harm(root: Path) -> None:
        stored = Stored.opened(shards(root)[0])
        chunk = next(x for x in stored.chunks[group] if x.column.startswith(column))
        flip(stored.path, chunk.stop - 3, 4)

    return harm


def header(root: Path) -> None:
    """In the size of a page as it is unpacked, of which no checksum knows."""
    stored = Stored.opened(shards(root)[0])
    flip(stored.path, stored.chunks[0][0].start + 3, 0)


def swap(root: Path) -> None:
    one, other = shards(root)[:2]
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def longer(root: Path) -> None:
    shards(root)[0].write_bytes(shards(root)[0].read_bytes() + b"\0")


def unlisted(root: Path) -> None:
    edit(root / DATASET_MANIFEST, lambda x: x["shards"].pop())


FILES = [
    Case(
        "bit in a page",
        page("precursor_mz", 1),
        "page 0 is damaged",
        row_group=1,
        column="precursor_mz",
    ),
    Case("bit in a page of peaks", page("mzs", 2), "is damaged", row_group=2, column="mzs"),
    Case("bit in a page's header", header, "its SHA-256 is not the recorded one"),
    Case("bit in the footer", lambda r: flip(shards(r)[0], -400), "SHA-256"),
    Case("bit in the footer's length", lambda r: flip(shards(r)[0], -7, 2), "cannot be read"),
    Case("bit in the magic", lambda r: flip(shards(r)[0], -1), "cannot be read"),
    Case(
        "cut short",
        lambda r: shards(r)[0].write_bytes(shards(r)[0].read_bytes()[:-3]),
        "bytes, not",
    ),
    Case("longer", longer, "bytes, not"),
    Case("empty", lambda r: shards(r)[0].write_bytes(b""), "cannot be read"),
    Case("no Parquet", lambda r: shards(r)[0].write_text("{}" * 99), "cannot be read"),
    Case("missing", lambda r: shards(r)[0].unlink(), "is missing"),
    Case("swapped", swap, "SHA-256"),
    Case(
        "extra",
        lambda r: shutil.copy(shards(r)[0], r / "train" / "shard_x_00000.parquet"),
        "not in",
        "train/shard_x_00000.parquet",
    ),
    Case("unlisted", unlisted, "not in", "shard1"),
    Case(
        "without page checksums",
        first(lambda t: t, write_page_checksum=False),
        "has no checksum",
        row_group=0,
        column="sample_id",
    ),
]
