"""The quality report: what the counts of a build say about it, in three stages.

    canonicalisation     are the inputs sound, and what did cleaning leave out?
    shard_construction   do the shards hold what was kept, within their limits?
    training_readiness   is the dataset fit to train on: duplicates, saturation, unknown charges?

Each check gives PASS, WARN or FAIL with a reason; a stage is as bad as its worst check, the
report as its worst stage. The limits are in the report, so that it can be read by itself. It
holds no times, no run id and nothing of how the build was run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from remote.workloads.shards.counts import (
    HISTOGRAMS,
    attrition,
    damaged,
    empty,
    integrity,
    merge,
)
from remote.workloads.shards.output.dataset import dataset_hash
from remote.workloads.shards.quality.checks import Check, Facts, stages, worst
from remote.workloads.shards.quality.files import REPORT_VERSION
from remote.workloads.shards.repeats import count_repeats
from remote.workloads.shards.settings import SCHEMA_VERSION, Limits

__all__ = ["empty", "judged_again", "lsh_neighbours", "merge", "quality_report"]

DEFAULT_LIMITS = Limits()

_LAST_STAGE = "training_readiness"
_OF_SPLITS = "split_"
_MAX_FILES = 1_000
_LSH_ROWS = 1 << 16
# Shares of a source file's spectra that were left out: the first class is none at all.
_LOSSES = (0.0, 0.01, 0.05, 0.10, 0.25, 0.50, 1.0)


def quality_report(
    counts: Mapping[str, Any],
    *,
    duplicates: int,
    shards: Sequence[Mapping[str, Any]],
    lsh_neighbours: int | None,
    max_shard_size_bytes: int,
    preprocessing: Mapping[str, Any],
    dataset: str,
    inputs: Sequence[str],
    splits: Mapping[str, Any] | None = None,
    split_checks: Sequence[Check] = (),
    ranking: Mapping[str, Any] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> dict[str, Any]:
    """The report of a finished build, JSON-serialisable, the same for equal shards.

    Args:
        counts: the merged counts of all row groups.
        duplicates: spectra that repeat an earlier one: same peaks and precursor, as stored.
        shards: the shard manifests.
        lsh_neighbours: see `lsh_neighbours`; None where the inputs have no lsh.
        max_shard_size_bytes: the limit that the shards were closed by.
        preprocessing: the rules as recorded, `mz_precision` included.
        dataset: its name.
        inputs: names of the input files, by index.
        splits, split_checks: how spectra were dealt out to splits, and what is to be said of it.
        ranking: what came of it, as in the dataset manifest; None where there was none.
        limits: what counts as too much.
    """
    facts = {
        "dataset": {
            "name": dataset,
            "inputs": list(inputs),
            **_shard_facts(shards, max_shard_size_bytes),
        },
        "spectra": {
            "read": counts["read"],
            "written": counts["written"],
            "attrition": attrition(counts),
            "integrity": integrity(counts),
            "damaged": damaged(counts),
            "dropped": dict(sorted(counts["dropped"].items())),
            "examples": _examples(counts["examples"], inputs),
        },
        "peaks": {**counts["peaks"], "removed": dict(counts["removed"])},
        "duplicates": {"exact": duplicates, "lsh_neighbours": lsh_neighbours},
        "flags": _flags(counts),
        "mz_rounding": {
            "stored_as": preprocessing.get("mz_precision", "float64"),
            "float32_max_ppm": counts["extremes"]["mz_rounding_ppm"],
        },
        "histograms": {
            name: {"edges": list(HISTOGRAMS[name]), "counts": numbers}
            for name, numbers in sorted(counts["histograms"].items())
        },
        "source_files": _files(counts["files"]),
        **({"splits": dict(splits)} if splits else {}),
        **({"ranking": dict(ranking)} if ranking else {}),
        "preprocessing": dict(preprocessing),
    }
    return _judged(facts, limits, split_checks)


def judged_again(report: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """A report by other limits. No limit bears on the splits: what was said of them stays."""
    said = report["stages"][_LAST_STAGE]["checks"]
    kept = [x | {"dropped": tuple(x["dropped"])} for x in said if x["name"].startswith(_OF_SPLITS)]
    return _judged(report, limits, [Check(**x) for x in kept])


def _judged(facts: Facts, limits: Limits, split_checks: Sequence[Check]) -> dict[str, Any]:
    found = stages(facts, limits)
    found[_LAST_STAGE] = [*found[_LAST_STAGE], *split_checks]
    checks = [check for stage in found.values() for check in stage]
    verdicts = {
        "report_version": REPORT_VERSION,
        "schema_version": SCHEMA_VERSION,
        "overall": worst(check.status for check in checks),
        "stages": {
            name: {
                "status": worst(check.status for check in stage),
                "checks": [_record(check) for check in stage],
            }
            for name, stage in found.items()
        },
        "recommendations": [check.advice for check in checks if check.advice],
        "limits": asdict(limits),
    }
    return {**verdicts, **{name: value for name, value in facts.items() if name not in verdicts}}


def _record(check: Check) -> dict[str, Any]:
    return {**asdict(check), "dropped": list(check.dropped)}


def resharded(
    report: Mapping[str, Any], shards: Sequence[Mapping[str, Any]], max_shard_size_bytes: int
) -> dict[str, Any]:
    """A report of the same spectra in other shards, whose manifests are given."""
    dataset = {**report["dataset"], **_shard_facts(shards, max_shard_size_bytes)}
    return judged_again({**report, "dataset": dataset}, Limits(**report["limits"]))


def _shard_facts(shards: Sequence[Mapping[str, Any]], limit: int) -> dict[str, Any]:
    return {
        "dataset_hash": dataset_hash(shards),
        "num_shards": len(shards),
        "num_samples": sum(shard["num_samples"] for shard in shards),
        "total_bytes": sum(shard["file_size_bytes"] for shard in shards),
        "largest_shard_bytes": max((shard["file_size_bytes"] for shard in shards), default=0),
        "max_shard_size_bytes": limit,
    }


def lsh_neighbours(shards: Sequence[Path], rows: int, folder: Path) -> int | None:
    """Spectra whose lsh another written spectrum has too; None where there is no lsh.

    Equal hashes say that two spectra look alike in 1 Da bins; they are no replicates.

    Args:
        shards: the shards, of `rows` spectra together.
        folder: as in `repeats.count_repeats`.
    """
    if not shards or "lsh" not in pq.read_schema(shards[0]).names:
        return None
    return count_repeats(_lsh_words(shards), rows, folder).shared


def _lsh_words(shards: Sequence[Path]) -> Iterator[npt.NDArray[np.uint64]]:
    """The hashes as words, some row groups at a time; for text a hash of it, of 64 bits."""
    for path in shards:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_LSH_ROWS, columns=["lsh"], use_threads=False):
                column = batch.column(0).drop_null()
                if pa.types.is_string(column.type):
                    yield np.array([_word(text) for text in column.to_pylist()], np.uint64)
                else:
                    yield column.to_numpy().view(np.uint64)


def _word(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _flags(counts: Mapping[str, Any]) -> dict[str, int]:
    """Charges are known or not where there is a column of them: one input has it."""
    known = "charge" in counts["histograms"]
    return {**counts["flags"], **({} if known else {"charge_unknown": 0})}


def _examples(
    examples: Mapping[str, Sequence[Sequence[int]]], inputs: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """The first rows that were dropped for each reason, by the names of their inputs."""
    return {
        reason: [{"input": inputs[index], "row": row} for index, row in rows]
        for reason, rows in sorted(examples.items())
    }


def _files(files: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """The source files, those that lost most first; a bounded number of them."""
    entries: list[dict[str, Any]] = [
        {"file": name, "read": read, "written": written, "integrity": broken}
        for name, (read, written, broken) in files.items()
    ]
    entries.sort(key=lambda x: (x["written"] - x["read"], x["file"]))
    shares = np.array([1 - x["written"] / x["read"] for x in entries])
    classes = np.searchsorted(_LOSSES, shares)
    numbers = np.bincount(classes, minlength=len(_LOSSES)).tolist()
    return {
        "number": len(entries),
        "by_share_lost": [
            {"up_to": up_to, "files": number}
            for up_to, number in zip(_LOSSES, numbers, strict=True)
        ],
        "listed": entries[:_MAX_FILES],
    }
