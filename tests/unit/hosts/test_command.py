"""The one process runner: streams, limits, errors that carry everything."""

from __future__ import annotations

import pickle
import sys
import time
from pathlib import Path

import pytest

from remote.hosts.command import NOT_FOUND, CommandFailed, follow, run

PYTHON = sys.executable


def test_streams_are_apart_and_input_goes_in() -> None:
    script = "import sys; sys.stderr.write('e'); sys.stdout.write(sys.stdin.read().upper())"
    done = run([PYTHON, "-c", script], timeout=20, input_text="abc")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ABC", "e")


def test_extra_variables_are_added_to_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "kept")
    script = "import os; print(os.environ['OURS'], os.environ['MORE'])"
    assert run([PYTHON, "-c", script], timeout=20, extra_env={"MORE": "x"}).stdout == "kept x\n"


def test_failure_carries_arguments_status_and_both_streams() -> None:
    script = "import sys; print('out'); sys.stderr.write('err'); sys.exit(3)"
    with pytest.raises(CommandFailed) as caught:
        run([PYTHON, "-c", script, "a b"], timeout=20)
    completed = caught.value.completed
    assert (completed.returncode, completed.stdout, completed.stderr) == (3, "out\n", "err")
    assert completed.argv[-1] == "a b"
    assert "exit status 3" in caught.value.problem
    assert "'a b'" in caught.value.problem
    assert pickle.loads(pickle.dumps(caught.value)).completed == completed


def test_missing_program_is_told_like_any_failure(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed) as caught:
        run([str(tmp_path / "absent")], timeout=5)
    assert caught.value.completed.returncode == NOT_FOUND


@pytest.mark.parametrize("call", [run, lambda argv, timeout: follow(argv, print, timeout=timeout)])
def test_the_limit_ends_children_too(call: object) -> None:
    """A grandchild that holds the pipe open must not keep us waiting."""
    script = (
        "import subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "time.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(CommandFailed, match=r"no end within 0\.5 s"):
        call([PYTHON, "-c", script], timeout=0.5)  # type: ignore[operator]
    assert time.monotonic() - started < 20


def test_follow_hands_on_lines_as_they_come_and_keeps_the_last() -> None:
    script = "import sys\nfor i in range(300): print(i)\nsys.stderr.write('last'); sys.exit(1)"
    lines: list[str] = []
    with pytest.raises(CommandFailed) as caught:
        follow([PYTHON, "-u", "-c", script], lines.append, timeout=20)
    assert lines == [*map(str, range(300)), "last"]
    assert caught.value.completed.stdout.splitlines()[-1] == "last"
    assert len(caught.value.completed.stdout.splitlines()) == 200


def test_a_listener_that_raises_ends_the_command() -> None:
    def refuse(line: str) -> None:
        raise KeyboardInterrupt(line)

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        follow([PYTHON, "-uc", "print(1); import time; time.sleep(60)"], refuse, timeout=50)
    assert time.monotonic() - started < 20
