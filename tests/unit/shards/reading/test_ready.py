"""The training gate: what is sound passes, and every kind of fault is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from remote.errors import NotReady, ResultsUnusable
from remote.workloads.shards.cli.ready import ready as command
from remote.workloads.shards.reading.ready import Readiness, ready
from remote.workloads.shards.reading.shards import RowGroup
from remote.workloads.shards.reading.trial import sampled
from tests.unit.shards.harmed_dataset import edit
from tests.unit.shards.reading.breaking import break_page

Row = dict[str, Any]
DAMAGE = {"input": "a.hdf5", "row_start": 3, "row_stop": 8}


def checks(root: Path, **options: Any) -> dict[str, tuple[str, str]]:
    return {check.name: (check.status, check.reason) for check in ready(root, **options).checks}


def failed(root: Path) -> dict[str, str]:
    return {name: reason for name, (status, reason) in checks(root).items() if status == "FAIL"}


def spoilt(root: Path, change: Callable[[Row], None]) -> str:
    """Change one spectrum of a shard, the rest of its file as it was; its sample_id."""
    path = sorted(root.glob("train/*.parquet"))[1]
    table = pq.read_table(path)
    rows = table.slice(0, 1).to_pylist()
    change(rows[0])
    first = pa.Table.from_pylist(rows, schema=table.schema)
    pq.write_table(pa.concat_tables([first, table.slice(1)]).unify_dictionaries(), path)
    size = path.stat().st_size
    name = str(path.relative_to(root))

    def record_size(record: dict[str, Any]) -> None:
        for shard in record["shards"]:
            if shard["file"] == name:
                shard["file_size_bytes"] = size

    edit(root / "dataset_manifest.json", record_size)
    return str(rows[0]["sample_id"])


def test_a_sound_dataset_is_ready(dataset: Path) -> None:
    verdict = ready(dataset)
    assert verdict.status == "WARN"  # there is train alone
    statuses = {check.name: check.status for check in verdict.checks}
    assert statuses.pop("splits") == "WARN"
    quality = json.loads((dataset / "quality_report.json").read_text())["overall"]
    assert statuses.pop("quality") == quality != "FAIL"
    assert set(statuses.values()) == {"PASS"}
    assert (verdict.spectra, verdict.row_groups) == (12_995, (3, 3))
    text = "\n".join(verdict.lines())
    assert "PASS  values" in text
    assert "read 12,995 spectra in all 3 row groups" in text


def test_a_sample_reads_row_groups_that_the_seed_draws(dataset: Path) -> None:
    assert ready(dataset, sample=2, seed=1).row_groups == (2, 3)
    assert ready(dataset, sample=9).row_groups == (3, 3)
    groups = [RowGroup(Path("a"), index, 5) for index in range(100)]
    drawn = [tuple(x.index for x in sampled(groups, 7, seed)) for seed in range(20)]
    assert len(set(drawn)) == 20
    assert all(len(set(x)) == 7 and list(x) == sorted(x) for x in drawn)
    assert tuple(x.index for x in sampled(groups, 7, 3)) == drawn[3]


def set_peak(name: str, place: int, value: float) -> Callable[[Row], None]:
    def change(row: Row) -> None:
        row[name] = [*row[name][:place], value, *row[name][place + 1 :]]

    return change


def reverse(row: Row) -> None:
    row["mzs"], row["ints"] = [500.0, 100.0], [1.0, 0.5]
    row["num_peaks"] = 2


def none_left(row: Row) -> None:
    row["mzs"], row["ints"], row["num_peaks"] = [], [], 0


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (set_peak("mzs", 0, float("nan")), "a peak is NaN or infinite"),
        (set_peak("ints", 0, float("inf")), "a peak is NaN or infinite"),
        (set_peak("mzs", 0, -1.0), "m/z is not above 0"),
        (set_peak("mzs", 0, 0.0), "m/z is not above 0"),
        (set_peak("ints", 0, -0.5), "an intensity is not above 0"),
        (set_peak("ints", 0, 0.0), "an intensity is not above 0"),
        (set_peak("ints", 0, 2.0), "the base peak is not 1"),
        (reverse, "m/z is not in order"),
        (none_left, "there are no peaks"),
        (lambda row: row.update(num_peaks=99), "num_peaks is not the number of peaks"),
        (lambda row: row.update(precursor_mz=float("nan")), "precursor_mz is not a number above 0"),
        (lambda row: row.update(precursor_mz=0.0), "precursor_mz is not a number above 0"),
    ],
)
def test_a_bad_value_is_found_and_named(
    copy: Path, change: Callable[[Row], None], kind: str
) -> None:
    sample_id = spoilt(copy, change)
    assert f"{kind}: 1 spectra, such as {sample_id}" in failed(copy)["values"]


def test_values_beside_the_mask_fail_the_batches(copy: Path) -> None:
    spoilt(copy, lambda row: row.update(mzs=[0.0, 5.0], ints=[0.0, 1.0], num_peaks=2))
    assert "there are values beside the mask: 1 spectra" in failed(copy)["batches"]


def test_nan_in_a_further_column_is_a_warning(copy: Path) -> None:
    sample_id = spoilt(copy, lambda row: row.update(rt=float("nan")))
    status, reason = checks(copy)["columns"]
    assert (status, reason) == ("WARN", f"NaN or infinity: rt: 1 spectra, such as {sample_id}")
    spoilt(copy, lambda row: row.update(rt=None))
    assert checks(copy)["columns"][0] == "PASS"


def test_what_the_build_did_not_do_is_not_asked_for(copy: Path) -> None:
    spoilt(copy, reverse)
    spoilt(copy, set_peak("ints", 0, 2.0))
    rules = {"normalize_intensities": False, "sort_mz": False}
    edit(copy / "dataset_manifest.json", lambda record: record["preprocessing"].update(rules))
    found = checks(copy)
    assert found["values"][0] == "PASS"
    assert found["order"] == ("WARN", "the build did not sort peaks by m/z")


def test_a_damaged_page_fails(copy: Path) -> None:
    path = sorted(copy.glob("train/*.parquet"))[0]
    break_page(path)
    reason = failed(copy)["arrow"]
    assert str(path) in reason
    assert "1 row group(s) cannot be read" in reason


@pytest.mark.parametrize("place", [0, 1])
def test_a_shard_that_is_cut_or_missing_fails(copy: Path, place: int) -> None:
    path = sorted(copy.glob("train/*.parquet"))[place]
    path.write_bytes(path.read_bytes()[:-9])
    assert set(failed(copy)) == {"shards", "arrow"}
    path.unlink()
    assert f"{path.relative_to(copy)} is missing" in failed(copy)["shards"]


def test_other_rows_than_recorded_fail(copy: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        record["shards"][0]["num_samples"] += 1

    edit(copy / "dataset_manifest.json", change)
    assert "spectra, not" in failed(copy)["shards"]


def test_a_shard_that_nobody_recorded_fails(copy: Path) -> None:
    path = sorted(copy.glob("train/*.parquet"))[0]
    path.with_name("shard_x_00000.parquet").write_bytes(path.read_bytes())
    assert "is not in dataset_manifest.json" in failed(copy)["shards"]


@pytest.mark.parametrize(
    ("changed", "check", "status"),
    [
        ({"status": "partial"}, "manifest", "FAIL"),
        (
            {
                "status": "damaged",
                "damaged_ranges": [{"input": "a.hdf5", "row_start": 3, "row_stop": 8}],
            },
            "manifest",
            "WARN",
        ),
        ({"splits": {}}, "splits", "FAIL"),
        ({"splits": {"val": {"num_shards": 1, "num_samples": 7}}}, "splits", "FAIL"),
        (
            {"splits": {x: {"num_shards": 1, "num_samples": 7} for x in ("train", "val")}},
            "splits",
            "PASS",
        ),
    ],
)
def test_the_manifest_is_asked(
    copy: Path, changed: dict[str, Any], check: str, status: str
) -> None:
    edit(copy / "dataset_manifest.json", lambda record: record.update(changed))
    assert checks(copy)[check][0] == status


def test_the_quality_report_is_asked(copy: Path) -> None:
    edit(copy / "quality_report.json", lambda report: report.update(overall="FAIL"))
    assert failed(copy) == {"quality": "the quality report says FAIL"}
    (copy / "quality_report.json").unlink()
    assert "cannot be read" in failed(copy)["quality"]


def test_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(ResultsUnusable, match="dataset_manifest"):
        ready(tmp_path)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(command, [str(x) for x in arguments])


def test_the_command_ends_with_the_verdict(copy: Path) -> None:
    good = run(copy)
    assert good.exit_code == 0, good.output
    assert good.output.splitlines()[-1] == "ready"
    strict = run(copy, "--strict")
    assert isinstance(strict.exception, NotReady)
    assert "splits: " in str(strict.exception)
    edit(copy / "quality_report.json", lambda report: report.update(overall="FAIL"))
    bad = run(copy, "--json", "--sample", 1)
    assert isinstance(bad.exception, NotReady)
    assert "quality: the quality report says FAIL" in str(bad.exception)
    verdict = json.loads(bad.stdout)
    assert (verdict["status"], verdict["row_groups"]) == ("FAIL", [1, 3])
    assert verdict["spectra_per_second"] > 0


def test_a_verdict_is_what_its_worst_check_is(dataset: Path) -> None:
    verdict = ready(dataset)
    assert isinstance(verdict, Readiness)
    assert np.isfinite(verdict.to_json()["spectra_per_second"])
