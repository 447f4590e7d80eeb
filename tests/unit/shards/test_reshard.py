"""The same spectra in shards of another size, and back again to the same bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remote.errors import (
    IntegrityFailure,
    OutputBusy,
    ResultsUnusable,
    ResumeRefused,
    UsageError,
    WorkhorseError,
)
from remote.workloads.durable import exclusive
from remote.workloads.shards import BuildSettings, build_shards
from remote.workloads.shards.__main__ import msms
from remote.workloads.shards.cli.stopping import advice
from remote.workloads.shards.output.manifest import DATASET_MANIFEST, manifest_path, read_manifest
from remote.workloads.shards.reshard import preview, reshard
from remote.workloads.shards.settings import Splits
from remote.workloads.shards.validate import validate
from remote.workloads.shards.validation.stored import Stored
from tests.faults.disk import Fault, Killed, failing
from tests.unit.shards.harmed_dataset import agree, edit, flip, seal, shards
from tests.unit.shards.making import RUN_ID, make_input, tree

SIZE = 1_000_000
SMALL = 300_000
SPLITS = Splits(by=("source_file",), fractions=(0.5, 0.25, 0.25))


def build(root: Path, inputs: list[Path], limit: int = SIZE, **settings: Any) -> Path:
    build_shards(
        BuildSettings(max_shard_size_bytes=limit, **settings),
        input_hdf5=inputs,
        output_root=root,
        run_id=RUN_ID,
        num_workers=1,
        skip_preflight=True,
    )
    return root


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Seven row groups, one of them without a good row, one of one good row."""
    folder = tmp_path_factory.mktemp("inputs")
    return [
        make_input(folder / "a.hdf5", 16_200, 1, bad=(5_000, 10_007)),
        make_input(folder / "b.hdf5", 15_300, 2, bad=(0, 9_999)),
    ]


@pytest.fixture(scope="module", params=["whole", "split", "sampled"])
def dataset(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, inputs: list[Path]
) -> Path:
    chosen: dict[str, dict[str, Any]] = {
        "whole": {},
        "split": {"splits": SPLITS},
        "sampled": {"sample": "random", "max_spectra": 21_000, "random_seed": 5},
    }
    return build(tmp_path_factory.mktemp(request.param) / "out", inputs, **chosen[request.param])


def parquet(root: Path) -> list[tuple[str, bytes]]:
    return [(path.parent.name, path.read_bytes()) for path in shards(root)]


def table(root: Path) -> dict[str, pa.Table]:
    """All rows by split, in order."""
    splits: dict[str, list[pa.Table]] = {}
    for path in shards(root):
        splits.setdefault(path.parent.name, []).append(pq.read_table(path))
    return {split: pa.concat_tables(found) for split, found in splits.items()}


def plain(root: Path) -> dict[str, bytes]:
    """The files of a dataset without what tells how it was made."""
    known = {name: data for name, data in tree(root).items() if "checkpoints" not in name}
    dataset = read_manifest(root / DATASET_MANIFEST)
    drop = {"run": None, "parent": None}
    known[DATASET_MANIFEST] = repr({**dataset, **drop}).encode()
    return known


def test_there_and_back_again(dataset: Path, tmp_path: Path) -> None:
    there = reshard(dataset, tmp_path / "small", shard_size=SMALL, run_id="small")
    assert len(there.shards) > len(shards(dataset))
    assert all(path.stat().st_size <= SMALL or groups(path) == 1 for path in there.shards)
    assert validate(tmp_path / "small", full=True).problems == ()
    assert table(tmp_path / "small") == table(dataset)
    reshard(tmp_path / "small", tmp_path / "back", shard_size=SIZE, run_id=RUN_ID)
    assert parquet(tmp_path / "back") == parquet(dataset)
    assert plain(tmp_path / "back") == plain(dataset)


def groups(path: Path) -> int:
    return int(pq.read_metadata(path).num_row_groups)


