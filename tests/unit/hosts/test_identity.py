"""A process is known by pid, start time and boot id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from remote.hosts.process import identity
from remote.hosts.process.identity import ProcessIdentity, boot_id, end_processes_of, identify

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_own_identity_is_alive_and_survives_json() -> None:
    own = identify(os.getpid())
    assert own is not None
    assert own.alive()
    assert ProcessIdentity.from_json(own.as_json()) == own
    assert own.boot == boot_id()


@pytest.mark.parametrize("other", [{"started": "1"}, {"boot": "another"}])
def test_a_reused_pid_is_another_process(other: dict[str, str]) -> None:
    own = identify(os.getpid())
    assert own is not None
    stranger = replace(own, **other)  # type: ignore[arg-type]
    assert not stranger.alive()
    assert not stranger.send(signal.SIGTERM)


def test_a_zombie_is_dead() -> None:
    with subprocess.Popen(SLEEP) as child:
        known = identify(child.pid)
        assert known is not None
        assert known.send(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, not reaped
        assert not known.alive()
        assert identify(child.pid) is None


def test_ps_tells_the_same_where_there_is_no_proc() -> None:
    """The other systems' way, tried on this one."""
    first = identity._started_ps(os.getpid())
    assert first
    assert first == identity._started_ps(os.getpid())
    assert identity._started_ps(2**22 + 1) is None


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes through /proc")
def test_processes_are_found_by_their_environment() -> None:
    marker = f"WORKHORSE_RUN_UUID=test-{os.getpid()}"
    name, _, value = marker.partition("=")
    environment = {**os.environ, name: value}
    with (
        subprocess.Popen(SLEEP, env=environment, start_new_session=True) as one,
        subprocess.Popen(SLEEP, env=environment) as two,
        subprocess.Popen(SLEEP, env={**environment, name: value + "0"}) as other,
    ):
        end_processes_of(marker)
        assert one.wait(10) == two.wait(10) == -signal.SIGKILL
        assert other.poll() is None
        other.kill()
