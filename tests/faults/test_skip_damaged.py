"""Damaged rows are left out, the same ones however they are read, and nothing else is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from remote.errors import InputUnusable, ResumeRefused
from remote.workloads.shards import BuildResult, BuildSettings, build_shards
from remote.workloads.shards.inputs.damage import rows_in
from remote.workloads.shards.validate import validate
from tests.faults.damaged import LAYOUTS
from tests.faults.damaged_worker import read_shards
from tests.faults.harm import ROWS, Harmed, cut_in_a_chunk, harmed, sound
from tests.unit.shards.making import RUN_ID, make_input, tree

SEEDS = 1
WAYS: tuple[dict[str, Any], ...] = (
    {"num_workers": 1, "batch_size": 20_000},
    {"num_workers": 2, "batch_size": 100},
    {"num_workers": 2, "batch_size": 1_111},
)


def build(path: Path, root: Path, **options: Any) -> BuildResult:
    return build_shards(
        BuildSettings(max_shard_size_bytes=100_000),
        **{
            "input_hdf5": path,
            "output_root": root,
            "run_id": RUN_ID,
            "min_memory_gb": 0.0,
            "min_disk_gb": 0.0,
            "skip_damaged": True,
            **options,
        },
    )


def left_out(result: BuildResult) -> set[int]:
    ranges = json.loads(result.manifest.read_text())["damaged_ranges"]
    return {row for x in ranges for row in range(x["row_start"], x["row_stop"])}


def check(folder: Path, layout: str, seed: int) -> None:
    folder.mkdir()
    whole = read_shards(
        build(sound(folder / "input.hdf5", layout), folder / "whole", skip_damaged=False).shards
    )
    file = harmed(folder / "input.hdf5", layout, seed)
    check_error(folder, file)
    results = [build(file.path, folder / f"out{n}", **way) for n, way in enumerate(WAYS)]
    assert left_out(results[0]) == file.rows
    expected = {row: values for row, values in whole.items() if row not in file.rows}
    assert repr(read_shards(results[0].shards)) == repr(expected)
    trees = [tree(folder / f"out{n}") for n in range(len(WAYS))]
    assert all(found == trees[0] for found in trees[1:])
    check_marks(results[0], file)


def check_error(folder: Path, file: Harmed) -> None:
    """Without skipping, the error tells where."""
    with pytest.raises(InputUnusable) as caught:
        build(file.path, folder / "refused", skip_damaged=False)
    found = re.search(
        r"dataset `(\w+)`.*?,(?: among)? rows? (\d+)(?: to (\d+))?", caught.value.problem
    )
    assert found, caught.value.problem
    named = range(int(found[2]), int(found[3] or found[2]) + 1)
    assert file.lost[found[1]] & set(named)
    assert str(file.path) in caught.value.problem
    assert "--skip-damaged" in caught.value.hint


def check_marks(result: BuildResult, file: Harmed) -> None:
    manifest = json.loads(result.manifest.read_text())
    assert manifest["status"] == "damaged"
    ranges, counts = manifest["damaged_ranges"], manifest["counts"]
    assert {x["dataset"] for x in ranges} == set(file.lost)
    assert counts["damaged"] == counts["dropped"]["damaged"] == len(file.rows) == rows_in(ranges)
    assert counts["read"] == ROWS
    assert ranges == sorted(ranges, key=lambda x: (x["row_start"], x["row_stop"], x["dataset"]))
    found = validate(result.manifest.parent)
    assert (found.problems, found.damaged) == ((), len(file.rows))
    assert f"left out {len(file.rows):,} spectra" in repr(result)
    assert result.to_json()["damaged_ranges"] == ranges


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_damaged_and_nothing_else(tmp_path: Path, layout: str) -> None:
    for seed in range(SEEDS):
        check(tmp_path / str(seed), layout, seed)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_more_of_the_same(tmp_path: Path, layout: str) -> None:
    for seed in range(SEEDS, 40):
        check(tmp_path / str(seed), layout, seed)


def flipped(path: Path, rows: int, chunk_rows: int, at_row: int) -> Path:
    """Column chunks, of which one of row `at_row` does not inflate."""
    import h5py

    make_input(path, rows, 1, chunk_rows=chunk_rows)
    with h5py.File(path, "r") as file:
        spectrum = file["spectrum"].id
        chunk = spectrum.get_chunk_info_by_coord((at_row // chunk_rows * chunk_rows, 1, 0))
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(content)
    return path


def test_a_file_cut_short_that_the_library_opens(tmp_path: Path) -> None:
    path = cut_in_a_chunk(tmp_path / "cut.hdf5", 100, 30, 12)
    rows = set(range(1_200, 3_000))
    check_error(tmp_path, Harmed(path, {"spectrum": rows}))
    result = build(path, tmp_path / "out")
    assert left_out(result) == rows
    assert sorted(read_shards(result.shards)) == list(range(1_200))


def test_a_row_group_of_damaged_rows_alone(tmp_path: Path) -> None:
    path = flipped(tmp_path / "a.hdf5", 12_000, 5_000, 5_000)
    result = build(path, tmp_path / "out", batch_size=1)
    assert left_out(result) == set(range(5_000, 10_000))
    assert validate(tmp_path / "out").problems == ()
    report = json.loads((tmp_path / "out" / "quality_report.json").read_text())
    assert report["spectra"]["damaged"] == 5_000
    checks = {x["name"]: x for x in report["stages"]["canonicalisation"]["checks"]}
    assert checks["damaged"]["status"] == "FAIL"
    assert checks["accounted"]["status"] == "PASS"
    dropped = [
        json.loads(path.read_text())["dropped"].get("damaged", 0)
        for path in (tmp_path / "out").glob("train/*.manifest.json")
    ]
    assert sum(dropped) == 5_000


def test_killed_and_resumed_tells_the_same(tmp_path: Path) -> None:
    path = flipped(tmp_path / "a.hdf5", 12_000, 1_800, 4_000)
    build(path, tmp_path / "whole", batch_size=1)
    for moment in range(1, 4):
        root, seen = tmp_path / f"killed{moment}", 0

        def stop(_: Any, moment: int = moment) -> None:
            nonlocal seen
            if seen == moment:
                raise KeyboardInterrupt
            seen += 1

        with pytest.raises(KeyboardInterrupt):
            build(path, root, watch=stop, batch_size=1)
        with pytest.raises(ResumeRefused, match=r"config.skip_damaged: was True, is now False"):
            build(path, root, resume=True, skip_damaged=False)
        found = build(path, root, resume=True, num_workers=2, batch_size=3_000)
        assert found.resumed_rows
        assert tree(root) == tree(tmp_path / "whole")
        known = build(path, root, resume=True)
        assert known.damaged_ranges == found.damaged_ranges


def test_a_sound_file_is_complete_as_ever(tmp_path: Path) -> None:
    path = make_input(tmp_path / "a.hdf5", 6_000, 1)
    results = [build(path, tmp_path / str(skip), skip_damaged=skip) for skip in (False, True)]
    one, other = ([x.read_bytes() for x in result.shards] for result in results)
    assert one == other
    manifest = json.loads(results[1].manifest.read_text())
    assert (manifest["status"], manifest["damaged_ranges"]) == ("complete", [])


@pytest.mark.parametrize("filters_left_out", [False, True])
def test_a_value_that_cannot_be_where_a_filter_was_left_out(
    tmp_path: Path, filters_left_out: bool
) -> None:
    """Bytes from another place of the file look like this, with values that could be beside it."""
    path = make_input(tmp_path / "a.hdf5", 300)
    times = np.linspace(0, 600, 300)
    times[7] = 1e300
    with h5py.File(path, "r+") as file:
        name = next(name for name in ("RT", "retention_time") if name in file)
        del file[name]
        made = file.create_dataset(name, (300,), "f8", chunks=(100,), compression="lzf")
        made[:] = times
        if filters_left_out:
            made.id.write_direct_chunk((0,), times[:100].tobytes(), filter_mask=1)
    if filters_left_out:
        with pytest.raises(InputUnusable, match=r"row 7: .*without the dataset's filter"):
            build(path, tmp_path / "out")
    else:
        assert left_out(build(path, tmp_path / "out")) == {7}


def test_a_file_that_shrinks_is_refused_all_the_same(tmp_path: Path) -> None:
    path = make_input(tmp_path / "a.hdf5", 12_000, 1, chunk_rows=1_000)

    def cut(_: Any) -> None:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)

    with pytest.raises(InputUnusable, match="when it was opened") as caught:
        build(path, tmp_path / "out", watch=cut)
    assert "more than rows" in caught.value.hint


def test_worker_processes_leave_out_the_same(tmp_path: Path) -> None:
    file = harmed(tmp_path / "input.hdf5", "columns", 1)
    one = build(file.path, tmp_path / "threads")
    other = build(file.path, tmp_path / "processes", mode="production", num_workers=2)
    assert left_out(one) == file.rows
    assert one.damaged_ranges == other.damaged_ranges
    assert [x.read_bytes() for x in one.shards] == [x.read_bytes() for x in other.shards]
