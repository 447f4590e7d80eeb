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
from remote.workloads.shards.report import judged_again, lsh_neighbours, quality_report
from remote.workloads.shards.settings import Limits, Preprocessing
from tests.unit.shards.raws import Peaks, raw_rows

GOOD: list[Peaks] = [[(100.0 + i, 1.0), (200.0, 2.0)] for i in range(20)]
BAD: Peaks = [(-1.0, 1.0)]


def report(spectra: list[Peaks], **changes: Any) -> dict[str, Any]:
    charge = changes.pop("charge", np.ones(len(spectra), np.int8))
    names = changes.pop("source_file", pa.array(["a"] * len(spectra)))
    raw = raw_rows(spectra, charge=charge, source_file=names)
    cleaned = clean(raw, Preprocessing())
    arguments: dict[str, Any] = {
        "duplicates": len(cleaned) - len(np.unique(cleaned.fingerprints)),
        "shards": [{"num_samples": len(cleaned), "file_size_bytes": 900, "checksum": "sha256:0"}],
        "lsh_neighbours": None,
        "max_shard_size_bytes": 1000,
        "preprocessing": {"mz_precision": "float64"},
        "dataset": "made",
        "inputs": ["a.hdf5"],
        **changes,
    }
    return quality_report(merge(cleaned.stats), **arguments)


def test_sound_input_passes() -> None:
    found = report(GOOD)
    assert found["overall"] == "PASS"
    assert {stage["status"] for stage in found["stages"].values()} == {"PASS"}
    assert found["recommendations"] == []
    assert found["spectra"]["read"] == found["spectra"]["written"] == 20
    assert found["source_files"]["number"] == 1
    assert found["source_files"]["listed"] == [
        {"file": "a", "read": 20, "written": 20, "integrity": 0}
    ]
    assert found["dataset"]["num_samples"] == 20
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(
    ("spectra", "changes", "stage", "status", "check"),
    [
        ([*GOOD * 100, BAD], {}, "canonicalisation", "WARN", "integrity"),
        ([*GOOD * 100, BAD, BAD, BAD], {}, "canonicalisation", "FAIL", "integrity"),
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


@pytest.mark.parametrize(
    ("bad", "status"), [(0, "PASS"), (1, "PASS"), (2, "WARN"), (10, "WARN"), (11, "FAIL")]
)
def test_limits_are_what_may_be_reached(bad: int, status: str) -> None:
    found = report([*GOOD * 500, *[BAD] * bad][-10_000:])
    integrity = found["stages"]["canonicalisation"]["checks"][2]
    assert (integrity["name"], integrity["value"], integrity["status"]) == (
        "integrity",
        bad / 10_000,
        status,
    )
    assert (integrity["warn"], integrity["fail"]) == (0.0001, 0.001)


def test_examples_name_input_and_row() -> None:
    found = report([*GOOD, *[BAD] * 30])
    rows = found["spectra"]["examples"]["peak_mz_not_positive"]
    assert rows == [{"input": "a.hdf5", "row": row} for row in range(20, 40)]
    integrity = found["stages"]["canonicalisation"]["checks"][2]
    assert "peak_mz_not_positive" in integrity["dropped"]


def test_a_report_is_judged_again_as_if_by_these_limits_at_first() -> None:
    spectra = [*GOOD, BAD]
    lenient = Limits(integrity_warn=None, integrity_fail=None, duplicates_fail=0.0)
    again = judged_again(report(spectra), lenient)
    assert list(again.items()) == list(report(spectra, limits=lenient).items())
    assert (report(spectra)["overall"], again["overall"]) == ("FAIL", "PASS")


def test_source_files_that_lost_most_come_first() -> None:
    names = pa.array(["a"] * 10 + ["b"] * 5 + ["c"] * 5)
    spectra: list[Peaks] = [*GOOD[:9], [], *GOOD[:2], BAD, BAD, [], *GOOD[:5]]
    found = report(spectra, source_file=names)["source_files"]
    assert found["listed"] == [
        {"file": "b", "read": 5, "written": 2, "integrity": 2},
        {"file": "a", "read": 10, "written": 9, "integrity": 0},
        {"file": "c", "read": 5, "written": 5, "integrity": 0},
    ]
    lost = {one["up_to"]: one["files"] for one in found["by_share_lost"] if one["files"]}
    assert lost == {0.0: 1, 0.10: 1, 1.0: 1}


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
