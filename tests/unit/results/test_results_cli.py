from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from remote.cli.results import results
from remote.cli.results_view import show_list
from remote.errors import IntegrityFailure, ResultsUnusable, UsageError
from remote.results import ledger, runs
from remote.results.names import INCOMING
from remote.results.summary import summarise
from tests.unit.results.making import publish, unseal


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sealed run and a failed one."""
    base = tmp_path_factory.mktemp("cli")
    publish(base / "results", base / "run")
    publish(base / "results", base / "run", state="failed")
    return base / "results"


@pytest.fixture(autouse=True)
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local time that is not UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(results, [os.fspath(argument) for argument in arguments])


def test_list_is_plain_and_in_local_time_when_piped(root: Path) -> None:
    done = call("list", "--results", root)
    assert done.stdout.splitlines() == [
        "RUN                              STARTED (JST)     TOOK  STATE      HOST   FILES  SIZE",
        "10_build_shards_20250423_143022  2025-04-23 23:30  37 s  succeeded  local  10     "
        + done.stdout.splitlines()[1].rsplit("     ")[-1],
    ]
    assert done.stderr == "1 run(s) did not succeed: remote results list --failed\n"


def test_list_shows_failed_runs_when_asked(root: Path) -> None:
    done = call("list", "--failed", "--results", root)
    assert "10_build_shards_20250423_143023.attempt1" in done.stdout
    assert "failed" in done.stdout
    assert done.stderr == ""


class Terminal(io.StringIO):
    """A screen of our own."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("width", "host"), [(80, False), (130, True)])
