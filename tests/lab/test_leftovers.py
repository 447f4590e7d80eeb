"""Hosts come fast, do not meet, and leave nothing: after `down`, and after a killed run."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from remote.hosts.command import run
from remote.hosts.process.identity import processes_of
from tests.lab import slots
from tests.lab.host import BASE_IMAGE, LabHost, down, up
from tests.lab.host_engine import engine_id
from tests.lab.slots import Slot

pytestmark = [pytest.mark.ssh, pytest.mark.usefixtures("lab_machine")]

WARM_SECONDS = 5
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.lab.host import up
print(up("doomed", Path(sys.argv[1])).slot.number, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def traces(slot: Slot) -> list[str]:
    """What of a host is left on this machine, beside its engine's images."""
    listings = {
        "device": ["ip", "-oneline", "link"],
        "route": ["ip", "route"],
        "rule": ["iptables-save"],
        "mount": ["cat", "/proc/self/mountinfo"],
        "loop device": ["losetup", "--all"],
        "control group": ["find", "/sys/fs/cgroup", "-name", slot.cgroup.strip("/")],
    }
    link = slot.link
    marks = [f"{link.device} ", f"{link.device}@", link.network, f"{slot.directory}/", slot.cgroup]
    found = [f"process {pid}" for pid in processes_of(slot.marker)]
    for kind, argv in listings.items():
        for line in run(argv, timeout=30).stdout.splitlines():
            found += [f"{kind} {line}" for mark in marks if mark in f"{line} "]
    return found + [
        f"file {path.name}" for path in slot.directory.glob("*") if path.name != "engine"
    ]


def machine() -> list[str]:
    """What of this machine a second engine might spoil."""
    listings = (
        ["ip", "-brief", "address", "show", "docker0"],
        ["docker", "info", "--format", "{{.ID}} {{.DockerRootDir}}"],
        ["sha256sum", "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/resolv.conf"],
        ["find", "/etc/docker", "/etc/ssh", str(Path.home() / ".ssh"), "-ls"],
        ["hostname"],
    )
    return [run(argv, timeout=30, check=False).stdout for argv in listings]


def test_a_host_that_went_down_left_nothing(tmp_path: Path) -> None:
    before = machine()
    host = up("passing", tmp_path / "client")
    try:
        host.ssh("docker", "run", "-d", "--init", BASE_IMAGE, "sleep", "600")
        host.shape("1gbit")
        host.cut_link()
        assert len(traces(host.slot)) > 5
    finally:
        down(host)
    assert traces(host.slot) == []
    assert machine() == before


def test_a_warm_start_takes_less_than_five_seconds(tmp_path: Path) -> None:
    down(up("warming", tmp_path / "first"))
    started = time.monotonic()
    host = up("warm", tmp_path / "second")
    took = time.monotonic() - started
    try:
        assert took < WARM_SECONDS
        assert host.ssh("docker", "ps", "--all", "--quiet").stdout == ""
    finally:
        down(host)


def test_the_next_run_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", KILLED, str(tmp_path / "client")]
    root = Path(__file__).parents[2]
    killed = subprocess.run(argv, capture_output=True, text=True, cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    slot = Slot(int(killed.stdout))
    assert slot.process_1() is not None
    slots.sweep()
    assert traces(slot) == []


def test_a_small_disk_is_full_for_its_host_alone(tmp_path: Path) -> None:
    host = up("small", tmp_path / "client", disk="600M")
    try:
        filling = ["dd", "if=/dev/zero", "of=filling", "bs=1M", "count=1000"]
        inside = ["docker", "run", "--rm", BASE_IMAGE]
        for argv in (filling, [*inside, *filling]):
            assert "No space left on device" in host.ssh(*argv, check=False).stderr
        host.crash()
        host.start()
        assert host.ssh("ls").stdout.split() == ["filling"]
    finally:
        down(host)
    assert traces(host.slot) == []


def test_two_hosts_do_not_meet(lab_host: LabHost, other_lab_host: LabHost) -> None:
    assert lab_host.address != other_lab_host.address
    assert engine_id(lab_host.engine_url) != engine_id(other_lab_host.engine_url)
    for host in (lab_host, other_lab_host):
        assert host.ssh("hostname").stdout.strip() == host.name
    lab_host.ssh("touch", "mine")
    assert other_lab_host.ssh("ls").stdout == ""
    with lab_host.link_cut():
        assert other_lab_host.ssh("true").returncode == 0
    lab_host.ssh("rm", "mine")
