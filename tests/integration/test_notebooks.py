"""The notebooks that we ship, executed by the runner: 11 reads what 10 produced."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runner.making import RunFiles, run

pytestmark = pytest.mark.integration
NOTEBOOKS = (
    "00_test_remote",
    "01_data_cleaning",
    "10_build_shards",
    "11_read_shards",
    "23_train_model",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with notebooks/ to work in and an empty results/."""
    path = tmp_path_factory.mktemp("project")
    (path / "notebooks").mkdir()
    (path / "results").mkdir()
    return path


def execute(project: Path, root: Path, name: str, run_name: str, **parameters: Any) -> RunFiles:
    path = project / "runs" / run_name
    (path / "output").mkdir(parents=True)
    shutil.copy(root / "notebooks" / f"{name}.ipynb", path / "notebook.ipynb")
    spec = {
        "id": f"{name}_20250423_143022",
        "parameters": [
            {"name": key, "value": value, "source": "-p"} for key, value in parameters.items()
        ],
        "paths": {"working_directory": str(project / "notebooks")},
    }
    (path / "run.json").write_text(json.dumps(spec))
    cache = project.parent / "numba"
    return run(path, OMP_NUM_THREADS="1", NUMBA_CACHE_DIR=str(cache))


def test_00_proves_the_host(project: Path, project_root: Path) -> None:
    done = execute(project, project_root, "00_test_remote", "00", greeting="good morning")
    assert done.exit_code == 0
    assert "OMP_NUM_THREADS=1" in done.log
    assert "good morning from host.txt" in done.log
    assert "cores" in (done.path / "output" / "host.txt").read_text()


def test_11_without_a_result_says_how_to_make_one(project: Path, project_root: Path) -> None:
    done = execute(project, project_root, "11_read_shards", "11-too-early")
    error = done.outcome["error"]
    assert (done.exit_code, error["kind"]) == (13, "ResultsUnusable")
    assert "./scripts/run-remote.sh notebooks/10_build_shards.ipynb" in error["hint"]


@pytest.fixture(scope="module")
def built(project: Path, project_root: Path) -> Path:
    """The folder of a run of 10, which took the rules and the spectra of one of 01."""
    cleaned = execute(
        project, project_root, "01_data_cleaning", "01", sample_spectra=6000, min_peaks=6
    )
    assert cleaned.exit_code == 0, cleaned.outcome["error"]
    assert "6,000 of 6,000 spectra looked at" in shown(cleaned, "text/plain")
    assert shown(cleaned, "image/svg+xml").count("<svg") >= 4
    publish(project, cleaned, "01_data_cleaning_20250423_143022")
    made = execute(
        *(project, project_root, "10_build_shards", "10"),
        cleaning="latest:01_data_cleaning",
        skip_preflight=True,
    )
    assert made.exit_code == 0, made.outcome["error"]
    assert any(record["done"] for record in made.told("progress"))
    return publish(project, made, "10_build_shards_20250423_143022")


def shown(run: RunFiles, kind: str) -> str:
    """What cells show, of one kind."""
    outputs = [output for cell in run.executed.cells for output in cell.get("outputs", ())]
    return "\n".join(output.get("data", {}).get(kind, "") for output in outputs)


def publish(project: Path, run: RunFiles, name: str) -> Path:
    return shutil.copytree(run.path / "output", project / "results" / name)


def test_10_builds_by_the_rules_that_01_tried(project: Path, built: Path) -> None:
    tried = json.loads(
        (built.with_name("01_data_cleaning_20250423_143022") / "cleaning.json").read_text()
    )
    manifest = json.loads((built / "dataset_manifest.json").read_text())
    assert manifest["preprocessing"]["min_peaks"] == 6
    assert [x["name"] for x in manifest["inputs"]] == ["sample.hdf5"]
    assert manifest["counts"]["written"] == tried["counts"]["written"] < 6000


def test_11_reads_what_10_built(project: Path, project_root: Path, built: Path) -> None:
    read = execute(project, project_root, "11_read_shards", "11")
    assert read.exit_code == 0, read.outcome["error"]
    figures = json.loads((read.path / "output" / "summary.json").read_text())
    written = json.loads((built / "dataset_manifest.json").read_text())["num_samples"]
    assert (figures["source"], figures["spectra"]) == (built.name, written)


def test_23_trains_on_what_10_built(project: Path, project_root: Path, built: Path) -> None:
    done = execute(project, project_root, "23_train_model", "23", views=50_000)
    assert done.exit_code == 0, done.outcome["error"]
    metrics = json.loads((done.path / "output" / "metrics.json").read_text())
    assert {x["model"] for x in metrics["against"].values()} == {"better"}
    assert "beside highest peak: better" in shown(done, "text/plain")
    assert shown(done, "image/svg+xml").count("<svg") == 3
    assert (done.path / "output" / "figures" / "accuracy.svg").is_file()


def test_11_names_what_is_damaged(project: Path, project_root: Path, built: Path) -> None:
    shard = next((built / "train").glob("shard_20250423_143022_*.parquet"))
    record = shard.with_name(f"{shard.stem}.manifest.json")
    before = record.read_bytes()
    record.write_text('{"num_samples": 5999}')
    damaged = execute(project, project_root, "11_read_shards", "11-damaged")
    record.write_bytes(before)
    assert (damaged.exit_code, damaged.outcome["error"]["kind"]) == (8, "IntegrityFailure")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_committed_notebooks_are_stripped(project_root: Path, name: str) -> None:
    path = project_root / "notebooks" / f"{name}.ipynb"
    command = [sys.executable, "-m", "nbstripout", "--verify", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