def test_a_terminal_gets_a_table_that_fits(
    root: Path, monkeypatch: pytest.MonkeyPatch, width: int, host: bool
) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", str(width))
    book = ledger.read(root)
    show_list([summarise(folder, book) for folder in (*runs(root=root),)], root, hidden=0)
    lines = screen.getvalue().splitlines()
    assert all(cell_len(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= width for line in lines)
    assert any("10_build_shards_20250423_143022" in line for line in lines)
    assert ("HOST" in screen.getvalue()) == host


def test_run_ids_are_completed(root: Path) -> None:
    (command,) = (results.commands[name] for name in ("show",))
    context = click.Context(command)
    context.params["results_root"] = root
    (argument,) = (one for one in command.params if one.name == "run")
    names = [item.value for item in argument.shell_complete(context, "10_build")]
    assert names == [
        "10_build_shards_20250423_143023.attempt1",
        "10_build_shards_20250423_143022",
    ]
    context.params["results_root"] = root / "nowhere"
    assert argument.shell_complete(context, "") == []


def test_list_as_json(root: Path) -> None:
    first, second = json.loads(call("list", "--failed", "--json", "--results", root).stdout)
    assert first["id"] == "10_build_shards_20250423_143022"
    assert first["started_at"] == "2025-04-23T14:30:22Z"
    assert first["seconds"] == 36.75
    assert second["state"] == "failed"
    assert second["exit_code"] == 1


def test_an_empty_directory_is_no_error(tmp_path: Path) -> None:
    done = call("list", "--results", tmp_path)
    assert done.exit_code == 0
    assert done.stdout == ""
    assert "Make one: ./scripts/run-remote.sh" in done.stderr
    assert json.loads(call("list", "--json", "--results", tmp_path).stdout) == []


def test_a_damaged_run_json_is_listed_as_damaged(tmp_path: Path) -> None:
    folder = publish(tmp_path / "results", tmp_path / "run")
    unseal(folder)
    (folder / "run.json").write_text("{")
    assert "damaged" in call("list", "--results", tmp_path / "results").stdout


def test_show_has_every_part(root: Path) -> None:
    text = call("show", "10_build_shards_20250423_143023", "--results", root).stdout
    for part in (
        "local (local, process): no engine",
        "2025-04-23 23:30 JST",
        "max_spectra  50000      default",
        "data/raw/GeMS_C.9.hdf5",
        "lock_sha256",
        "stage  0.2 s",
        "error      cell 3: no spectra",
        "train/shard_00000.parquet",
        "10 kB",
        "with changes",
    ):
        assert part in text


def test_show_names_earlier_runs_by_their_ids(tmp_path: Path) -> None:
    folder = publish(tmp_path / "results", tmp_path / "run")
    unseal(folder)
    record = json.loads((folder / "run.json").read_bytes())
    record["parents"] = [{"parameter": "source", "id": "9_x_20250423_143022"}]
    (folder / "run.json").write_text(json.dumps(record))
    text = call("show", folder.name, "--results", tmp_path / "results").stdout
    assert re.search(r"parents +9_x_20250423_143022\n", text)


def test_show_as_json(root: Path) -> None:
    name = "10_build_shards_20250423_143022"
    document = json.loads(call("show", root / name, "--json").stdout)
    assert document["run"]["id"] == name
    files = {one["path"]: one for one in document["files"]}
    assert files["empty"]["size_bytes"] == 0
    assert len(files["empty"]["sha256"]) == 64
    assert files["manifest-sha256.txt"]["sha256"] is None


def test_what_a_host_wrote_cannot_drive_the_terminal(tmp_path: Path) -> None:
    folder = publish(tmp_path / "results", tmp_path / "run")
    unseal(folder)
    record = json.loads((folder / "run.json").read_bytes())
    record["outcome"]["state"] = "\x1b[2Jgone"
    (folder / "run.json").write_text(json.dumps(record))
    for command in (["list"], ["show", folder.name]):
        text = call(*command, "--results", tmp_path / "results").stdout
        assert "\x1b" not in text
        assert "\\x1b[2Jgone" in text


def test_latest_prints_the_folder_alone(root: Path) -> None:
    done = call("latest", "10_build_shards", "--results", root)
    assert done.stdout == f"{root}/10_build_shards_20250423_143022\n"
    summary = json.loads(call("latest", "10_build_shards", "--json", "--results", root).stdout)
    assert summary["path"] == str(root / "10_build_shards_20250423_143022")
    assert isinstance(call("latest", "nothing", "--results", root).exception, ResultsUnusable)


def test_verify_of_what_is_whole(root: Path) -> None:
    for arguments in ([], ["--all"]):
        done = call("verify", *arguments, "--results", root)
        assert done.exit_code == 0
        assert done.stdout.count("whole") == 3


def test_verify_names_damage_and_ends_with_its_error(tmp_path: Path) -> None:
    folder = publish(tmp_path / "results", tmp_path / "run")
    unseal(folder)
    (folder / "kernel.log").unlink()
    done = call("verify", folder.name, "--results", tmp_path / "results")
    assert "DAMAGED  10_build_shards_20250423_143022" in done.stdout
    assert "kernel.log: is missing" in done.stdout
    assert done.stdout.count("warning: ") == 5
    assert "more warnings" in done.stdout
    assert isinstance(done.exception, IntegrityFailure)
    assert done.exception.exit_code == 8
    (found,) = json.loads(call("verify", folder, "--json").stdout)
    assert not found["whole"]
    assert found["findings"][0] == {
        "path": "kernel.log",
        "problem": "missing",
        "detail": "is missing",
        "damage": True,
    }


def test_verify_completes_an_interrupted_seal(tmp_path: Path) -> None:
    root = tmp_path / "results"
    folder = publish(root, tmp_path / "run")
    folder.rename(root / INCOMING / folder.name)
    done = call("verify", "--results", root)
    assert done.exit_code == 0
    assert f"Completed the interrupted seal of {folder.name}" in done.stderr
    assert folder.is_dir()


def test_verify_refuses_a_contradiction() -> None:
    assert isinstance(call("verify", "x", "--all").exception, UsageError)


@pytest.mark.parametrize("command", [[], ["list"], ["show"], ["latest"], ["verify"]])
def test_every_help_has_an_example(command: list[str]) -> None:
    done = call(*command, "--help")
    assert done.exit_code == 0
    assert "Example:\n" in done.stdout
    assert ("--json" in done.stdout) == bool(command)
