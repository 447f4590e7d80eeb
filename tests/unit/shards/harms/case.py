"""One way in which a dataset is harmed, and what must be said of it.

The dataset has two shards. The first one has three row groups, of 5,000, 4,993 and 1,200 spectra.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remote.workloads.shards.output.manifest import DATASET_MANIFEST, manifest_path
from tests.unit.shards.harmed_dataset import Change, agree, edit, put, rewrite, shards

Harm = Callable[[Path], object]
LONG = 7  # a row of the second row group of the first shard that has peaks enough


@dataclass(frozen=True)
class Case:
    """`text` must be in a problem of the file at that place."""

    name: str
    harm: Harm
    text: str
    file: str = "shard0"
    row_group: int | None = None
    row: int | None = None
    column: str = ""
    full: bool = False


def first(change: Change, group: int = 1, **options: Any) -> Harm:
    return lambda root: rewrite(shards(root)[0], group, change, **options)


def value(name: str, column: str, wrong: Any, text: str) -> Case:
    """One value of a row of the second row group, which only `--full` looks at."""
    harm = first(put(column, LONG, wrong))
    return Case(name, harm, text, row_group=1, row=5_000 + LONG, column=column, full=True)


def dataset(change: Callable[[dict[str, Any]], object]) -> Harm:
    return lambda root: edit(root / DATASET_MANIFEST, change)


def manifest(change: Callable[[dict[str, Any]], object], shard: int = 0) -> Harm:
    return lambda root: edit(manifest_path(shards(root)[shard]), change)


def agreed(change: Callable[[dict[str, Any]], object], shard: int = 0) -> Harm:
    """A shard's manifest, and the dataset's made to agree."""

    def harm(root: Path) -> None:
        manifest(change, shard)(root)
        agree(root)

    return harm