def test_it_is_what_a_build_of_that_size_is(inputs: list[Path], tmp_path: Path) -> None:
    """Shards and their manifests, but for the digest of the settings."""
    build(tmp_path / "large", inputs)
    for size in (SMALL, 700_000, 10**9):
        built = build(tmp_path / f"built{size}", inputs, size)
        made = tmp_path / f"made{size}"
        reshard(tmp_path / "large", made, shard_size=size, run_id=RUN_ID)
        assert parquet(made) == parquet(built)
        for one, other in zip(shards(made), shards(built), strict=True):
            expected = read_manifest(manifest_path(other))
            found = read_manifest(manifest_path(one))
            for record in (expected, found):
                del record["config_digest"], record["run"]
            assert found == expected


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(65_536, 2_000_000), min_size=1, max_size=3))
def test_sizes_in_between_leave_no_trace(
    dataset: Path, tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("sizes")
    root = dataset
    for number, size in enumerate([*sizes, SIZE]):
        planned = preview(root, folder / str(number), shard_size=size).shards
        reshard(root, folder / str(number), shard_size=size, run_id=RUN_ID)
        root = folder / str(number)
        found: dict[str, list[int]] = {}
        for path in shards(root):
            found.setdefault(path.parent.name, []).append(path.stat().st_size)
        assert found == planned
        assert validate(root, full=True).problems == ()
    assert parquet(root) == parquet(dataset)
    shutil.rmtree(folder)


def test_the_manifest_says_what_it_was_made_from(dataset: Path, tmp_path: Path) -> None:
    reshard(dataset, tmp_path / "small", shard_size=SMALL, run_id="small")
    parent, made = (read_manifest(x / DATASET_MANIFEST) for x in (dataset, tmp_path / "small"))
    assert made["parent"]["dataset_hash"] == parent["dataset_hash"]
    assert made["parent"]["run"] == parent["run"]
    assert made["run"]["run_id"] == "small"
    assert made["counts"] == parent["counts"]
    report = read_manifest(tmp_path / "small" / "quality_report.json")
    (complete, size) = report["stages"]["shard_construction"]["checks"]
    assert f"in {made['num_shards']} shards" in complete["reason"]
    assert f"the limit is {SMALL:,}" in size["reason"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, inputs: list[Path]) -> Path:
    return build(tmp_path_factory.mktemp("one") / "out", inputs)


def refused(kind: type[WorkhorseError], match: str, *given: Any, **options: Any) -> WorkhorseError:
    with pytest.raises(kind, match=match) as error:
        reshard(*given, **{"shard_size": SMALL, **options})
    return error.value


def test_what_is_there_is_not_overwritten(whole: Path, tmp_path: Path) -> None:
    before = tree(whole, strict=True)
    refused(UsageError, "holds a dataset already", whole, build_copy(whole, tmp_path / "other"))
    refused(UsageError, "lies in the dataset", whole, whole)
    refused(UsageError, "lies in the dataset", whole, whole / "train" / "more")
    refused(UsageError, "run id", whole, tmp_path / "out", run_id="a/b")
    refused(UsageError, "at least 65,536", whole, tmp_path / "out", shard_size=100)
    refused(ResultsUnusable, "holds no dataset_manifest", tmp_path, tmp_path / "out")
    with exclusive(tmp_path / "busy"):
        refused(OutputBusy, "Another process", whole, tmp_path / "busy")
    assert tree(whole, strict=True) == before
    assert not (tmp_path / "out").exists()


def build_copy(root: Path, to: Path) -> Path:
    return Path(shutil.copytree(root, to))


def test_damage_is_found_on_the_way(whole: Path, tmp_path: Path) -> None:
    root = build_copy(whole, tmp_path / "damaged")
    shard = shards(root)[0]
    stored = Stored.opened(shard)
    flip(shard, stored.chunks[1][0].stop - 2)
    error = refused(
        IntegrityFailure, r"row group 1, column \w+: page 0 is damaged", root, tmp_path / "a"
    )
    assert "msms validate-shards" in error.hint
    flip(shard, stored.chunks[1][0].stop - 2)
    flip(shard, stored.chunks[0][0].start + 3)  # in the header of a page
    refused(IntegrityFailure, "SHA-256|cannot be read", root, tmp_path / "b")
    assert not list((tmp_path / "b").rglob("*.manifest.json"))
    shard.write_bytes(shards(whole)[0].read_bytes()[:-9])
    refused(IntegrityFailure, shard.name, root, tmp_path / "c")
    edit(root / DATASET_MANIFEST, lambda x: x.update(num_samples=1))
    refused(IntegrityFailure, "num_samples is 1", root, tmp_path / "d")


def test_shards_of_other_columns_are_not_mixed(whole: Path, tmp_path: Path) -> None:
    root = build_copy(whole, tmp_path / "mixed")
    one, other = shards(root)[:2]
    schema = pq.read_schema(other).with_metadata({"schema_version": "1"})
    with pq.ParquetFile(other) as file:
        tables = [file.read_row_group(place) for place in range(file.num_row_groups)]
    with pq.ParquetWriter(other, schema, write_page_checksum=True) as writer:
        for rows in tables:
            writer.write_table(rows.cast(schema), row_group_size=len(rows))
    seal(other)
    agree(root)
    refused(IntegrityFailure, f"{other.name}: its columns or metadata", root, tmp_path / "out")
    assert one.exists()


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small row groups in two shards."""
    folder = tmp_path_factory.mktemp("few")
    inputs = [make_input(folder / f"{name}.hdf5", 700, seed) for seed, name in enumerate("abc")]
    root = build(folder / "out", inputs, 150_000)
    assert [groups(path) for path in shards(root)] == [2, 1]
    return root


def test_killed_at_each_call(few: Path, tmp_path: Path) -> None:
    """At each write, fsync, rename, mkdir, open, truncate and unlink; then gone on with."""
    reshard(few, tmp_path / "whole", shard_size=65_536, run_id="r")
    expected = plain(tmp_path / "whole")
    assert len(shards(tmp_path / "whole")) == 3
    with failing(tmp_path / "counted") as disk:
        reshard(few, tmp_path / "counted", shard_size=65_536, run_id="r")
    steps = disk.calls.total()
    assert steps > 40
    for step in range(steps):
        root = tmp_path / f"killed{step}"
        with failing(root, Fault("kill", step)) as disk, suppress(Killed):
            reshard(few, root, shard_size=65_536, run_id="r")
            assert not disk.failed
        kept = dict(complete(root))
        reshard(few, root, shard_size=65_536, run_id="r", resume=True)
        assert plain(root) == expected, f"killed at call {step} of {steps}"
        assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
        shutil.rmtree(root)


def complete(root: Path) -> Iterator[tuple[Path, int]]:
    """Shards that have their manifest; they are not made again."""
    for path in sorted(root.glob("*/shard_*.parquet")):
        if manifest_path(path).exists():
            yield path, path.stat().st_mtime_ns


def test_what_was_begun_is_gone_on_with_or_refused(whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"

    def stop(now: Any) -> None:
        if now.done > 10_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reshard(whole, root, shard_size=SMALL, run_id="r", watch=stop)
    error = refused(UsageError, "holds the unfinished resharding r", whole, root)
    assert "--resume" in error.hint
    refused(
        ResumeRefused,
        "shard size: was 300000, is now 400000",
        whole,
        root,
        shard_size=400_000,
        resume=True,
    )
    other = build_copy(whole, tmp_path / "other")
    edit(other / DATASET_MANIFEST, lambda x: x.update(config_file="x"))
    refused(ResumeRefused, "another one", other, root, resume=True)
    refused(ResumeRefused, "no resharding has made", whole, other, resume=True)
    done = reshard(whole, root, shard_size=SMALL, resume=True)
    assert {path.name.split("_")[1] for path in done.shards} == {"r"}
    again = reshard(whole, root, shard_size=SMALL, resume=True)
    assert again.shards == done.shards
    assert not list(root.rglob("*.partial"))


def test_who_stops_it_is_told_how_to_go_on() -> None:
    given = ["reshard", "a", "--output-root", "b", "--shard-size", "100000"]
    assert advice(given).endswith("reshard a --output-root b --shard-size 100000 --resume")
    assert advice([*given, "--dry-run"]) == ""


def test_the_command(whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    given = ["reshard", str(whole), "--output-root", str(output), "--shard-size", str(SMALL)]
    runner = CliRunner()
    planned = json.loads(runner.invoke(msms, [*given, "--dry-run", "--json"]).stdout)
    assert not output.exists()
    assert "at most 300,000 bytes each" in runner.invoke(msms, [*given, "--dry-run"]).stdout
    done = runner.invoke(msms, [*given, "--json"])
    sizes = [Path(path).stat().st_size for path in json.loads(done.stdout)["shards"]]
    assert sizes == planned["shards"]["train"]
    assert "spectra" in done.stderr
    again = runner.invoke(msms, given)
    assert isinstance(again.exception, UsageError)
