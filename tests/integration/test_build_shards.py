"""Whole builds: the same bytes however they are run, and one clear error for each refusal."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from remote.errors import (
    ConfigInvalid,
    InputUnusable,
    IntegrityFailure,
    MemoryTooSmall,
    OutputBusy,
    ResultsUnusable,
    ResumeRefused,
    UsageError,
    WorkhorseError,
)
from remote.workloads.durable import exclusive
from remote.workloads.shards import BuildResult, BuildSettings, Preprocessing, build_shards
from remote.workloads.shards.build import preview
from remote.workloads.shards.validate import validate
from tests.unit.shards.making import RUN_ID, make_input, tree

pytestmark = pytest.mark.integration

NOW = datetime(2025, 4, 23, 14, 30, 22, tzinfo=UTC)
SMALL = BuildSettings(max_shard_size_bytes=1_000_000)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One file whose chunks do not follow row groups, and one with a group that is all bad."""
    folder = tmp_path_factory.mktemp("inputs")
    return [
        make_input(folder / "first.hdf5", 33_333, 1, chunk_rows=7_000),
        make_input(folder / "second.hdf5", 12_000, 2, bad=(4_900, 10_050)),
    ]


def build(root: Path, inputs: Any, settings: BuildSettings = SMALL, **options: Any) -> BuildResult:
    options = {"run_id": RUN_ID, "min_memory_gb": 0.1, "min_disk_gb": 0.1, **options}
    return build_shards(settings, input_hdf5=inputs, output_root=root, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, inputs: list[Path]) -> BuildResult:
    return build(tmp_path_factory.mktemp("built") / "out", inputs, clock=lambda: NOW)


@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": 1},
        {"num_workers": 2, "batch_size": 77},
        {"num_workers": 4, "checkpoint_interval": 5_000},
        {"num_workers": 4, "checkpoint": False},
        {"mode": "production", "num_workers": 2, "batch_size": 777},
        {"use_dask": True, "num_workers": 2, "batch_size": 777},
        {"mode": "production", "use_dask": True, "num_workers": 2, "batch_size": 4_000},
    ],
    ids=lambda options: " ".join(map(str, options.values())),
)
def test_bytes_do_not_depend_on_how_it_is_run(
    tmp_path: Path, inputs: list[Path], built: BuildResult, options: dict[str, Any]
) -> None:
    build(tmp_path / "out", inputs, **options)
    assert without_mode(tmp_path / "out") == without_mode(built.manifest.parent)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [{"mode": "production"}, {"use_dask": True}])
def test_nor_on_other_numbers_of_workers(
    tmp_path: Path, inputs: list[Path], built: BuildResult, kind: dict[str, Any]
) -> None:
    for number, size in ((1, 20_000), (3, 9_001)):
        root = tmp_path / str(number)
        build(root, inputs, num_workers=number, batch_size=size, **kind)
        assert without_mode(root) == without_mode(built.manifest.parent)


@pytest.mark.parametrize("dask", [False, True])
def test_a_script_without_a_guard_is_run_once(
    tmp_path: Path, inputs: list[Path], dask: bool
) -> None:
    """Python runs it again in each process that it spawns itself."""
    script = tmp_path / "script.py"
    options = f"output_root={str(tmp_path / 'out')!r}, use_dask={dask}, num_workers=2"
    options += ", min_memory_gb=0.1, min_disk_gb=0.1"
    script.write_text(
        "from remote.workloads.shards import build_shards\n"
        "print('here')\n"
        f"build_shards(input_hdf5={str(inputs[1])!r}, mode='production', {options})\n"
    )
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines().count("here") == 1
    assert (tmp_path / "out" / "dataset_manifest.json").exists()
    assert "Traceback" not in done.stderr


def without_mode(root: Path) -> dict[str, bytes]:
    """The files of a dataset, without the word that says which mode's figures were used."""
    found = tree(root)
    manifest = json.loads(found["dataset_manifest.json"])
    assert manifest.pop("mode") in ("local", "production")
    return found | {"dataset_manifest.json": json.dumps(manifest).encode()}


