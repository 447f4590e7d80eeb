"""A dataset is harmed in every way that we could think of, and each harm is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from remote.errors import ResultsUnusable
from remote.workloads.durable import sha256_file
from remote.workloads.shards import BuildSettings, build_shards
from remote.workloads.shards.output.manifest import DATASET_MANIFEST, QUALITY_REPORT, manifest_path
from remote.workloads.shards.settings import Preprocessing, Splits
from remote.workloads.shards.validate import validate
from remote.workloads.shards.validation.problems import SHOWN, Problem
from remote.workloads.shards.validation.stored import Stored
from tests.unit.shards.harmed_dataset import edit, flip, put, rewrite, shards
from tests.unit.shards.harms.case import LONG, Case, first
from tests.unit.shards.harms.columns import COLUMNS, metadata
from tests.unit.shards.harms.files import FILES
from tests.unit.shards.harms.manifests import MANIFESTS
from tests.unit.shards.harms.values import VALUES, turned
from tests.unit.shards.making import RUN_ID, make_input

SPLITS = Splits(by=("source_file",), fractions=(0.5, 0.25, 0.25))


def built(root: Path, folder: Path, **settings: Any) -> Path:
    inputs = [
        make_input(folder / "a.hdf5", 16_200, 1, bad=(5_000, 10_007)),
        make_input(folder / "b.hdf5", 5_300, 2),
    ]
    build_shards(
        BuildSettings(max_shard_size_bytes=1_000_000, **settings),
        input_hdf5=inputs,
        output_root=root,
        run_id=RUN_ID,
        num_workers=1,
        skip_preflight=True,
    )
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards, as `harms` wants them."""
    folder = tmp_path_factory.mktemp("whole")
    root = built(folder / "out", folder)
    assert [Stored.opened(path).rows for path in shards(root)] == [
        (5_000, 4_993, 1_200),
        (5_000, 300),
    ]
    return root


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("split")
    return built(folder / "out", folder, splits=SPLITS)


def places(root: Path) -> dict[str, str]:
    names = [path.relative_to(root).as_posix() for path in shards(root)]
    return {
        "dataset": DATASET_MANIFEST,
        "report": QUALITY_REPORT,
        **{f"shard{i}": name for i, name in enumerate(names)},
        **{f"manifest{i}": f"{name[:-8]}.manifest.json" for i, name in enumerate(names)},
    }


@pytest.mark.parametrize(
    "case", [*FILES, *MANIFESTS, *COLUMNS, *VALUES], ids=lambda case: case.name
)
def test_each_harm_is_named(whole: Path, tmp_path: Path, case: Case) -> None:
    known = places(whole)
    root = Path(shutil.copytree(whole, tmp_path / "out"))
    case.harm(root)
    found = validate(root, full=case.full, workers=1)
    assert found.count >= len(found.problems) > 0
    wanted = (known.get(case.file, case.file), case.row_group, case.row, case.column)
    hits = [
        problem
        for problem in found.problems
        if (problem.file, problem.row_group, problem.row, problem.column) == wanted
        and case.text in problem.text
    ]
    assert hits, "\n".join(map(str, found.problems))
    json.dumps(found.to_json())


def test_what_was_built_is_as_recorded(whole: Path, split: Path, tmp_path: Path) -> None:
    sampled = built(tmp_path / "sampled", tmp_path, sample="random", max_spectra=7_000)
    plain = Preprocessing(
        normalize_intensities=False, sort_mz=False, min_peaks=4, max_precursor_mz=900.0
    )
    kept = built(tmp_path / "plain", tmp_path, preprocessing=plain)
    for root in (whole, split, sampled, kept):
        before = {path: sha256_file(path) for path in root.rglob("*") if path.is_file()}
        for full in (False, True):
            found = validate(root, full=full)
            assert found.problems == ()
            assert found.num_samples > 0
        assert {path: sha256_file(path) for path in root.rglob("*") if path.is_file()} == before


