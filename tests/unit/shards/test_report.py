"""The report judges what was counted, and says what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from remote.workloads.shards.clean import clean
from remote.workloads.shards.counts import merge
from remote.workloads.shards.report import lsh_neighbours, quality_report
from remote.workloads.shards.settings import Preprocessing
from tests.unit.shards.raws import Peaks, raw_rows

GOOD: list[Peaks] = [[(100.0 + i, 1.0), (200.0, 2.0)] for i in range(20)]
BAD: Peaks = [(-1.0, 1.0)]


def report(spectra: list[Peaks], **changes: Any) -> dict[str, Any]:
    charge = changes.pop("charge", np.ones(len(spectra), np.int8))
    raw = raw_rows(spectra, charge=charge, source_file=pa.array(["a"] * len(spectra)))
    cleaned = clean(raw, Preprocessing())
    arguments: dict[str, Any] = {
        "duplicates": len(cleaned) - len(np.unique(cleaned.fingerprints)),
        "shards": [{"num_samples": len(cleaned), "file_size_bytes": 900}],
        "lsh_neighbours": None,
        "max_shard_size_bytes": 1000,
        "preprocessing": {"mz_precision": "float64"},
        **changes,
    }
    return quality_report(merge(cleaned.stats), **arguments)


def test_sound_input_passes() -> None:
    found = report(GOOD)
    assert found["overall"] == "PASS"
    assert {stage["status"] for stage in found["stages"].values()} == {"PASS"}
    assert found["recommendations"] == []
    assert found["spectra"]["read"] == found["spectra"]["written"] == 20
    assert found["source_files"] == {
        "number": 1,
        "listed": [{"file": "a", "read": 20, "written": 20}],
    }
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(
    ("spectra", "changes", "stage", "status", "check"),
    [
        ([*GOOD, BAD], {}, "canonicalisation", "WARN", "integrity"),
        ([*GOOD, BAD, BAD, BAD], {}, "canonicalisation", "FAIL", "integrity"),
        ([*GOOD, *[[]] * 10], {}, "canonicalisation", "WARN", "attrition"),
        ([[], []], {}, "canonicalisation", "FAIL", "written"),
        (GOOD, {"max_shard_size_bytes": 800}, "shard_construction", "WARN", "size_limit"),
        (GOOD, {"shards": []}, "shard_construction", "FAIL", "complete"),
        ([*GOOD, GOOD[0]], {}, "training_readiness", "WARN", "duplicates"),
        (GOOD, {"charge": np.zeros(20, np.int8)}, "training_readiness", "WARN", "charge_unknown"),
        ([[(1.0 + i, 1) for i in range(8)]], {}, "training_readiness", "WARN", "saturated"),
    ],
)
def test_faults_are_named(
    spectra: list[Peaks], changes: dict[str, Any], stage: str, status: str, check: str
) -> None:
    found = report(spectra, **changes)
    checks = {x["name"]: x for x in found["stages"][stage]["checks"]}
    assert checks[check]["status"] == status
    assert checks[check]["advice"] in found["recommendations"]
    assert found["stages"][stage]["status"] == status
    assert ["PASS", "WARN", "FAIL"].index(found["overall"]) >= ["WARN", "FAIL"].index(status)


def test_rounding_is_judged_where_it_was_done() -> None:
    found = report(GOOD, preprocessing={"mz_precision": "float32"})
    names = [x["name"] for x in found["stages"]["training_readiness"]["checks"]]
    assert "mz_rounding" in names
    assert found["mz_rounding"]["stored_as"] == "float32"


def test_exact_duplicates_are_repeats_of_an_earlier_spectrum() -> None:
    assert report([*GOOD, GOOD[0], GOOD[0], GOOD[3]])["duplicates"]["exact"] == 3


def shard(path: Path, values: Any) -> Path:
    pq.write_table(pa.table(values), path)
    return path


def test_lsh_neighbours_are_counted_over_all_shards(tmp_path: Path) -> None:
    shards = [
        shard(tmp_path / "a", {"lsh": pa.array([1, 2, 2, None])}),
        shard(tmp_path / "b", {"lsh": pa.array([1, 3, None, 4])}),
    ]
    assert lsh_neighbours(shards, 9, tmp_path) == 4
    text = [shard(tmp_path / "c", {"lsh": pa.array(["a", "b", "a"])})]
    assert lsh_neighbours(text, 9, tmp_path) == 2
    assert lsh_neighbours([shard(tmp_path / "d", {"x": pa.array([1])})], 1, tmp_path) is None
    assert lsh_neighbours([], 0, tmp_path) is None
