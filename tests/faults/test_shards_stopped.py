"""Ctrl-C and SIGTERM: a checkpoint, an end within two seconds, and the command that goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from remote.workloads.shards.output.journal import GroupLine
from tests.faults.commands import ROOT, build_command, busy, journalled, run, start, wait_until
from tests.faults.families import seconds_until_gone
from tests.integration.runner import making as runner
from tests.unit.shards.making import RUN_ID, make_input, tree

CANCELLED = 6
LIMIT_SECONDS = 2.0
ORPHAN_SECONDS = 5.0
SHARDS = ("--num-workers", 2, "--shard-size", 5_000_000)
# No checkpoint comes by itself: the one that is there was made because of the signal.
NEVER = ("--checkpoint-interval", 10**9)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chunks of 40,000 rows, as tasks then are; a name that a shell must be told of."""
    path = tmp_path_factory.mktemp("large") / "it's large.hdf5"
    return make_input(path, 160_000, 1, chunk_rows=40_000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, large: Path) -> dict[str, bytes]:
    """The files of an undisturbed build."""
    root = tmp_path_factory.mktemp("whole") / "out"
    assert run(build_command(root, [large], *SHARDS)).returncode == 0
    return tree(root)


def assert_checkpointed(root: Path, done: list[GroupLine]) -> None:
    """The summary, which is written last, counts all row groups but one that was being added."""
    summary = root / "checkpoints" / f"checkpoint_{RUN_ID}.json"
    assert done
    assert len(done) - 1 <= json.loads(summary.read_text())["row_groups"] <= len(done)


def stop(
    command: list[str], root: Path, number: signal.Signals, *, again: bool = False
) -> tuple[float, str]:
    """Signal a build that has written something; how long it took to end, and what it said.

    The terminal's Ctrl-C goes to every process of the group, SIGTERM to the one that was started.
    """
    with start(command) as process:
        send = os.killpg if number == signal.SIGINT else os.kill
        wait_until(lambda: bool(journalled(root)) or process.poll() is not None)
        began = time.monotonic()
        send(process.pid, number)
        if again:
            time.sleep(0.2)  # two signals at once are one
            began = time.monotonic()
            send(process.pid, number)
        _, said = process.communicate(timeout=60)
        seconds = time.monotonic() - began
        seconds_until_gone(process.pid, ORPHAN_SECONDS)
    assert process.returncode == CANCELLED, said
    assert "Traceback" not in said
    return seconds, said


PROCESSES = ("--mode", "production")


@pytest.mark.parametrize(
    ("number", "flags"),
    [
        (signal.SIGINT, ()),
        (signal.SIGTERM, ()),
        (signal.SIGINT, PROCESSES),
        pytest.param(signal.SIGTERM, PROCESSES, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, ("--use-dask",), marks=pytest.mark.slow),
        (signal.SIGINT, ("--use-dask", *PROCESSES)),
        pytest.param(signal.SIGTERM, ("--use-dask", *PROCESSES), marks=pytest.mark.slow),
    ],
)
def test_a_stop_checkpoints_and_says_how_to_go_on(
    tmp_path: Path,
    large: Path,
    whole: dict[str, bytes],
    number: signal.Signals,
    flags: tuple[str, ...],
) -> None:
    root = tmp_path / "out put"
    seconds, said = stop(build_command(root, [large], *SHARDS, *NEVER, *flags), root, number)
    assert seconds < LIMIT_SECONDS * busy()
    print(f"ended in {seconds:.2f} s")
    done = journalled(root)
    assert_checkpointed(root, done)
    goes_on = said.partition("Go on with:\n")[2].splitlines()[0].strip()
    again = subprocess.run(
        ["bash", "-c", f"{goes_on} --json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["resumed_rows"] == done[-1].row_stop
    assert same_but_for_mode(tree(root)) == same_but_for_mode(whole)


def same_but_for_mode(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files of a build; the dataset manifest also tells of the mode, which is no byte of it."""
    manifest = json.loads(files["dataset_manifest.json"])
    manifest.pop("mode")
    return {**files, "dataset_manifest.json": json.dumps(manifest).encode()}


STUCK = """
import sys, time
from remote.workloads.shards import pipeline
real = pipeline.Work.__call__
def stuck(work, task):
    if task.index >= 2:
        time.sleep(3600)
    return real(work, task)
pipeline.Work.__call__ = stuck
from remote.workloads.shards.__main__ import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("again", [False, True])
def test_a_task_that_does_not_end_holds_nobody_up(tmp_path: Path, large: Path, again: bool) -> None:
    root = tmp_path / "out"
    flags = build_command(root, [large], *SHARDS, *NEVER)[3:]
    seconds, said = stop([sys.executable, "-c", STUCK, *flags], root, signal.SIGINT, again=again)
    assert seconds < (0.5 if again else LIMIT_SECONDS) * busy()
    assert "--resume" in said
    done = journalled(root)
    assert_checkpointed(root, done)
    last = run(build_command(root, [large], *SHARDS, "--resume", "--json"))
    assert json.loads(last.stdout)["resumed_rows"] == done[-1].row_stop


def test_a_build_without_a_journal_does_not_promise_to_go_on(tmp_path: Path, large: Path) -> None:
    root = tmp_path / "out"
    with start(build_command(root, [large], "--no-checkpoint")) as process:
        wait_until(lambda: any(root.glob("train/.*.partial")))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == CANCELLED
    assert "start anew" in said
    assert "--resume" not in said


CELL = """
from remote.workloads.shards import BuildSettings, build_shards
build_shards(
    BuildSettings(max_shard_size_bytes=5_000_000), input_hdf5={path!r}, run_id={run_id!r},
    output_root=OUTPUT_DIR, num_workers=2, checkpoint_interval=10**9, skip_preflight=True,
)
"""


def test_a_notebook_that_is_stopped_checkpoints(
    tmp_path: Path, large: Path, whole: dict[str, bytes]
) -> None:
    stopped = runner.make_run(tmp_path / "run", [CELL.format(path=str(large), run_id=RUN_ID)])
    root = stopped / "output"
    with runner.start(stopped) as process:
        wait_until(lambda: bool(journalled(root)))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == CANCELLED
    done = journalled(root)
    assert_checkpointed(root, done)
    assert run(build_command(root, [large], *SHARDS, "--resume")).returncode == 0
    assert tree(root) == whole
