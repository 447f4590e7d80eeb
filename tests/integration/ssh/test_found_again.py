"""A run is found from another controller, whatever became of the one that started it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from remote.results.verify import verify_all
from tests.integration.ssh.controllers import SECONDS, Controller
from tests.lab.host import LabHost

pytestmark = [pytest.mark.integration, pytest.mark.ssh]

HOST = ("--host", "mini")
SAVES = ("notebooks/saves.ipynb", *HOST, "-p", "files", "3")


def launched(controller: Controller, *rest: str) -> str:
    """The id of a run that nobody watches."""
    done = controller.remote("run", *rest, "--detach")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def output_of(lab_host: LabHost, run_id: str) -> Path:
    return Path(f"/home/{lab_host.user}/.workhorse/runs/{run_id}/output")


def until_ended(controller: Controller, run_id: str) -> None:
    limit = time.monotonic() + SECONDS
    while any(one["id"] == run_id and one["state"] == "running" for one in controller.runs()):
        assert time.monotonic() < limit, f"{run_id} does not end"


def until_line(process: subprocess.Popen[bytes], start: bytes) -> None:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(start):
            return
    raise AssertionError(b"".join(said).decode())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP], ids=["killed", "terminal lost"])
def test_the_controller_is_gone_and_another_brings_the_result(
    controller: Controller, other_controller: Controller, lab_host: LabHost, how: signal.Signals
) -> None:
    with controller.started("run", *SAVES) as process:
        until_line(process, b"cell 3")
        os.killpg(process.pid, how)
        assert process.wait(10) == -how
    (found,) = other_controller.runs()
    run_id = found["id"]
    assert (found["state"], found["notebook"]) == ("running", "saves")
    assert "saved 3" in other_controller.remote("logs", run_id, *HOST).stdout
    refused = other_controller.remote("collect", run_id, *HOST)
    assert refused.returncode == 2
    assert "is still running" in refused.stderr
    with other_controller.started("attach", run_id, *HOST) as attached:
        until_line(attached, b"cell 3")
        lab_host.run("touch", str(output_of(lab_host, run_id) / "go"))
        out, errors = attached.communicate(timeout=SECONDS)
    assert attached.returncode == 0, errors.decode()
    assert out.decode().strip() == str(other_controller.results / run_id)
    assert all(whole.findings == () for whole in verify_all(other_controller.results))
    assert controller.runs() == []
    late = controller.remote("attach", run_id, *HOST)
    assert late.returncode == 2
    assert f"no run {run_id}" in late.stderr


def test_an_interrupt_leaves_the_run_and_another_stops_it(
    controller: Controller, other_controller: Controller
) -> None:
    with controller.started("run", *SAVES) as process:
        until_line(process, b"cell 3")
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    named = re.search(rb"remote attach (saves_\S+) --host mini\n", errors)
    assert named, errors
    run_id = named[1].decode()
    assert f"remote stop {run_id} --host mini" in errors.decode()
    (found,) = other_controller.runs()
    assert (found["id"], found["state"]) == (run_id, "running")
    stopped = other_controller.remote("stop", run_id, *HOST)
    assert stopped.returncode == 0, stopped.stderr
    assert f"{run_id} is cancelled" in stopped.stderr
    done = other_controller.remote("collect", run_id, *HOST)
    assert done.returncode == 0, done.stderr
    folder = other_controller.results / ".failed" / f"{run_id}.attempt1"
    assert done.stdout.strip() == str(folder)
    assert len(list(folder.glob("*.bin"))) == 3


def test_a_log_that_is_followed_loses_nothing(
    controller: Controller, other_controller: Controller, lab_host: LabHost
) -> None:
    """Over a link that is cut, and to the end, though others collect the run as it ends."""
    prints = ("notebooks/prints.ipynb", *HOST, "-p", "lines", "300")
    run_id = launched(controller, *prints)
    expected = "".join(f"line {i}\n" for i in range(300)).encode()
    with (
        other_controller.started("logs", "-f", run_id, *HOST) as followed,
        controller.started("attach", run_id, *HOST) as attached,
    ):
        assert followed.stdout is not None
        first = followed.stdout.readline()
        with lab_host.link_cut():
            time.sleep(4)
        rest, errors = followed.communicate(timeout=SECONDS)
        assert attached.wait(SECONDS) == 0
    assert followed.returncode in (0, 2), errors
    # A library may have a last word when the kernel ends, which is in the log too.
    whole = (controller.results / run_id / "kernel.log").read_bytes()
    assert whole.startswith(expected)
    if followed.returncode == 0:
        assert first + rest == whole
    else:  # the other one was faster, and this one says so
        assert b"was collected while its log was read" in errors
        assert whole.startswith(first + rest)


def test_a_followed_log_comes_back_after_a_link_that_was_given_up(
    controller: Controller, lab_host: LabHost
) -> None:
    prints = ("notebooks/prints.ipynb", *HOST, "-p", "lines", "1000", "-p", "pause", "0.04")
    run_id = launched(controller, *prints)
    with controller.started("logs", "-f", run_id, *HOST) as followed:
        assert followed.stdout is not None
        first = followed.stdout.readline()
        with lab_host.link_cut():
            time.sleep(24)  # more than the silence that a link is given
        rest, errors = followed.communicate(timeout=SECONDS)
    assert followed.returncode == 0, errors
    assert first + rest == "".join(f"line {i}\n" for i in range(1000)).encode()
    until_ended(controller, run_id)
    assert controller.remote("collect", run_id, *HOST).returncode == 0


def test_two_controllers_collect_at_once(
    controller: Controller, other_controller: Controller
) -> None:
    """One gets the folder, the other is told; of one checkout both get it."""
    run_id = launched(controller, *SAVES, "-p", "seconds", "0", "-p", "megabytes", "20")
    until_ended(controller, run_id)
    with ThreadPoolExecutor(4) as threads:
        both = (controller, other_controller, controller, other_controller)
        ended = list(threads.map(lambda one: one.remote("collect", run_id, *HOST), both))
    folders = {one.stdout.strip() for one in ended if one.returncode == 0}
    assert len(folders) == 1, [one.stderr for one in ended]
    (folder,) = folders
    winner = controller if folder.startswith(str(controller.checkout)) else other_controller
    assert Path(folder) == winner.results / run_id
    assert len((winner.results / "ledger.jsonl").read_text().splitlines()) == 1
    assert all(whole.findings == () for whole in verify_all(winner.results))
    for one, done in zip(both, ended, strict=True):
        if one is winner:
            assert done.returncode == 0, done.stderr
        else:
            assert done.returncode == 2
            assert done.stderr.count("error:") == 1
            assert re.search("another controller has collected it|: no run", done.stderr)
    loser = other_controller if winner is controller else controller
    assert not list(loser.results.glob("saves_*"))
    assert not list((loser.results / ".incoming").glob(f"{run_id}.early*"))
    assert controller.runs() == []
