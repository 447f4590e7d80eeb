"""What a dataset's own records say about training on it: manifest, splits, quality report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from remote.errors import ResultsUnusable, WorkhorseError
from remote.workloads.shards.inputs.damage import rows_in
from remote.workloads.shards.output.manifest import DATASET_MANIFEST, QUALITY_REPORT, read_manifest
from remote.workloads.shards.output.versions import refuse_newer
from remote.workloads.shards.quality.checks import Check
from remote.workloads.shards.quality.files import refuse_newer_report
from remote.workloads.shards.reading.opening import opened
from remote.workloads.shards.settings import SPLITS


def dataset_record(root: Path) -> Mapping[str, Any]:
    """The dataset manifest.

    Raises:
        ResultsUnusable: there is none, it cannot be read, or a newer version wrote it.
    """
    path = root / DATASET_MANIFEST
    try:
        record = read_manifest(path)
    except (OSError, ValueError) as error:
        raise ResultsUnusable(
            f"{path} cannot be read: {error}.",
            hint="Name a directory that `msms build-shards` finished.",
        ) from error
    if not isinstance(record, dict):
        raise ResultsUnusable(
            f"{path} is no dataset manifest.",
            hint="Name a directory that `msms build-shards` finished.",
        )
    refuse_newer(record.get("version"), str(path))
    return record


def record_checks(root: Path, dataset: Mapping[str, Any]) -> Iterator[Check]:
    """Is it whole, do the shards lie there, are there splits, is the quality good enough?"""
    yield _complete(dataset)
    yield _shards(root, dataset)
    yield _splits(dataset)
    yield _quality(root)


def _complete(dataset: Mapping[str, Any]) -> Check:
    status = dataset["status"]
    if status == "complete":
        return Check("manifest", "PASS", f"complete, {dataset['num_samples']:,} spectra")
    if status == "damaged":
        rows = rows_in(dataset["damaged_ranges"])
        return Check(
            "manifest",
            "WARN",
            f"marked as damaged: {rows:,} rows of the input could not be read and are not in it",
            "What is in it is sound. Copy the input again from where it came and build again, if "
            "you want those rows, too.",
        )
    return Check(
        "manifest", "FAIL", f"the build is {status}", "Finish it: msms build-shards ... --resume"
    )


def _shards(root: Path, dataset: Mapping[str, Any]) -> Check:
    problems = [text for entry in dataset["shards"] for text in _shard(root, entry)]
    known = {entry["file"] for entry in dataset["shards"]}
    lying = (str(path.relative_to(root)) for path in sorted(root.glob("*/shard_*.parquet")))
    problems += [f"{name} is not in {DATASET_MANIFEST}" for name in lying if name not in known]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        return Check(
            "shards",
            "FAIL",
            "; ".join(problems[:3]) + more,
            f"`msms validate-shards {root}` names all that is not as recorded.",
        )
    return Check("shards", "PASS", f"{len(known):,} with as many bytes and rows as recorded")


def _shard(root: Path, entry: Mapping[str, Any]) -> Iterator[str]:
    path = root / entry["file"]
    if not path.is_file():
        yield f"{entry['file']} is missing"
        return
    size = path.stat().st_size
    if size != entry["file_size_bytes"]:
        yield f"{entry['file']} has {size:,} bytes, not {entry['file_size_bytes']:,}"
    try:
        rows = opened(path).metadata.num_rows
    except WorkhorseError as error:
        yield error.problem
        return
    if rows != entry["num_samples"]:
        yield f"{entry['file']} holds {rows:,} spectra, not {entry['num_samples']:,}"


def _splits(dataset: Mapping[str, Any]) -> Check:
    held = {name: entry["num_samples"] for name, entry in dataset["splits"].items()}
    counts = ", ".join(f"{name} {held[name]:,}" for name in SPLITS if held.get(name))
    if not held.get("train"):
        return Check(
            "splits",
            "FAIL",
            f"there is nothing to train on: {counts or 'no spectra at all'}",
            "Build with --split-by, or without --split.",
        )
    if len([name for name in SPLITS if held.get(name)]) < 2:
        return Check(
            "splits",
            "WARN",
            f"{counts}, and nothing to validate or test with",
            "Build with --split-by source_file, or lsh: what is alike stays together.",
        )
    return Check("splits", "PASS", counts)


def _quality(root: Path) -> Check:
    try:
        report = read_manifest(root / QUALITY_REPORT)
        refuse_newer_report(root / QUALITY_REPORT, report)
        overall, advice = report["overall"], report["recommendations"]
    except (OSError, ValueError, KeyError) as error:
        return Check(
            "quality", "FAIL", f"{QUALITY_REPORT} cannot be read: {error}", "Build it again."
        )
    return Check("quality", overall, f"the quality report says {overall}", " ".join(advice))