def test_every_flipped_bit_is_found(whole: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(whole, tmp_path / "out"))
    shard = shards(root)[1]
    data = shard.read_bytes()
    for at in range(0, len(data), len(data) // 60):
        flip(shard, at, at % 8)
        assert validate(root, workers=1).problems, f"byte {at}"
        shard.write_bytes(data)


def test_without_order_or_scale_there_are_other_rules(tmp_path: Path) -> None:
    plain = Preprocessing(normalize_intensities=False, sort_mz=False)
    root = built(tmp_path / "out", tmp_path, preprocessing=plain)
    first(turned(LONG))(root)
    assert validate(root, full=True).problems == ()
    first(put("base_peak_intensity", LONG, 1.5))(root)
    (problem,) = validate(root, full=True).problems
    assert problem.column == "base_peak_intensity"
    assert "is 1.5, and the base peak of ints is" in problem.text


def test_a_row_is_in_one_split_alone(split: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(split, tmp_path / "out"))
    by_split = {path.parent.name: path for path in shards(root)}
    row = pq.read_table(by_split["train"]).slice(0, 1)

    def change(rows: pa.Table) -> pa.Table:
        joined = pa.concat_tables([rows.slice(1), row.cast(rows.schema)])
        return joined.take(
            pa.array(sorted(range(len(joined)), key=joined["source_row"].to_pylist().__getitem__))
        )

    rewrite(by_split["val"], 0, change)
    found = validate(root, full=True)
    number = row["source_row"][0].as_py()
    assert any(
        problem.text
        == f"source row {number} of a.hdf5 is in {by_split[one].relative_to(root)} as well"
        for one in ("train", "val")
        for problem in found.problems
    ), found.problems


def test_splits_account_for_the_same_rows(split: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(split, tmp_path / "out"))
    shard = next(path for path in shards(root) if path.parent.name == "test")
    edit(manifest_path(shard), lambda x: x["source_ranges"][-1].update(row_stop=5_000))
    texts = [str(problem) for problem in validate(root).problems]
    assert (
        f"{DATASET_MANIFEST}: test: its shards account for 21200 source rows, 21500 were read"
        in texts
    )
    assert any("account for different source rows" in text for text in texts)


def test_of_very_many_faults_the_first_are_named(whole: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(whole, tmp_path / "out"))

    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index("precursor_mz")
        wrong = pa.array([-1.0] * len(table))
        return table.set_column(place, table.schema.field("precursor_mz"), wrong)

    for group in (0, 1):
        rewrite(shards(root)[0], group, change)
    found = validate(root, full=True)
    assert found.count == 9_993
    assert [problem.row for problem in found.problems] == [*range(SHOWN), None]
    assert found.problems[-1].text == f"and {9_993 - SHOWN:,} more like this"


@pytest.mark.parametrize("where", ["dataset", "manifest", "file"])
def test_a_newer_version_is_refused(whole: Path, tmp_path: Path, where: str) -> None:
    root = Path(shutil.copytree(whole, tmp_path / "out"))
    if where == "dataset":
        edit(root / DATASET_MANIFEST, lambda x: x.update(version=2, shards={}))
    elif where == "manifest":
        edit(manifest_path(shards(root)[1]), lambda x: x.update(schema_version=2))
    else:
        metadata(schema_version="2")(root)
    with pytest.raises(ResultsUnusable, match="is of schema version 2") as error:
        validate(root)
    assert "Update Workhorse" in error.value.hint


def test_what_is_not_finished_is_no_dataset(whole: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(whole, tmp_path / "out"))
    (root / DATASET_MANIFEST).unlink()
    with pytest.raises(ResultsUnusable, match="what was begun there is not finished"):
        validate(root)
    with pytest.raises(ResultsUnusable, match="holds no dataset_manifest"):
        validate(tmp_path)


def test_a_problem_says_where() -> None:
    problem = Problem("train/a.parquet", "is wrong", 3, 17, "mzs")
    assert str(problem) == "train/a.parquet, row group 3, row 17, column mzs: is wrong"
    assert str(Problem("train/a.parquet", "is missing")) == "train/a.parquet: is missing"
