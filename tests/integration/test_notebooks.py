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
NOTEBOOKS = ("00_test_remote", "10_build_shards", "11_read_shards")


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


def test_11_reads_what_10_built(project: Path, project_root: Path) -> None:
    built = execute(
        project, project_root, "10_build_shards", "10", sample_spectra=6000, skip_preflight=True
    )
    assert built.exit_code == 0, built.outcome["error"]
    assert any(record["done"] for record in built.told("progress"))
    name = "10_build_shards_20250423_143022"
    shutil.copytree(built.path / "output", project / "results" / name)
    read = execute(project, project_root, "11_read_shards", "11")
    assert read.exit_code == 0, read.outcome["error"]
    figures = json.loads((read.path / "output" / "summary.json").read_text())
    assert (figures["source"], figures["spectra"]) == (name, 6000)
    shard = next((project / "results" / name / "train").glob("shard_20250423_143022_*.parquet"))
    shard.with_name(f"{shard.stem}.manifest.json").write_text('{"num_samples": 5999}')
    damaged = execute(project, project_root, "11_read_shards", "11-damaged")
    assert (damaged.exit_code, damaged.outcome["error"]["kind"]) == (8, "IntegrityFailure")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_committed_notebooks_are_stripped(project_root: Path, name: str) -> None:
    path = project_root / "notebooks" / f"{name}.ipynb"
    command = [sys.executable, "-m", "nbstripout", "--verify", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
