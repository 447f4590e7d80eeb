"""Which files a path stands for: a dataset, a split of it, a result folder, or shards."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeAlias

from remote.errors import IntegrityFailure, ResultsUnusable, UsageError
from remote.workloads.shards.output.manifest import DATASET_MANIFEST
from remote.workloads.shards.output.versions import refuse_newer
from remote.workloads.shards.settings import SPLITS

Source: TypeAlias = str | PathLike[str] | Iterable[str | PathLike[str]]


def find_shards(source: Source, split: str | None = None) -> tuple[Path, ...]:
    """The shards in order: those that the dataset manifest lists, or else what lies there.

    Args:
        source: a folder with a dataset (a run's result folder is one), a folder of one split, a
            shard, or several of these.
        split: only the shards of this one.

    Raises:
        UsageError: there is no such split.
        ResultsUnusable: there are no shards, or a newer version listed them.
        IntegrityFailure: a shard that the manifest lists is missing, or it cannot be read.
    """
    if split is not None and split not in SPLITS:
        raise UsageError(f"There is no split {split!r}.", hint=f"Known are: {', '.join(SPLITS)}.")
    paths = [source] if isinstance(source, str | PathLike) else list(source)
    found = tuple(shard for path in paths for shard in _shards(Path(fspath(path)), split))
    if not found:
        where = ", ".join(fspath(path) for path in paths) or "no path"
        raise ResultsUnusable(
            f"There are no shards{f' of the split {split}' if split else ''} in {where}.",
            hint="Name a folder that `msms build-shards` finished, or a shard.",
        )
    return found


def _shards(path: Path, split: str | None) -> Iterator[Path]:
    if path.is_dir():
        yield from (
            _listed(path, split) if (path / DATASET_MANIFEST).is_file() else _lying(path, split)
        )
    elif path.is_file():
        if split is None or path.parent.name == split:
            yield path
    else:
        raise ResultsUnusable(
            f"{path} does not exist.", hint="Name a dataset's folder, or a shard."
        )


def _listed(root: Path, split: str | None) -> Iterator[Path]:
    for file in _files(root / DATASET_MANIFEST):
        path = root / file
        if split is not None and path.parent.name != split:
            continue
        if not path.is_file():
            raise IntegrityFailure(
                f"{path} is missing: {DATASET_MANIFEST} lists it.",
                hint=f"`msms validate-shards {root}` names all that is missing or damaged.",
            )
        yield path


def _files(manifest: Path) -> list[str]:
    try:
        record: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        if isinstance(record, dict):
            refuse_newer(record.get("version"), str(manifest))
        return [str(shard["file"]) for shard in record["shards"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityFailure(
            f"{manifest} cannot be read: {error!r}.",
            hint="Build the dataset again, or fetch it again.",
        ) from error


def _lying(folder: Path, split: str | None) -> Iterator[Path]:
    """Shards of a folder without a manifest: its own, then those of its splits."""
    if split in (None, folder.name):
        yield from sorted(folder.glob("shard_*.parquet"))
    for name in SPLITS:
        if split in (None, name):
            yield from sorted((folder / name).glob("shard_*.parquet"))
