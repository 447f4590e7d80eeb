"""The command line as a user meets it: help, refusals, exit codes, what goes where."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from remote.cli import edge
from remote.cli.app import VERBS, LazyGroup, app
from remote.errors import InternalError, WorkhorseError

HEAVY = ("docker", "paramiko", "rich", "nbformat", "yaml", "numpy", "h5py", "pyarrow", "uv")
SUBCOMMANDS = [
    *([verb] for verb in VERBS),
    *(["results", name] for name in ("list", "show", "latest", "verify")),
    *(["hosts", name] for name in ("add", "list", "default", "remove", "doctor")),
    ["image", "build"],
]


def remote(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[3]
    command = [sys.executable, *(["-c", code] if code else ["-m", "remote"]), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom remote.cli.edge import main\nmain(['--help'])\n"
        "print(len(sys.modules), *sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr)"
    )
    done = remote(code=code)
    count, *roots = done.stderr.split()
    assert set(HEAVY).isdisjoint(roots)
    assert int(count) < 260
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", SUBCOMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert edge.main([*verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example" in text
    assert f"remote {verb[0]}" in text.split("Example")[1] or verb[0] == "results"


def test_summaries_cover_the_verbs() -> None:
    assert isinstance(app, LazyGroup)
    for name, verb in VERBS.items():
        command = app.get_command(app.make_context("remote", ["ps"]), name)
        assert command is not None
        assert command.name == name
        assert verb.summary.endswith(".")


def test_an_unknown_command_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert edge.main(["colect"]) == 2
    assert 'there is no command "colect"; did you mean "collect"?' in capsys.readouterr().err
    assert edge.main(["run"]) == 2
    assert "Missing argument 'NOTEBOOK'" in capsys.readouterr().err


def test_a_refusal_is_two_lines_on_stderr_and_its_own_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert edge.main(["run", "notebooks/10_build_shard.ipynb"]) == 10
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: there is no notebook ")
    assert 'Did you mean "10_build_shards.ipynb"?' in said.err


def test_parameters_are_refused_in_under_a_second(project_root: Path) -> None:
    # Processor time, from the start of the process: a busy machine changes nothing.
    notebook = str(project_root / "notebooks" / "10_build_shards.ipynb")
    code = (
        "import sys, time\nfrom remote.cli.edge import main\n"
        "status = main(sys.argv[1:])\n"
        "print(time.process_time(), file=sys.stderr)\nsys.exit(status)"
    )
    done = remote("run", notebook, "-p", "max_spectr", "5", "-p", "seed", "x", code=code)
    *said, took = done.stderr.splitlines()
    assert done.returncode == 11
    assert said[0] == "error: 2 problems with the parameters"
    assert 'did you mean "max_spectra"?' in said[1]
    assert float(took) < 1


def test_a_dry_run_prints_the_plan_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], project_root: Path, workhorse_home: Path
) -> None:
    notebook = project_root / "notebooks" / "10_build_shards.ipynb"
    before = sorted(workhorse_home.rglob("*"))
    run = ["run", str(notebook), "--host", "local+process", "--dry-run", "-p", "seed", "-5"]
    assert edge.main([*run, "--json", "--memory", "2GiB", "--cpus", "1.5"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["host"]["runtime"] == "process"
    assert plan["host"]["limits"]["memory_bytes"] == 2 << 30
    assert plan["host"]["limits"]["cpus"] == 1.5
    assert {p["name"]: p["value"] for p in plan["parameters"]}["seed"] == -5
    assert edge.main(run) == 0
    assert "seed = -5  (-p)" in capsys.readouterr().out
    assert sorted(workhorse_home.rglob("*")) == before


def test_a_size_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert edge.main(["run", "notebooks/x.ipynb", "--memory", "lots"]) == 2
    assert '"lots" is not a size' in capsys.readouterr().err


def test_a_defect_points_to_a_log_with_traceback_and_versions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workhorse_home: Path
) -> None:
    def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError("the defect")

    monkeypatch.setattr(app, "main", broken)
    assert edge.main(["run", "x"]) == InternalError.exit_code == 70
    said = capsys.readouterr().err
    assert said.startswith("error: a defect in Workhorse: ZeroDivisionError: the defect\n")
    log = Path(said.rsplit(": ", 1)[1].strip())
    assert log.is_relative_to(workhorse_home / "logs")
    text = log.read_text()
    assert "Traceback" in text
    assert "in broken" in text
    assert "python 3." in text
    assert "click 8" in text
    assert "arguments: ['run', 'x']" in text


def test_a_defect_where_no_log_can_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "main", broken)
    monkeypatch.setenv("WORKHORSE_HOME", "/dev/null/state")
    assert edge.main(["ps"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_interrupts_and_closed_pipes_end_quietly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "main", interrupted)
    assert edge.main(["ps"]) == 130
    assert capsys.readouterr().err == "interrupted\n"
    pipe = "import os, sys\nfrom remote.cli.edge import main\n"
    pipe += "sys.stdout = os.fdopen(os.open('/dev/full', os.O_WRONLY), 'w')\n"
    assert remote("--help", code=pipe + "sys.exit(0)").returncode in (0, 120)


def errors() -> list[type[WorkhorseError]]:
    """Every error that errors.py names."""
    found: list[type[WorkhorseError]] = [WorkhorseError]
    for one in found:
        found += one.__subclasses__()
    return [one for one in found[1:] if one.__module__ == WorkhorseError.__module__]


def test_exit_codes_are_distinct_but_for_the_internal_one() -> None:
    codes = [one.exit_code for one in errors()]
    assert len(set(codes)) == len(codes)
    assert all(0 < code < 126 for code in codes)


def test_the_documentation_lists_every_exit_code(project_root: Path) -> None:
    table = (project_root / "docs" / "exit-codes.md").read_text()
    rows = {
        cells[2].strip(" `"): int(cells[1])
        for line in table.splitlines()
        if (cells := line.split("|"))[1:] and cells[1].strip().isdigit()
    }
    assert {one.__name__: one.exit_code for one in errors()}.items() <= rows.items()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert edge.main(["completion", shell]) == 0
    assert "_REMOTE_COMPLETE" in capsys.readouterr().out


def test_an_empty_host_has_no_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert edge.main(["attach", "10_x_20250423_143022"]) == 2
    assert "10_x_20250423_143022" in capsys.readouterr().err
    assert edge.main(["logs", "10_x_20250423_143022"]) == 2
    assert edge.main(["stop", "10_x_20250423_143022"]) == 2
