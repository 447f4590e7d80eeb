"""The link is cut for a while under a whole command: it ends well, or says how to go on."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import time
from pathlib import Path

import pytest

from remote.results.verify import verify_all
from tests.integration.ssh.controllers import Controller
from tests.lab.host import LabHost

pytestmark = [pytest.mark.integration, pytest.mark.ssh]

# What the display says when the phase has begun; what makes it last on a slow link.
CASES = {
    "build": "build",
    "push": "push",
    "stage": "stage",
    "run": "cell 3",
    "collect": "collect",
}
TEN_SECONDS = [
    pytest.param(phase, 10.0, id=f"{phase}-10s", marks=pytest.mark.slow) for phase in CASES
]


@pytest.mark.parametrize(
    ("phase", "seconds"), [pytest.param("collect", 3.0, id="collect-3s"), *TEN_SECONDS]
)
def test_a_cut_loses_nothing(
    controller: Controller, lab_host: LabHost, tmp_path: Path, phase: str, seconds: float
) -> None:
    data = tmp_path / "data.bin"
    data.write_bytes(os.urandom(16_000_000))
    asked = ["-p", "data", str(data)] if phase == "stage" else []
    asked += ["-p", "megabytes", "5" if phase == "collect" else "1"]
    asked += ["-p", "seconds", "14" if phase == "run" else "0"]
    if phase == "push":
        (controller.checkout / "notebooks" / "large.bin").write_bytes(os.urandom(16_000_000))
    rate = {"build": "2mbit", "run": "1gbit"}.get(phase, "20mbit")
    run = ("run", "notebooks/saves.ipynb", "--host", "mini", *asked)
    with lab_host.shaped(rate), controller.on_terminal(*run) as shown:
        shown.wait_for(CASES[phase])
        shown.watch(0.7)
        with lab_host.link_cut():
            began = time.monotonic()
            shown.watch(seconds)
            assert time.monotonic() - began >= seconds, f"it did not wait:\n{shown.shown}"
        code, out = shown.end()
    if code != 0:
        out = gone_on_with(controller, code, shown.shown, run)
    (folder,) = controller.results.glob("saves_*")
    assert str(folder) == out
    assert all(found.findings == () for found in verify_all(controller.results))
    assert len(list(folder.glob("*.bin"))) == 3
    if phase == "stage":
        expected = hashlib.sha256(data.read_bytes()).hexdigest()
        assert (folder / "data.sha256").read_text() == expected
    assert sorted(path.name for path in (controller.results / ".incoming").iterdir()) == [".lock"]
    assert [one["id"] for one in controller.runs() if one["id"] == folder.name] == []


def gone_on_with(controller: Controller, code: int, shown: str, run: tuple[str, ...]) -> str:
    """One clear error about the link, and the command that it names; gives the folder."""
    assert code == 3, shown
    assert shown.count("error:") == 1, shown
    assert list(controller.results.glob("saves_*")) == []
    named = re.search(r"remote (attach saves_\S+ --host mini)", shown)
    done = controller.remote(*(shlex.split(named[1]) if named else run))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_cut_for_good_while_collecting_and_collect_later(
    controller: Controller, lab_host: LabHost
) -> None:
    """The controller gives up; what it has is not fetched again, and nothing is published."""
    run = ("run", "notebooks/saves.ipynb", "--host", "mini", "-p", "megabytes", "6")
    with lab_host.shaped("20mbit"), controller.on_terminal(*run, "-p", "seconds", "0") as shown:
        shown.wait_for("collect")
        early = controller.results / ".incoming"
        limit = time.monotonic() + 60
        while not list(early.glob("*.early/*.[12]")):
            assert time.monotonic() < limit, shown.shown
            shown.watch(0.1)
        with lab_host.link_cut():
            code, out = shown.end()
    assert (code, out) == (3, "")
    assert shown.shown.count("error:") == 1
    assert "the link is down" in shown.shown
    assert list(controller.results.glob("saves_*")) == []
    named = re.search(r"remote attach (saves_\S+) --host mini", shown.shown)
    assert named, shown.shown
    done = controller.remote("collect", named[1], "--host", "mini")
    assert done.returncode == 0, done.stderr
    assert re.search(r"collect .* of it already here", done.stderr)
    assert done.stdout.strip() == str(controller.results / named[1])
    assert all(found.findings == () for found in verify_all(controller.results))
    assert sorted(path.name for path in early.iterdir()) == [".lock"]


def test_a_cut_for_good_while_it_runs_and_collect_later(
    controller: Controller, lab_host: LabHost
) -> None:
    run = ("run", "notebooks/saves.ipynb", "--host", "mini", "-p", "seconds", "5")
    with controller.on_terminal(*run) as shown:
        shown.wait_for("cell 3")
        with lab_host.link_cut():
            code, out = shown.end()
    assert (code, out) == (3, "")
    assert "the link is down (nothing heard for" in shown.shown
    named = re.search(r"remote attach (saves_\S+) --host mini", shown.shown)
    assert named, shown.shown
    (listed,) = [one for one in controller.runs() if one["id"] == named[1]]
    assert listed["state"] == "succeeded"
    done = controller.remote("collect", named[1], "--host", "mini")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(controller.results / named[1])
    assert len(list((controller.results / named[1]).glob("*.bin"))) == 3
