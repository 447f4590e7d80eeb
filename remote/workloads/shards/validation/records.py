"""The manifests of a dataset as they lie on disk: whole, of a known version, with every key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from remote.errors import ResultsUnusable
from remote.workloads.shards.output.manifest import (
    DATASET_MANIFEST,
    QUALITY_REPORT,
    manifest_path,
    read_manifest,
)
from remote.workloads.shards.output.versions import refuse_newer
from remote.workloads.shards.quality.files import refuse_newer_report
from remote.workloads.shards.validation.problems import Problem

Record = Mapping[str, Any]
_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
}

_DATASET: Mapping[str, type] = {
    "dataset": str,
    "version": int,
    "shards": list,
    "dataset_hash": str,
    "num_shards": int,
    "num_samples": int,
    "total_bytes": int,
    "splits": dict,
    "hdf5_hashes": dict,
    "sample": str,
    "counts": dict,
    "inputs": list,
    "preprocessing": dict,
    "schema": dict,
    "damaged_ranges": list,
    "status": str,
    "config_hash": str,
    "run": dict,
}
_ENTRY: Mapping[str, type] = {
    "file": str,
    "num_samples": int,
    "file_size_bytes": int,
    "checksum": str,
}
_INPUT: Mapping[str, type] = {"name": str, "sha256": str, "rows": int}
_COUNTS: Mapping[str, type] = {
    **dict.fromkeys(("read", "written", "attrition", "integrity", "damaged"), int),
    "dropped": dict,
}
_RULES: Mapping[str, type] = {
    "normalize_intensities": bool,
    "sort_mz": bool,
    "min_peaks": int,
    "max_precursor_mz": float,
    "mz_precision": str,
}
_SCHEMA: Mapping[str, type] = {"version": int, "columns": list, "left_out": list}
_FIELD: Mapping[str, type] = {"name": str, "type": str, "nullable": bool}
_DAMAGED: Mapping[str, type] = {"input": str, "row_start": int, "row_stop": int}
_SHARD: Mapping[str, type] = {
    "dataset": str,
    "split": str,
    "shard_index": int,
    "file": str,
    "num_samples": int,
    "schema_version": int,
    "checksum": str,
    "file_size_bytes": int,
    "first_sample_id": str,
    "last_sample_id": str,
    "source_ranges": list,
    "dropped": dict,
    "row_groups": list,
    "min_precursor_mz": float,
    "max_precursor_mz": float,
    "sample_ids_sha256": str,
    "config_digest": str,
    "run": dict,
}
_RANGE: Mapping[str, type] = {"input": str, "row_start": int, "row_stop": int}
_GROUP: Mapping[str, type] = {
    "offset": int,
    "bytes": int,
    "rows": int,
    "input": str,
    "row_start": int,
    "dropped": dict,
}
_RANKING: Mapping[str, type] = {
    "scored": int,
    "unscored": dict,
    "not_asked": int,
    "scores_file": str,
    "scores_sha256": str,
}
_REPORTED: Mapping[str, type] = {"dataset_hash": str, "num_shards": int, "num_samples": int}
_PARTS: Mapping[str, Mapping[str, type]] = {
    "counts": _COUNTS,
    "preprocessing": _RULES,
    "schema": _SCHEMA,
    "ranking": _RANKING,
}


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """A shard as the manifests tell of it.

    Attributes:
        file: its path relative to the dataset's root.
        entry: what the dataset manifest says.
        manifest: its own one; None where that cannot be read.
    """

    file: str
    path: Path
    entry: Record
    manifest: Record | None

    @property
    def manifest_file(self) -> str:
        """The manifest's path relative to the dataset's root."""
        return manifest_name(self.file)


@dataclass(frozen=True, slots=True)
class Records:
    """All manifests of a dataset, with what is wrong with them as such.

    Attributes:
        dataset: None where the dataset manifest cannot be read; then there are no shards.
        report: the quality report, None where that cannot be read.
    """

    root: Path
    dataset: Record | None
    report: Record | None
    shards: tuple[ShardRecord, ...]
    problems: tuple[Problem, ...]


def manifest_name(file: str) -> str:
    """The manifest of a shard, by the shard's file."""
    return manifest_path(Path(file)).as_posix()


