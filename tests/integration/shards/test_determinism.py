"""`msms test-determinism`: equal bytes are said to be equal, and others where they differ."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from remote.workloads.shards import BuildSettings, build_shards
from remote.workloads.shards.compare import first_difference
from remote.workloads.shards.determinism import Way, try_ways
from tests.faults.commands import MSMS, ROOT
from tests.unit.shards.making import RUN_ID, make_input

pytestmark = pytest.mark.integration


def run(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run a command whose temporary files go to `folder`."""
    folder.mkdir()
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def test_a_config_is_proved_and_nothing_is_left(tmp_path: Path) -> None:
    make_input(tmp_path / "a.hdf5", 16_000, chunk_rows=3_000)
    (tmp_path / "c.yaml").write_text(
        f"canonical_hdf5: [{tmp_path / 'a.hdf5'}]\npreprocessing: {{min_peaks: 3}}\n"
    )
    command = [*MSMS, "test-determinism", "--config", tmp_path / "c.yaml"]
    done = run(tmp_path / "t", *command, "--max-spectra", 12_000, "--json")
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["same"]
    assert verdict["rows"] == 12_000
    assert verdict["shards"] > 1
    assert len({tried["dataset_hash"] for tried in verdict["tried"]}) == 1
    tried = {tried["way"] for tried in verdict["tried"]}
    assert {"1 worker", "2 processes", "Dask, processes", "killed, then resumed"} <= tried
    assert "rows after the first 12,000 of 16,000" in verdict["not_tried"][0]
    assert list((tmp_path / "t").iterdir()) == []


OTHER_BYTES = """
import sys
from remote.workloads.shards import determinism
determinism.ways = lambda most: (
    determinism.Way("plain"), determinism.Way("other", {"mz_precision": "float32"})
)
from remote.workloads.shards.__main__ import main
main(sys.argv[1:])
"""


def test_a_way_that_gives_other_bytes_is_found(tmp_path: Path) -> None:
    make_input(tmp_path / "a.hdf5", 6_000)
    command = [sys.executable, "-c", OTHER_BYTES, "test-determinism"]
    done = run(tmp_path / "t", *command, "--input-hdf5", tmp_path / "a.hdf5")
    assert done.returncode == 8, done.stderr
    assert "other: train/shard_" in done.stderr
    assert "row group 0, column mzs: other values" in done.stderr
    assert [line.split()[-1] for line in done.stdout.splitlines()[2:3]] == ["NO"]
    assert list((tmp_path / "t").iterdir()) == []


def test_a_value_far_in_is_named(tmp_path: Path) -> None:
    for name, rows in (("one", 12_000), ("two", 12_001)):
        (tmp_path / name).mkdir()
        path = make_input(tmp_path / name / "a.hdf5", 12_001)
        build_shards(
            BuildSettings(max_spectra=rows),
            input_hdf5=path,
            output_root=tmp_path / name / "out",
            run_id=RUN_ID,
            skip_preflight=True,
        )
    one, two = (tmp_path / name / "out" for name in ("one", "two"))
    assert "row group 2, column sample_id: other values" in first_difference(one, two)
    shutil.copytree(one, tmp_path / "copy")
    assert first_difference(one, tmp_path / "copy") == ""
    manifest = tmp_path / "copy" / "dataset_manifest.json"
    manifest.write_text(manifest.read_text().replace('"num_shards": 1', '"num_shards": 2'))
    said = first_difference(one, tmp_path / "copy")
    assert said == "dataset_manifest.json: num_shards: 1 and 2"
    next((tmp_path / "copy").glob("train/*.parquet")).unlink()
    assert "only one of the two has it" in first_difference(one, tmp_path / "copy")


def test_the_configs_own_limits_are_kept(tmp_path: Path) -> None:
    path = make_input(tmp_path / "a.hdf5", 6_000)
    settings = BuildSettings(max_spectra=5_500, max_shard_size_bytes=70_000)
    verdict = try_ways(settings, [path], max_spectra=100_000, tries=[Way("plain"), Way("again")])
    assert (verdict.rows, verdict.shard_bytes) == (5_500, 70_000)
    assert verdict.difference == ""
