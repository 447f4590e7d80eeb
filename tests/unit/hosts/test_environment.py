"""The process runtime's environment: made once, whole or not at all (with a fake uv)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from remote.errors import BuildFailed, DiskTooSmall
from remote.hosts.local import LocalTransport
from remote.hosts.process import environment
from remote.hosts.process.environment import create_argv, ensure_environment, install_argv

LOCK = "ab" * 32


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A uv that makes a venv of a link, writes down its calls, and fails where it is told to."""
    binary = tmp_path / "uv"
    binary.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/calls\n'
        f"[ -e {tmp_path}/fail ] && [ $1 = pip ] && cat {tmp_path}/fail && exit 1\n"
        'for last in "$@"; do :; done\n'
        f'[ $1 = venv ] && mkdir -p "$last/bin" && ln -s {sys.executable} "$last/bin/python"\n'
        "exit 0\n"
    )
    binary.chmod(0o755)
    monkeypatch.setattr(environment, "find_uv", lambda: binary)
    return tmp_path


def ensure(uv: Path) -> environment.Environment:
    requirements = uv / "requirements.txt"
    requirements.touch()
    said: list[str] = []
    return ensure_environment(LocalTransport(), requirements, LOCK, uv / "envs", said.append)


def test_made_once_and_found_again(uv: Path) -> None:
    first = ensure(uv)
    assert first.built
    assert {"sys", "json", "pytest"} <= first.modules
    again = ensure(uv)
    assert (again.path, again.modules, again.built) == (first.path, first.modules, False)
    assert len((uv / "calls").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("said", "kind"),
    [("no such package: nope==1", BuildFailed), ("No space left on device", DiskTooSmall)],
)
def test_a_failure_leaves_nothing_and_is_made_good(
    uv: Path, said: str, kind: type[Exception]
) -> None:
    (uv / "fail").write_text(said)
    with pytest.raises(kind, match=said):
        ensure(uv)
    assert [path.name for path in (uv / "envs").iterdir() if path.is_dir()] == []
    (uv / "fail").unlink()
    assert ensure(uv).built


def test_what_a_killed_build_left_is_not_taken_for_an_environment(uv: Path) -> None:
    name = environment.environment_name(LOCK)
    (uv / "envs" / f".{name}.building" / "junk").mkdir(parents=True)
    made = ensure(uv)
    assert made.built
    assert not (made.path / "junk").exists()


def test_an_interpreter_that_vanished_means_a_new_environment(uv: Path) -> None:
    first = ensure(uv)
    first.python.unlink()
    assert ensure(uv).built
    assert first.python.exists()


def test_command_lines() -> None:
    env = Path("/e")
    created = "uv venv --quiet --no-config --relocatable --no-python-downloads --python /py /e"
    assert " ".join(create_argv(Path("uv"), env, Path("/py"))) == created
    installed = "uv pip sync --no-config --require-hashes --no-progress --python /e/bin/python r"
    assert " ".join(install_argv(Path("uv"), env, Path("r"))) == installed
