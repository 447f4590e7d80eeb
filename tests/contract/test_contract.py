"""What every cell of the host matrix promises: one notebook, one result, whatever happens."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from remote.errors import NotebookUnusable, UsageError
from remote.hosts.connect import Host
from remote.model import RunState
from remote.results.verify import verify
from remote.run import runs
from remote.run.stop import stop
from tests.contract.cells import Cell, Heard, in_background, now, until, written

pytestmark = pytest.mark.integration

EXPECTED = {
    "deep/er/0.bin": bytes(range(256)),
    "deep/er/1.bin": bytes(range(256)) * 2,
    "täxt.txt": "007 ä".encode(),
    "empty": b"",
}


def test_same_names_and_bytes(cell: Cell) -> None:
    heard = Heard()
    sealed = cell.run("writes", heard, text="007 ä", count=2)

    assert sealed.outcome.state is RunState.SUCCEEDED
    assert sealed.path == cell.project.root / "results" / sealed.id
    files = written(sealed.path)
    place = files.pop("place.txt").decode()
    assert files == EXPECTED
    assert place.startswith("notebooks ['fails.ipynb', 'hungry.ipynb'")
    verify(sealed.path).refuse_damage()
    assert [event.record["cell"] for event in heard.events("cell_finished")]
    assert "wrote 2" in (sealed.path / "kernel.log").read_text()


def test_run_json_says_what_ran(cell: Cell) -> None:
    sealed = cell.run("writes", text="x")
    record = json.loads((sealed.path / "run.json").read_bytes())

    notebook = cell.project.notebooks / "writes.ipynb"
    assert record["notebook"] == {
        "name": "writes",
        "path": "notebooks/writes.ipynb",
        "sha256": hashlib.sha256(notebook.read_bytes()).hexdigest(),
    }
    assert record["host"]["runtime"] == cell.runtime
    values = {item["name"]: (item["value"], item["source"]) for item in record["parameters"]}
    assert values == {"text": ("x", "-p"), "count": (3, "default")}
    lock = cell.project.requirements.read_bytes()
    assert record["software"]["lock_sha256"] == hashlib.sha256(lock).hexdigest()
    assert (record["software"]["image_digest"] is None) == (cell.runtime == "process")
    assert bool(record["software"]["layers"]) == (cell.runtime == "docker")
    assert record["host"]["architecture"]
    assert record["outcome"]["packages"]["papermill"]
    assert {"build", "stage", "launch", "run", "collect"} <= record["timings"].keys()


def test_failing_cell(cell: Cell) -> None:
    sealed = cell.run("fails")

    assert (sealed.outcome.state, sealed.outcome.exit_code) == (RunState.FAILED, 1)
    assert sealed.path.parent.name == ".failed"
    assert written(sealed.path) == {"before.txt": b"kept"}
    assert "the reason" in (sealed.path / "executed.ipynb").read_text()
    assert sealed.outcome.details["error"]["ename"] == "ValueError"


def test_nothing_is_left_after_the_seal(cell: Cell, host: Host) -> None:
    run = cell.launch(host, "writes")
    sealed = runs.attach(host, run.id, _results(cell), Heard(), clock=now)

    assert sealed.outcome.state is RunState.SUCCEEDED
    assert cell.traces(host, run) == []
    assert list((_results(cell) / ".incoming").glob(f"{run.id}*")) == []


def test_stop_saves_and_says_cancelled(cell: Cell, host: Host) -> None:
    run = cell.launch(host, "waits")
    cell.started(host, run.directory)

    assert stop(host, run.id, now) is RunState.CANCELLED
    sealed = runs.collect_run(host, run.id, _results(cell), Heard(), clock=now)

    assert (sealed.outcome.state, sealed.outcome.exit_code) == (RunState.CANCELLED, 6)
    assert written(sealed.path) == {"started": b""}
    assert "seconds: float" in (sealed.path / "executed.ipynb").read_text()
    assert cell.traces(host, run) == []


def test_stop_ends_what_does_not_listen(cell: Cell, host: Host) -> None:
    run = cell.launch(host, "stubborn")
    cell.started(host, run.directory)

    assert stop(host, run.id, now) is RunState.CANCELLED
    sealed = runs.collect_run(host, run.id, _results(cell), Heard(), clock=now)

    assert sealed.outcome.exit_code == 6
    assert cell.traces(host, run) == []


def test_gone_without_a_word_is_interrupted(cell: Cell, host: Host) -> None:
    run = cell.launch(host, "waits")
    join = in_background(lambda: runs.attach(host, run.id, _results(cell), Heard(), clock=now))
    cell.started(host, run.directory)
    cell.kill(host, run)

    sealed = join()
    assert (sealed.outcome.state, sealed.outcome.exit_code) == (RunState.INTERRUPTED, 7)
    assert written(sealed.path) == {"started": b""}
    assert cell.traces(host, run) == []


def test_the_run_outlives_its_controller(cell: Cell, host: Host) -> None:
    """A controller of its own process launches and is killed; this one finishes the run."""
    script = (
        "import os, pickle, sys; from remote.hosts.connect import connect\n"
        "cell = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "with connect(cell.config) as host:\n"
        "    run = cell.launch(host, 'waits')\n"
        "    print(run.id, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    argv = [sys.executable, "-c", script, pickle.dumps(cell).hex()]
    root = Path(__file__).parents[2]
    controller = subprocess.run(argv, capture_output=True, text=True, cwd=root, check=False)
    assert controller.returncode == -9, controller.stderr
    run_id = controller.stdout.strip()

    found = runs.find_run(host, run_id)
    assert found.state is RunState.RUNNING
    assert run_id in [one.id for one in runs.list_runs(host)]
    with pytest.raises(UsageError, match="still running"):
        runs.collect_run(host, run_id, _results(cell), Heard(), clock=now)
    cell.started(host, found.directory)
    cell.go_on(host, found.directory)
    sealed = runs.attach(host, run_id, _results(cell), Heard(), clock=now)
    assert sealed.outcome.state is RunState.SUCCEEDED
    assert set(written(sealed.path)) == {"started", "go", "ended"}


def test_two_controllers_seal_once(cell: Cell, host: Host) -> None:
    run = cell.launch(host, "waits")
    attach = [
        in_background(lambda: runs.attach(host, run.id, _results(cell), Heard(), clock=now))
        for _ in range(3)
    ]
    cell.started(host, run.directory)
    cell.go_on(host, run.directory)

    assert {join().path for join in attach} == {_results(cell) / run.id}
    lines = (_results(cell) / "ledger.jsonl").read_text().splitlines()
    assert len([line for line in lines if run.id in line]) == 1
    assert runs.attach(host, run.id, _results(cell), Heard(), clock=now).id == run.id


def test_input_is_seen_under_its_name(cell: Cell, tmp_path: Path) -> None:
    real = tmp_path / "stored.bin"
    real.write_text("content")
    tmp_path.chmod(0o755)
    link = tmp_path / "given.txt"
    link.symlink_to(real)
    sealed = cell.run("reads", data=link)

    seen = json.loads((sealed.path / "seen.json").read_bytes())
    assert (seen["name"], seen["content"]) == ("given.txt", "content")
    assert seen["writable"] == (cell.runtime == "process")
    record = json.loads((sealed.path / "run.json").read_bytes())
    assert record["inputs"][0]["sha256"] == hashlib.sha256(b"content").hexdigest()
    assert record["inputs"][0]["path_seen"] == str(link)


def test_earlier_results_are_beside_the_notebook(cell: Cell) -> None:
    first = cell.run("writes", text="first")
    sealed = cell.run("looks_back", source=first.id)

    assert sealed.outcome.state is RunState.SUCCEEDED, sealed.outcome.details
    assert written(sealed.path) == {"found.txt": b"first"}
    record = json.loads((sealed.path / "run.json").read_bytes())
    manifest = (first.path / "manifest-sha256.txt").read_bytes()
    assert record["parents"] == [
        {
            "parameter": "source",
            "id": first.id,
            "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
            "taken_from": "host" if cell.config.transport == "ssh" else "here",
        }
    ]


def test_missing_imports_are_named_before_launch(cell: Cell, host: Host) -> None:
    with pytest.raises(NotebookUnusable, match="surely_not_installed"):
        cell.run("lacks")
    assert [name for name in host.transport.names(host.layout.runs) if "lacks" in name] == []
    assert list(_results(cell).rglob("lacks_*")) == []


def test_log_is_followed_to_the_end(cell: Cell, host: Host) -> None:
    run = cell.launch(host, "writes", count=5)
    text = b"".join(runs.log(host, run.id, follow=True)).decode()
    assert "wrote 5" in text
    until(lambda: runs.find_run(host, run.id).state.ended, "it does not end")
    runs.collect_run(host, run.id, _results(cell), Heard(), clock=now)


def _results(cell: Cell) -> Path:
    return cell.project.root / "results"
