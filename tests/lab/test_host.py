"""The lab keeps its promises: what a test sees is a host of its own."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import pytest

from remote.hosts.command import CommandFailed, run
from tests.lab.host import BASE_IMAGE, LabHost, NotUp

pytestmark = pytest.mark.ssh

ENGINE_ID = ["docker", "info", "--format", "{{.ID}}"]
BOOT_ID = ["cat", "/proc/sys/kernel/random/boot_id"]


def test_the_user_has_an_engine_that_is_not_this_machines(lab_host: LabHost) -> None:
    seen = lab_host.ssh(*ENGINE_ID).stdout.strip()
    assert seen
    assert seen != run(ENGINE_ID, timeout=30).stdout.strip()


def test_the_user_is_nobody_special(lab_host: LabHost) -> None:
    assert lab_host.ssh("id", "-un").stdout.strip() == "scientist"
    assert lab_host.ssh("id", "-Gn").stdout.split() == ["scientist", "docker"]
    assert lab_host.ssh("touch", "/etc/mine", check=False).returncode != 0
    assert lab_host.ssh("pwd").stdout.strip() == "/home/scientist"


def test_the_host_sees_no_files_of_the_controller(lab_host: LabHost, tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    for path in (tmp_path, Path(__file__), lab_host.key):
        assert lab_host.ssh("test", "-e", str(path), check=False).returncode != 0, path


def test_the_base_image_runs_there(lab_host: LabHost) -> None:
    argv = ["docker", "run", "--rm", "--network=none", BASE_IMAGE, "python", "-c", "'print(6*7)'"]
    assert lab_host.ssh(*argv).stdout.strip() == "42"


def test_a_cut_link_is_silent_and_an_open_session_outlives_it(lab_host: LabHost) -> None:
    ssh = ["ssh", "-F", str(lab_host.ssh_config), "-o", "BatchMode=yes"]
    session = subprocess.Popen(
        [*ssh, lab_host.name, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with session:
        assert session.stdin is not None
        assert session.stdout is not None
        print("before", file=session.stdin, flush=True)
        assert session.stdout.readline() == "before\n"
        with lab_host.link_cut():
            print("during", file=session.stdin, flush=True)
            with pytest.raises(CommandFailed, match="timed out"):
                run([*ssh, "-o", "ConnectTimeout=1", lab_host.name, "true"], timeout=10)
            assert session.poll() is None
            assert lab_host.run("hostname").stdout.strip() == "mini"
        assert session.stdout.readline() == "during\n"
        session.stdin.close()
    assert session.returncode == 0


def test_the_link_is_as_slow_as_asked(lab_host: LabHost) -> None:
    megabytes, rate = 20, 100e6 / 8
    sent = ["dd", "if=/dev/zero", "bs=1M", f"count={megabytes}", "status=none"]
    with lab_host.shaped("100mbit"):
        slow = _seconds(lab_host, sent)
    expected = megabytes * 2**20 / rate
    assert expected * 0.9 < slow < expected * 1.5
    assert _seconds(lab_host, sent) < slow / 2


def test_after_a_crash_images_and_files_are_there_and_nothing_runs(lab_host: LabHost) -> None:
    boot, engine = lab_host.ssh(*BOOT_ID).stdout, lab_host.ssh(*ENGINE_ID).stdout
    lab_host.ssh("docker", "tag", BASE_IMAGE, "outlives:crash")
    lab_host.ssh("touch", "outlives-crash")
    container = ["docker", "run", "-d", "--init", BASE_IMAGE, "sleep", "600"]
    name = lab_host.ssh(*container).stdout.strip()

    lab_host.crash()
    with pytest.raises(NotUp):
        lab_host.run("true")
    with pytest.raises(OSError, match="No route to host"):
        socket.create_connection((lab_host.address, lab_host.port), timeout=1)
    lab_host.start()

    assert lab_host.ssh("ls").stdout.split() == ["outlives-crash"]
    assert lab_host.ssh(*ENGINE_ID).stdout == engine
    assert lab_host.ssh(*BOOT_ID).stdout != boot
    state = ["docker", "inspect", "--format", "{{.State.Running}}", name]
    assert lab_host.ssh(*state).stdout.strip() == "false"
    lab_host.ssh("docker", "rm", name)
    lab_host.ssh("docker", "rmi", "outlives:crash")


def test_the_host_reaches_what_this_machine_reaches(lab_host: LabHost) -> None:
    code = f"import socket; socket.create_connection(({lab_host.address!r}, 22), 5)"
    argv = ["docker", "run", "--rm", BASE_IMAGE, "python", "-c", f'"{code}"']
    assert lab_host.ssh(*argv).returncode == 0


def _seconds(host: LabHost, argv: list[str]) -> float:
    started = time.monotonic()
    host.ssh(*argv)
    return time.monotonic() - started
