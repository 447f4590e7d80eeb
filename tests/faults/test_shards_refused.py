"""A build goes on only from the same inputs, settings, schema, software and code; alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from remote.errors import OutputBusy, ResumeRefused
from remote.workloads.shards.meter import Progress
from tests.faults.commands import ROOT, build_command, run, start, wait_until
from tests.faults.small_builds import build_small, small_inputs
from tests.unit.shards.making import make_input

FLAGS = ("--shard-size", 65_536, "--num-workers", 2)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return small_inputs(tmp_path_factory.mktemp("small"))


@pytest.fixture
def unfinished(tmp_path: Path, small: list[Path]) -> Path:
    """A build that was stopped."""

    def stop(now: Progress) -> None:
        if now.done >= 5_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_small(tmp_path / "out", small, watch=stop)
    return tmp_path / "out"


def everything(root: Path) -> dict[str, tuple[int, bytes]]:
    """All files and directories with the times of their last change."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in (root, *root.rglob("*"))
    }


def refused(
    root: Path, inputs: list[Path], *flags: object, home: Path = ROOT, path: Path | None = None
) -> str:
    """Try to go on; what the refusal says. Nothing is changed by it."""
    before = everything(root)
    command = build_command(root, inputs, *FLAGS, *flags, "--resume")
    done = subprocess.run(
        command,
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(path or "")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ResumeRefused.exit_code, done.stderr
    assert "was made from something else" in done.stderr
    assert everything(root) == before
    return done.stderr


def changed_code(folder: Path, before: str, after: str) -> Path:
    """A copy of the package with other text in one of its sources."""
    shutil.copytree(ROOT / "remote", folder / "remote")
    source = folder / "remote" / "workloads" / "shards" / "settings.py"
    text = source.read_text()
    assert before in text
    source.write_text(text.replace(before, after))
    return folder


def test_other_settings(unfinished: Path, small: list[Path]) -> None:
    said = refused(unfinished, small, "--min-peaks", 3, "--split", "val")
    assert "config preprocessing/min_peaks: was 1, is now 3" in said
    assert "config split: was train, is now val" in said


def test_other_inputs(tmp_path: Path, unfinished: Path, small: list[Path]) -> None:
    (tmp_path / "other").mkdir()
    other = make_input(tmp_path / "other" / "first.hdf5", 10_200, 7)
    assert "input first.hdf5: content differs\n" in refused(unfinished, [other, small[1]])
    assert "order of the inputs: was first.hdf5, second.hdf5" in refused(unfinished, small[::-1])


def test_another_schema(tmp_path: Path, unfinished: Path, small: list[Path]) -> None:
    home = changed_code(tmp_path / "home", "SCHEMA_VERSION = 1", "SCHEMA_VERSION = 2")
    said = refused(unfinished, small, home=home)
    assert "schema version: was 1, is now 2" in said
    assert "code version: " in said


def test_other_software(tmp_path: Path, unfinished: Path, small: list[Path]) -> None:
    record = tmp_path / "site" / "pyarrow-19.0.0.dist-info" / "METADATA"
    record.parent.mkdir(parents=True)
    record.write_text("Metadata-Version: 2.1\nName: pyarrow\nVersion: 19.0.0\n")
    said = refused(unfinished, small, path=tmp_path / "site")
    assert f"pyarrow: was {version('pyarrow')}, is now 19.0.0" in said
    assert "code version" not in said


def test_other_code(tmp_path: Path, unfinished: Path, small: list[Path]) -> None:
    home = changed_code(tmp_path / "home", "GIB = 1 << 30", "GIB = 2**30")
    said = refused(unfinished, small, home=home)
    listed = [line for line in said.splitlines() if line.startswith("  ")]
    assert listed == ["  code version: the source code of this package differs"]


def test_a_finished_dataset_is_not_taken_for_another(tmp_path: Path, small: list[Path]) -> None:
    build_small(tmp_path / "out", small)
    assert "min_peaks: was 1, is now 2" in refused(tmp_path / "out", small, "--min-peaks", 2)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    large = [make_input(tmp_path / "a.hdf5", 40_000, 1)]
    root = tmp_path / "out"
    with start(build_command(root, large)) as first:
        wait_until(lambda: any(root.glob("checkpoints/journal_*")))
        first.send_signal(signal.SIGSTOP)  # or it may be over before the second one begins
        second = run(build_command(root, large, "--resume"))
        first.send_signal(signal.SIGCONT)
        assert second.returncode == OutputBusy.exit_code, second.stderr
        assert "Another process is writing" in second.stderr
        first.communicate()
    assert first.returncode == 0
