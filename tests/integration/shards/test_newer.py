"""What a newer Workhorse wrote is refused by every command that would read it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from remote.errors import ResultsUnusable
from remote.workloads.shards import read_shards
from remote.workloads.shards.meter import Progress
from remote.workloads.shards.output.lines import believed, framed
from tests.faults.small_builds import build_small
from tests.integration.shards.commands import SMALL, msms
from tests.unit.shards.making import make_input

pytestmark = pytest.mark.integration

Change = Callable[[Path], None]


def edited(pattern: str, **changes: Any) -> Change:
    def change(root: Path) -> None:
        path = next(root.glob(pattern))
        record = json.loads(path.read_text())
        # What a newer version adds and takes away is not known.
        path.write_text(json.dumps({"new": 1, **record, **changes}))

    return change


def bare(root: Path) -> None:
    """A dataset manifest of which the version alone is known."""
    (root / "dataset_manifest.json").write_text('{"version": 2, "parts": []}')


def parquet(root: Path) -> None:
    path = next(root.glob("train/*.parquet"))
    table = pq.read_table(path)
    newer = {**table.schema.metadata, b"schema_version": b"2"}
    pq.write_table(table.replace_schema_metadata(newer), path)


DATASET = edited("dataset_manifest.json", version=2)
SHARD = edited("train/*.manifest.json", schema_version=2)
REPORT = edited("quality_report.json", schema_version=2)
FORM = edited("quality_report.json", report_version=2)
RESUME = "build-shards --output-root {root} --input {input} --resume"
RESHARD = "reshard {root} --output-root {tmp}/new --shard-size 100000"
# Which command reads what, and its exit code: `ready` lists what is wrong with single shards.
READ: list[tuple[str, Change, str, int]] = [
    *(
        (name, change, "validate-shards {root}", 13)
        for name, change in {
            "dataset": DATASET,
            "bare": bare,
            "shard": SHARD,
            "report": REPORT,
            "form": FORM,
            "parquet": parquet,
        }.items()
    ),
    *(
        (name, change, RESHARD, 13)
        for name, change in {
            "dataset": DATASET,
            "bare": bare,
            "shard": SHARD,
            "report": REPORT,
            "form": FORM,
        }.items()
    ),
    *(
        (name, change, "ready {root}", 13)
        for name, change in {
            "dataset": DATASET,
            "bare": bare,
            "report": REPORT,
            "form": FORM,
        }.items()
    ),
    ("parquet", parquet, "ready {root}", 33),
    *(
        (name, change, "quality-report {root}", 13)
        for name, change in {"report": REPORT, "form": FORM}.items()
    ),
    *(
        (name, change, "quality-report {whole} --against {root}", 13)
        for name, change in {"report": REPORT, "form": FORM}.items()
    ),
    *(
        (name, change, RESUME, 13)
        for name, change in {
            "dataset": DATASET,
            "bare": bare,
            "report": REPORT,
            "form": FORM,
        }.items()
    ),
    ("dataset", DATASET, f"{RESUME} --run-id other", 13),
    ("dataset", DATASET, f"{RESUME} --dry-run", 13),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    make_input(folder / "a.hdf5", 300)
    msms("build-shards", "--input", folder / "a.hdf5", "--output-root", folder / "out", *SMALL)
    return folder / "out"


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def everything(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in root.rglob("*")}


@pytest.mark.parametrize(
    ("change", "words", "code"),
    [pytest.param(*rest, id=f"{name}: {rest[1]}") for name, *rest in READ],
)
def test_each_command_refuses_it(
    change: Change,
    words: str,
    code: int,
    whole: Path,
    copy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(copy)
    before = everything(tmp_path)
    places = {"root": copy, "whole": whole, "tmp": tmp_path, "input": whole.parent / "a.hdf5"}
    small = SMALL if words.startswith("build") else ()
    msms(*words.format(**places).split(), *small, code=code)
    err = capsys.readouterr().err
    assert "version 2" in err
    assert "Traceback" not in err
    assert everything(tmp_path) == before


@pytest.mark.parametrize("change", [DATASET, bare, parquet])
def test_in_python(change: Change, copy: Path) -> None:
    change(copy)
    with pytest.raises(ResultsUnusable, match="is of schema version 2"):
        read_shards(copy)


def test_an_unfinished_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its journal is refused before a line of it is taken for something else."""

    def stop(now: Progress) -> None:
        if now.done >= 5_000:
            raise KeyboardInterrupt

    path = make_input(tmp_path / "a.hdf5", 6_000)
    root = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        build_small(root, [path], watch=stop)
    (journal,) = root.glob("checkpoints/journal_*")
    first, *rest = journal.read_bytes().splitlines(keepends=True)
    begin = believed(first)
    assert begin is not None
    begin["key"]["schema_version"] = 2
    newer = framed({"kind": "page", "what": "nobody knows"})
    journal.write_bytes(framed(begin) + newer + b"".join(rest))
    before = everything(root)
    msms("build-shards", "--output-root", root, "--input", path, "--resume", *SMALL, code=13)
    assert "is of schema version 2" in capsys.readouterr().err
    assert everything(root) == before


@pytest.mark.parametrize("name", ["dataset_manifest.json", "checkpoints/checkpoint_*.json"])
@pytest.mark.parametrize("content", ["", "[]", "{}", '"x"'])
def test_damaged_records_are_named(
    name: str, content: str, whole: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next(copy.glob(name))
    path.write_text(content)
    words = ("--output-root", copy, "--input", whole.parent / "a.hdf5", "--resume")
    msms("build-shards", *words, *SMALL, code=8)
    assert f"{path} is damaged" in capsys.readouterr().err
