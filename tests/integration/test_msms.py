"""The `msms` command line, as a person types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from tests.unit.shards.making import make_input

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def msms(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run it; its exit code must be `code`."""
    command = [sys.executable, "-m", "remote.workloads.shards", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("msms")
    make_input(folder / "a.hdf5", 7_000)
    built = msms(
        "build-shards",
        "--input-hdf5",
        folder / "a.hdf5",
        "--output-root",
        folder / "out",
        "--min-memory-gb",
        0.1,
        "--min-disk-gb",
        0.1,
        "--json",
    )
    result = json.loads(built.stdout)
    assert result["num_samples"] == 7_000
    assert "7,000/7,000 spectra" in built.stderr
    assert Path(result["shards"][0]).is_file()
    return folder / "out"


def test_a_dataset_is_valid_until_it_is_damaged(dataset: Path) -> None:
    assert "all as recorded" in msms("validate-shards", dataset).stdout
    full = msms("validate-shards", "--output", dataset, "--full", "--json")
    assert json.loads(full.stdout)["full"] is True
    assert "7,000/7,000 spectra" in full.stderr
    assert "Name one dataset" in msms("validate-shards", code=2).stderr
    shard = next(dataset.glob("train/*.parquet"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    damaged = msms("validate-shards", dataset, "--json", code=8)
    assert shard.name in damaged.stderr
    assert json.loads(damaged.stdout)["problems"]
    shard.write_bytes(whole)


def test_ready_says_so_with_its_exit_code(dataset: Path) -> None:
    assert msms("ready", dataset, "--sample", 1).stdout.splitlines()[-1] == "ready"
    refused = msms("ready", dataset, "--strict", "--json", code=33)
    assert "splits: " in refused.stderr
    assert json.loads(refused.stdout)["spectra"] == 7_000


def test_the_report_is_shown(dataset: Path) -> None:
    assert msms("quality-report", dataset).stdout.startswith("overall ")
    assert json.loads(msms("quality-report", dataset, "--json").stdout)["stages"]
    assert "no quality report" in msms("quality-report", dataset / "train", code=13).stderr


def test_refusals_have_a_hint_and_their_exit_code(dataset: Path, tmp_path: Path) -> None:
    again = msms("build-shards", "--output-root", dataset, code=2)
    assert "holds a dataset already" in again.stderr
    assert "Choose another" in again.stderr
    missing = msms(
        "build-shards", "--input-hdf5", tmp_path / "x.hdf5", "--output-root", tmp_path / "o", code=9
    )
    assert "does not exist" in missing.stderr
    assert "Traceback" not in missing.stderr
    assert not (tmp_path / "o").exists()
    (tmp_path / "c.yaml").write_text("nonsense: 1\nmax_spectra: many\n")
    config = msms("build-shards", "--config", tmp_path / "c.yaml", code=12)
    assert "nonsense" in config.stderr
    assert "max_spectra" in config.stderr
    assert "No such option" in msms("build-shards", "--nonsense", code=2).stderr


def test_a_sample_is_written_and_planned(tmp_path: Path) -> None:
    sample = tmp_path / "data" / "raw" / "sample.hdf5"  # as the README writes it in a new clone
    msms("sample-data", sample, "--spectra", 300, "--layout", "contiguous")
    assert "exists already" in msms("sample-data", sample, code=2).stderr
    plan = msms(
        "build-shards",
        "--input-hdf5",
        sample,
        "--output-root",
        tmp_path / "out",
        "--skip-preflight",
        "--dry-run",
        "--json",
    )
    assert json.loads(plan.stdout)["rows"] == 300
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "verb",
    [
        "build-shards",
        "validate-shards",
        "quality-report",
        "sample-data",
        "test-determinism",
        "ready",
        "reshard",
        "doctor",
    ],
)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    assert f"msms {verb} " in msms(verb, "--help").stdout


def test_damaged_rows_are_left_out_where_it_is_asked_for(tmp_path: Path) -> None:
    path = make_input(tmp_path / "a.hdf5", 900)
    with h5py.File(path, "a") as file:
        values = file["charge"][...].astype("i4")
        values[100:102] = 300
        del file["charge"]
        file["charge"] = values
    given = ["build-shards", "--input-hdf5", path, "--min-memory-gb", 0.1, "--min-disk-gb", 0.1]
    refused = msms(*given, "--output-root", tmp_path / "refused", code=9)
    assert "dataset `charge`, row 100: 300 does not fit int8" in refused.stderr
    assert "--skip-damaged" in refused.stderr
    built = msms(*given, "--output-root", tmp_path / "out", "--skip-damaged")
    assert "left out 2 spectra in 1 damaged range" in built.stdout
    assert "a.hdf5, dataset `charge`, rows 100 to 101: " in built.stdout
    checked = msms("validate-shards", tmp_path / "out")
    assert "898 spectra in 1 shard" in checked.stdout
    assert "marked as damaged: 2 spectra" in checked.stdout
