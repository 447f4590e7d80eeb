"""The quality report: what the counts of a build say about it, in three stages.

    canonicalisation     are the inputs sound, and what did cleaning leave out?
    shard_construction   do the shards hold what was kept, within their limits?
    training_readiness   is the dataset fit to train on: duplicates, saturation, unknown charges?

Each check gives PASS, WARN or FAIL with a reason; a stage is as bad as its worst check, the
report as its worst stage. `LIMITS` are in the report, so that it can be read by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from remote.workloads.shards.counts import (
    ATTRITION,
    DAMAGED,
    HISTOGRAMS,
    INTEGRITY,
    attrition,
    damaged,
    empty,
    integrity,
    merge,
)
from remote.workloads.shards.repeats import count_repeats

__all__ = ["LIMITS", "Limits", "empty", "lsh_neighbours", "merge", "quality_report"]

Status = Literal["PASS", "WARN", "FAIL"]
_ORDER: tuple[Status, ...] = ("PASS", "WARN", "FAIL")
_MAX_FILES = 1_000
_LSH_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares of spectra above which a check warns or fails; ppm for rounding."""

    integrity_warn: float = 0.0
    integrity_fail: float = 0.05
    damaged_warn: float = 0.0
    damaged_fail: float = 0.05
    attrition_warn: float = 0.20
    attrition_fail: float = 0.80
    duplicates_warn: float = 0.01
    saturated_warn: float = 0.10
    charge_unknown_warn: float = 0.50
    mz_rounding_warn_ppm: float = 0.5


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `advice` is what to do where it did not pass."""

    name: str
    status: Status
    reason: str
    advice: str = ""


def quality_report(
    counts: Mapping[str, Any],
    *,
    duplicates: int,
    shards: Sequence[Mapping[str, Any]],
    lsh_neighbours: int | None,
    max_shard_size_bytes: int,
    preprocessing: Mapping[str, Any],
    splits: Mapping[str, Any] | None = None,
    split_checks: Sequence[Check] = (),
    limits: Limits = LIMITS,
) -> dict[str, Any]:
    """The report of a finished build, JSON-serialisable, the same for equal shards.

    Args:
        counts: the merged counts of all row groups.
        duplicates: spectra that repeat an earlier one: same peaks and precursor, as stored.
        shards: the shard manifests.
        lsh_neighbours: see `lsh_neighbours`; None where the inputs have no lsh.
        max_shard_size_bytes: the limit that the shards were closed by.
        preprocessing: the rules as recorded, `mz_precision` included.
        splits, split_checks: how spectra were dealt out to splits, and what is to be said of it.
        limits: what counts as too much.
    """
    stages = {
        "canonicalisation": _canonicalisation(counts, limits),
        "shard_construction": _construction(counts, shards, max_shard_size_bytes),
        "training_readiness": [
            *_readiness(counts, duplicates, preprocessing, limits),
            *split_checks,
        ],
    }
    checks = [check for stage in stages.values() for check in stage]
    read, written = counts["read"], counts["written"]
    return {
        "overall": _worst(checks),
        "stages": {
            name: {"status": _worst(stage), "checks": [asdict(check) for check in stage]}
            for name, stage in stages.items()
        },
        "spectra": {
            "read": read,
            "written": written,
            "attrition": attrition(counts),
            "integrity": integrity(counts),
            "damaged": damaged(counts),
            "dropped": dict(counts["dropped"]),
            "examples": dict(counts["examples"]),
        },
        "peaks": {**counts["peaks"], "removed": dict(counts["removed"])},
        "duplicates": {"exact": duplicates, "lsh_neighbours": lsh_neighbours},
        "flags": dict(counts["flags"]),
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
        "limits": asdict(limits),
        "preprocessing": dict(preprocessing),
        "recommendations": [check.advice for check in checks if check.advice],
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


def _canonicalisation(counts: Mapping[str, Any], limits: Limits) -> list[Check]:
    read, written = counts["read"], counts["written"]
    lost, broken, unread = attrition(counts), integrity(counts), damaged(counts)
    balanced = read == written + lost + broken + unread
    return [
        _failing(
            "accounted",
            balanced,
            f"{read:,} read = {written:,} written + {lost:,} attrition "
            f"+ {broken:,} integrity + {unread:,} damaged",
            "Report this as a defect: spectra are missing from the counts.",
        ),
        _failing(
            "written",
            written > 0,
            f"{written:,} of {read:,} spectra written",
            "Nothing was kept: compare the rules (min_peaks, max_precursor_mz) with the input.",
        ),
        _share(
            "integrity",
            broken,
            read,
            (limits.integrity_warn, limits.integrity_fail),
            f"spectra with impossible values ({_named(counts, INTEGRITY)})",
            "Look at the example rows in the input; its writer may be at fault.",
        ),
        _share(
            "damaged",
            unread,
            read,
            (limits.damaged_warn, limits.damaged_fail),
            f"spectra left out because they cannot be read ({_named(counts, (DAMAGED,))})",
            "Rows of the input are damaged (`damaged_ranges` in the dataset manifest): "
            "copy it again from where it came, and build again.",
        ),
        _share(
            "attrition",
            lost,
            read,
            (limits.attrition_warn, limits.attrition_fail),
            f"spectra outside the rules ({_named(counts, ATTRITION)})",
            "Many spectra fall outside min_peaks or max_precursor_mz: are the limits meant so?",
        ),
    ]


def _construction(
    counts: Mapping[str, Any], shards: Sequence[Mapping[str, Any]], limit: int
) -> list[Check]:
    held = sum(shard["num_samples"] for shard in shards)
    largest = max((shard["file_size_bytes"] for shard in shards), default=0)
    return [
        _failing(
            "complete",
            held == counts["written"],
            f"{held:,} spectra in {len(shards)} shards, {counts['written']:,} kept",
            "Report this as a defect: shards and counts differ.",
        ),
        Check(
            "size_limit",
            "PASS" if largest <= limit else "WARN",
            f"the largest shard has {largest:,} bytes, the limit is {limit:,}",
            ""
            if largest <= limit
            else "One row group alone is over the limit: raise --shard-size.",
        ),
    ]


def _readiness(
    counts: Mapping[str, Any], duplicates: int, preprocessing: Mapping[str, Any], limits: Limits
) -> list[Check]:
    written, flags = counts["written"], counts["flags"]
    checks = [
        _share(
            "duplicates",
            duplicates,
            written,
            (limits.duplicates_warn, None),
            "spectra repeat another one exactly",
            "Remove or weigh exact duplicates before splitting into train and test.",
        ),
        _share(
            "saturated",
            flags["saturated"],
            counts["read"],
            (limits.saturated_warn, None),
            "spectra fill every place of the input; weaker peaks may have been cut there",
            "Weak peaks of saturated spectra are missing: do not train on their absence.",
        ),
        _share(
            "charge_unknown",
            flags["charge_unknown"],
            written,
            (limits.charge_unknown_warn, None),
            "spectra have no known charge",
            "Do not use charge as a feature without a mask.",
        ),
    ]
    if preprocessing.get("mz_precision") == "float32":
        worst = counts["extremes"]["mz_rounding_ppm"]
        coarse = worst > limits.mz_rounding_warn_ppm
        checks.append(
            Check(
                "mz_rounding",
                "WARN" if coarse else "PASS",
                f"float32 moved m/z by up to {worst:.4f} ppm",
                "Build with --mz-precision float64." if coarse else "",
            )
        )
    return checks


def _failing(name: str, good: bool, reason: str, advice: str) -> Check:
    return Check(name, "PASS" if good else "FAIL", reason, "" if good else advice)


def _share(
    name: str,
    count: int,
    total: int,
    limits: tuple[float, float | None],
    what: str,
    advice: str,
) -> Check:
    share = count / total if total else 0.0
    warn, fail = limits
    status: Status = "WARN" if share > warn else "PASS"
    if fail is not None and share > fail:
        status = "FAIL"
    reason = f"{count:,} of {total:,} ({share:.2%}) {what}"
    return Check(name, status, reason, "" if status == "PASS" else advice)


def _named(counts: Mapping[str, Any], reasons: Sequence[str]) -> str:
    dropped = counts["dropped"]
    found = [f"{reason}: {dropped[reason]:,}" for reason in reasons if reason in dropped]
    return ", ".join(found) or "none"


def _worst(checks: Sequence[Check]) -> Status:
    return max((check.status for check in checks), key=_ORDER.index, default="PASS")


def _files(files: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """The source files, those that lost most first; a bounded number of them."""
    entries: list[dict[str, Any]] = [
        {"file": name, "read": read, "written": written} for name, (read, written) in files.items()
    ]
    entries.sort(key=lambda x: (x["written"] - x["read"], x["file"]))
    return {"number": len(entries), "listed": entries[:_MAX_FILES]}