def read_records(root: Path) -> Records:
    """Read every manifest of the dataset in `root`.

    Raises:
        ResultsUnusable: there is no dataset, or one of a newer schema version.
    """
    path = root / DATASET_MANIFEST
    if not path.is_file():
        unfinished = any(root.glob("checkpoints/*"))
        raise ResultsUnusable(
            f"{root} holds no {DATASET_MANIFEST}"
            + (": what was begun there is not finished." if unfinished else "."),
            hint="Name a directory that `msms build-shards` finished.",
        )
    dataset, problems = _read(path, DATASET_MANIFEST, "version", _dataset_misfits)
    if dataset is None:
        return Records(root, None, None, (), problems)
    shards: list[ShardRecord] = []
    for entry in dataset["shards"]:
        file = str(entry["file"])
        name = manifest_name(file)
        manifest, found = _read(root / name, name, "schema_version", _shard_misfits)
        problems += found
        shards.append(ShardRecord(file, root / file, entry, manifest))
    report, found = _read(root / QUALITY_REPORT, QUALITY_REPORT, "schema_version", _report_misfits)
    return Records(root, dataset, report, tuple(shards), (*problems, *found))


def _read(
    path: Path, name: str, version: str, misfits: Any
) -> tuple[dict[str, Any] | None, tuple[Problem, ...]]:
    try:
        record: object = read_manifest(path)
    except FileNotFoundError:
        return None, (Problem(name, "is missing"),)
    except OSError as error:
        return None, (Problem(name, f"cannot be read: {error.strerror}"),)
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON
        return None, (Problem(name, f"is no JSON: {error}"),)
    if not isinstance(record, dict):
        return None, (Problem(name, "is no JSON object"),)
    refuse_newer(record.get(version), str(path))
    if name == QUALITY_REPORT:
        refuse_newer_report(path, record)
    found = tuple(Problem(name, text) for text in misfits(record))
    return (None if found else record), found


def _dataset_misfits(record: Record) -> Iterator[str]:
    yield from _misfits(record, _DATASET)
    yield from _each(record, "shards", _ENTRY)
    yield from _each(record, "inputs", _INPUT)
    yield from _each(record, "damaged_ranges", _DAMAGED)
    if "ranking" in record:
        yield from _misfits(record, {"ranking": dict})
    for name, wanted in _PARTS.items():
        if isinstance(record.get(name), dict):
            yield from _misfits(record[name], wanted, f"{name}.")
            if name == "schema":
                yield from _each(record[name], "columns", _FIELD, "schema.")
    for entry in record.get("shards") or ():
        file = entry.get("file") if isinstance(entry, dict) else None
        if isinstance(file, str) and not _inside(file):
            yield f"shards names {json.dumps(file)}, which is no shard of this dataset"


def _shard_misfits(record: Record) -> Iterator[str]:
    yield from _misfits(record, _SHARD)
    yield from _each(record, "source_ranges", _RANGE)
    yield from _each(record, "row_groups", _GROUP)


def _report_misfits(record: Record) -> Iterator[str]:
    yield from _misfits(record, {"dataset": dict, "overall": str})
    if isinstance(record.get("dataset"), dict):
        yield from _misfits(record["dataset"], _REPORTED, "dataset.")


def _inside(file: str) -> bool:
    parts = PurePosixPath(file).parts
    return len(parts) == 2 and ".." not in parts and file.endswith(".parquet") and parts[0] != "/"


def _each(record: Record, name: str, wanted: Mapping[str, type], above: str = "") -> Iterator[str]:
    items = record.get(name)
    for place, item in enumerate(items if isinstance(items, list) else ()):
        where = f"{above}{name}[{place}]"
        if isinstance(item, dict):
            yield from _misfits(item, wanted, f"{where}.")
        else:
            yield f"{where} is {json.dumps(item)}, not a mapping"


def _misfits(record: Record, wanted: Mapping[str, type], above: str = "") -> Iterator[str]:
    """Keys that are missing or hold something of another kind."""
    for name, kind in wanted.items():
        if name not in record:
            yield f"{above}{name} is missing"
        elif not _is(record[name], kind):
            yield f"{above}{name} is {json.dumps(record[name])[:60]}, not {_WORDS[kind]}"
        elif name in ("dropped", "unscored"):
            yield from _misfits(record[name], dict.fromkeys(record[name], int), f"{above}{name}.")


def _is(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
