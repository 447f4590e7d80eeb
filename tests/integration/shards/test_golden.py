"""The golden samples (`golden/README.md`): one for each rule, through the command line."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from remote.errors import QualityFailed, WorkhorseError
from remote.workloads.shards.__main__ import msms
from remote.workloads.shards.output.manifest import DATASET_MANIFEST, QUALITY_REPORT, read_manifest
from remote.workloads.shards.validate import validate

FOLDER = Path(__file__).parent / "golden"
SAMPLES = sorted(FOLDER.glob("*.yaml"))
_PEAKS = ("mz", "intensity", "dtype")


def write(folder: Path, stem: str, given: dict[str, Any]) -> Path:
    path = folder / f"{stem}.hdf5"
    peaks = np.array([given["mz"], given["intensity"]], given.get("dtype", "float64"))
    with h5py.File(path, "w") as file:
        file["spectrum"] = np.moveaxis(peaks, 0, 1)
        for name, values in given.items():
            if name not in _PEAKS:
                file[name] = values
    return path


def build(folder: Path, sample: dict[str, Any]) -> None:
    inputs = [write(folder, stem, given) for stem, given in sample["inputs"].items()]
    named = [word for path in inputs for word in ("--input-hdf5", str(path))]
    output = ["--output-root", str(folder / "out"), "--skip-preflight"]
    arguments = ["build-shards", *named, *output, *sample.get("flags", ())]
    with suppress(QualityFailed):  # is told when all is written
        msms.main(arguments, prog_name="msms", standalone_mode=False)


def check_part(found: Any, expected: Any, where: str) -> None:
    """All that is expected is there; there may be more."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            check_part(found[name], value, f"{where}/{name}")
    else:
        assert found == expected, where


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_rule(path: Path, tmp_path: Path) -> None:
    sample = yaml.safe_load(path.read_text())
    if "error" in sample:
        with pytest.raises(WorkhorseError) as error:
            build(tmp_path, sample)
        assert error.value.exit_code == sample["error"]["code"]
        assert sample["error"]["text"] in error.value.problem
        return
    build(tmp_path, sample)
    root = tmp_path / "out"
    manifest = read_manifest(root / DATASET_MANIFEST)
    tables = [pq.read_table(root / shard["file"]) for shard in manifest["shards"]]
    assert [row for table in tables for row in table.to_pylist()] == sample["rows"]
    assert manifest["counts"] == sample["counts"]
    check_part(read_manifest(root / QUALITY_REPORT), sample.get("report", {}), path.stem)
    assert validate(root, full=True).problems == ()


def test_every_sample_says_its_rule() -> None:
    assert len(SAMPLES) >= 27
    for path in SAMPLES:
        sample = yaml.safe_load(path.read_text())
        assert sample["rule"].strip().endswith(".")
        assert set(sample) <= {"rule", "flags", "inputs", "rows", "counts", "report", "error"}