def test_every_kept_row_is_there_once_and_in_order(built: BuildResult) -> None:
    rows = [row for path in built.shards for row in pq.read_table(path)["sample_id"].to_pylist()]
    expected = [f"first:{n}" for n in range(33_333)]
    expected += [f"second:{n}" for n in range(12_000) if not 4_900 <= n < 10_050]
    assert rows == expected


def test_a_row_group_covers_its_source_rows(built: BuildResult) -> None:
    for path in built.shards:
        with pq.ParquetFile(path) as file:
            for at in range(file.num_row_groups):
                table = file.read_row_group(at, columns=["input_file", "source_row"])
                places = zip(*table.to_pydict().values(), strict=True)
                assert len({(name, row // 5_000) for name, row in places}) == 1


def test_values_are_those_of_the_input(inputs: list[Path], built: BuildResult) -> None:
    table = pq.read_table(built.shards[0])
    with h5py.File(inputs[0]) as file:
        spectra = file["spectrum"][:50]
        precursor = file["precursor_mz"][:50]
        names = file["name"].asstr()[:50]
    for at, (mz, intensity) in enumerate(spectra):
        kept = mz > 0
        row = {name: table[name][at].as_py() for name in table.column_names}
        assert row["mzs"] == mz[kept].tolist()
        scaled = (intensity[kept] / intensity.max()).astype(np.float32)
        assert row["ints"] == scaled.tolist()
        assert row["precursor_mz"] == precursor[at]
        assert row["source_file"] == names[at]
        assert row["num_peaks"] == kept.sum()


def test_manifests_say_what_is_there(built: BuildResult, inputs: list[Path]) -> None:
    root = built.manifest.parent
    dataset = json.loads(built.manifest.read_text())
    assert len(built.shards) > 2
    assert dataset["num_samples"] == built.num_samples == 33_333 + 12_000 - 5_150
    assert dataset["counts"]["dropped"] == built.dropped == {"precursor_invalid": 5_150}
    assert dataset["counts"]["read"] == built.read == 45_333
    assert dataset["status"] == "complete"
    assert dataset["hdf5_hashes"] == {
        path.name: f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in inputs
    }
    ranges = []
    for index, path in enumerate(built.shards):
        assert path.name == f"shard_{RUN_ID}_{index:05d}.parquet"
        manifest = json.loads(path.with_suffix(".manifest.json").read_text())
        data = path.read_bytes()
        assert len(data) <= 1_000_000
        assert manifest["file_size_bytes"] == len(data)
        assert manifest["checksum"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
        table = pq.read_table(path)
        ids = table["sample_id"].to_pylist()
        assert (manifest["first_sample_id"], manifest["last_sample_id"]) == (ids[0], ids[-1])
        lines = "".join(f"{sample}\n" for sample in ids).encode()
        assert manifest["sample_ids_sha256"] == hashlib.sha256(lines).hexdigest()
        precursor = table["precursor_mz"].to_numpy()
        assert manifest["min_precursor_mz"] == precursor.min()
        assert manifest["max_precursor_mz"] == precursor.max()
        assert manifest["run"]["created_at"] == "2025-04-23T14:30:22Z"
        ranges += manifest["source_ranges"]
    assert sum(r["row_stop"] - r["row_start"] for r in ranges) == 45_333
    assert sorted(p.name for p in (root / "checkpoints").iterdir()) == [f"checkpoint_{RUN_ID}.json"]
    assert not list(root.rglob(".*"))


def test_a_shard_closes_before_the_group_that_would_pass_the_limit(
    tmp_path: Path, inputs: list[Path]
) -> None:
    """The limit that a first shard of two groups has exactly; one byte less, and it has one."""
    both = build(tmp_path / "a", inputs, replace(SMALL, max_spectra=10_000))
    exact = both.shards[0].stat().st_size
    assert len(both.shards) == 1
    for limit, first in ((exact, 2), (exact - 1, 1)):
        settings = BuildSettings(max_shard_size_bytes=limit)
        found = build(tmp_path / str(limit), inputs, settings)
        assert pq.read_metadata(found.shards[0]).num_row_groups == first


def test_a_group_above_the_limit_has_a_shard_to_itself(tmp_path: Path, inputs: list[Path]) -> None:
    found = build(tmp_path, inputs, BuildSettings(max_shard_size_bytes=65_536, max_spectra=15_000))
    assert [pq.read_metadata(path).num_rows for path in found.shards] == [5_000] * 3


def test_what_was_built_is_valid_and_damage_is_found(built: BuildResult, tmp_path: Path) -> None:
    import shutil

    root = tmp_path / "copy"
    shutil.copytree(built.manifest.parent, root)
    assert validate(root).problems == ()
    assert validate(root).num_samples == built.num_samples
    shards = sorted(root.glob("train/*.parquet"))
    damaged = bytearray(shards[0].read_bytes())
    damaged[5_000] ^= 1
    shards[0].write_bytes(damaged)
    shards[1].write_bytes(shards[1].read_bytes()[:-3])
    shards[2].unlink()
    shutil.copy(shards[3], root / "train" / "shard_other_00000.parquet")
    problems = "\n".join(map(str, validate(root).problems))
    assert f"{shards[0].name}: its SHA-256" in problems
    assert re.search(f"{shards[0].name}, row group 0, column \\w+: page 0 is damaged", problems)
    assert f"{shards[1].name}: has " in problems
    assert f"{shards[2].name}: is missing" in problems
    assert "shard_other_00000.parquet: not in" in problems


def test_a_sample_is_made_where_no_input_is_named(tmp_path: Path) -> None:
    found = build(tmp_path / "out", None, BuildSettings(), sample_spectra=6_000)
    assert found.read == 6_000
    assert "sample.hdf5" in json.loads(found.manifest.read_text())["hdf5_hashes"]
    assert not list((tmp_path / "out").rglob("*.hdf5"))
    assert "6,000" in repr(found)


def test_progress_adds_up(tmp_path: Path, inputs: list[Path]) -> None:
    seen: list[Any] = []
    found = build(tmp_path / "out", inputs, watch=seen.append)
    assert [x.done for x in seen] == sorted(x.done for x in seen)
    last = seen[-1]
    assert (last.done, last.total, last.written) == (45_333, 45_333, found.num_samples)
    assert last.errors == 5_150
    assert last.shards == len(found.shards)


def refused(kind: type[WorkhorseError], match: str, root: Path, *args: Any, **options: Any) -> None:
    before = tree(root, strict=True) if root.exists() else None
    with pytest.raises(kind, match=match):
        build(root, *args, **options)
    assert (tree(root, strict=True) if root.exists() else None) == before


def test_nothing_is_ever_overwritten(
    tmp_path: Path, inputs: list[Path], built: BuildResult
) -> None:
    refused(UsageError, "holds a dataset already", built.manifest.parent, inputs)
    with exclusive(tmp_path):
        refused(OutputBusy, "Another process", tmp_path, inputs)


def test_bad_input_is_refused_before_anything_is_made(tmp_path: Path, inputs: list[Path]) -> None:
    root = tmp_path / "out"
    refused(InputUnusable, "does not exist", root, tmp_path / "none.hdf5")
    refused(InputUnusable, "have the name first|same name", root, [inputs[0], inputs[0]])
    refused(UsageError, "run id", root, inputs, run_id="a/b")
    refused(UsageError, "num_workers", root, inputs, num_workers=-1)
    ranked = BuildSettings(quality=replace(BuildSettings().quality, enable_ranking=True))
    refused(ConfigInvalid, "ranker_model", root, inputs, ranked)


def test_no_spectrum_left_is_a_failure(tmp_path: Path, inputs: list[Path]) -> None:
    settings = BuildSettings(preprocessing=Preprocessing(max_precursor_mz=1.5), max_spectra=9_000)
    message = r"No spectrum is left of .*first\.hdf5: all 9000.*above_limit: 9000"
    with pytest.raises(InputUnusable, match=message):
        build(tmp_path / "out", inputs[:1], settings)
    assert not list(tmp_path.rglob("dataset_manifest.json"))
    assert not list(tmp_path.rglob("shard_*.parquet"))


def stop_after(groups: int) -> Any:
    """A watcher that stops the build, as Ctrl-C does, after so many row groups."""
    left = [groups]

    def watch(_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    return watch


def test_a_stopped_build_goes_on_to_the_same_bytes(
    tmp_path: Path, inputs: list[Path], built: BuildResult
) -> None:
    root = tmp_path / "out"
    for groups in (2, 3, 1):
        with pytest.raises(KeyboardInterrupt):
            build(root, inputs, resume=True, watch=stop_after(groups))
    found = build(root, inputs, resume=True)
    assert found.resumed_rows > 0
    assert tree(root) == tree(built.manifest.parent)
    again = build(root, inputs, resume=True)
    assert (again.num_samples, again.resumed_rows) == (found.num_samples, found.read)
    assert tree(root) == tree(built.manifest.parent)


def test_an_unfinished_build_is_not_overwritten_nor_gone_on_with_differently(
    tmp_path: Path, inputs: list[Path]
) -> None:
    root = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        build(root, inputs, watch=stop_after(3))
    refused(UsageError, "unfinished build", root, inputs)
    other = replace(SMALL, preprocessing=Preprocessing(min_peaks=3))
    refused(ResumeRefused, r"min_peaks: was 1, is now 3", root, inputs, other, resume=True)
    refused(
        ResumeRefused,
        "input second.hdf5: was part of it, is not given now",
        root,
        inputs[:1],
        resume=True,
    )
    changed = make_input(tmp_path / "first.hdf5", 33_333, 9, chunk_rows=7_000)
    refused(
        ResumeRefused, "input first.hdf5: content differs", root, [changed, inputs[1]], resume=True
    )


def test_a_finished_build_is_not_gone_on_with_differently(
    inputs: list[Path], built: BuildResult
) -> None:
    other = replace(SMALL, max_spectra=10)
    root = built.manifest.parent
    refused(ResumeRefused, "max_spectra: was not set, is now 10", root, inputs, other, resume=True)


def test_a_complete_shard_that_is_gone_is_told(tmp_path: Path, inputs: list[Path]) -> None:
    root = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        build(root, inputs, watch=stop_after(6))
    next(iter(root.glob("train/shard_*.parquet"))).unlink()
    with pytest.raises(IntegrityFailure, match="it is gone"):
        build(root, inputs, resume=True)


def test_a_journal_that_cannot_be_read_is_told(tmp_path: Path, inputs: list[Path]) -> None:
    root = tmp_path / "out"
    (root / "checkpoints" / f"journal_{RUN_ID}.jsonl").mkdir(parents=True)
    refused(ResultsUnusable, "jsonl cannot be read: ", root, inputs, resume=True)


def test_the_plan_is_shown_and_nothing_written(tmp_path: Path, inputs: list[Path]) -> None:
    shown = preview(
        SMALL,
        input_hdf5=inputs,
        output_root=tmp_path / "out",
        run_id=RUN_ID,
        min_memory_gb=0.1,
        min_disk_gb=0.1,
    )
    assert (shown.rows, shown.row_groups) == (45_333, 7 + 3)
    assert "first.hdf5: 33,333 rows" in repr(shown)
    assert list(tmp_path.iterdir()) == []


def test_no_worker_is_started_for_which_there_is_no_task(
    tmp_path: Path, inputs: list[Path]
) -> None:
    options: dict[str, Any] = {"mode": "production", "num_workers": 48, "skip_preflight": True}
    shown = preview(BuildSettings(), input_hdf5=inputs, output_root=tmp_path / "out", **options)
    assert shown.workers == shown.tasks == 3


def test_a_build_keeps_to_the_memory_that_it_may_take(
    tmp_path: Path, inputs: list[Path], built: BuildResult, capsys: pytest.CaptureFixture[str]
) -> None:
    found = build(tmp_path / "out", inputs, num_workers=4, max_memory_gb=0.17)
    said = capsys.readouterr().err
    assert "To stay within 0.17 GB of memory: " in said
    assert "of 3 workers" in said  # there are three tasks
    assert found.num_samples == built.num_samples
    assert without_mode(tmp_path / "out") == without_mode(built.manifest.parent)
    refused(MemoryTooSmall, "one worker takes about", tmp_path / "no", inputs, max_memory_gb=0.05)
    assert not (tmp_path / "no").exists()


def test_what_a_killed_build_without_journal_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / ".shard_old_00000.parquet.partial").write_bytes(b"PAR1")
    (tmp_path / ".sample-x").mkdir()
    build(tmp_path, None, BuildSettings(), sample_spectra=500)
    assert not list(tmp_path.rglob(".*"))
