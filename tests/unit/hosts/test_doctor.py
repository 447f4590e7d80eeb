"""The doctor's verdicts, on what hosts and engines were recorded to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from remote.errors import (
    DiskTooSmall,
    EngineUnusable,
    HostRefused,
    HostUnreachable,
    MemoryTooSmall,
    WorkhorseError,
)
from remote.hosts.command import CommandFailed, Completed
from remote.hosts.docker.container import HARDENED, ContainerUser
from remote.hosts.docker.engine import facts_of
from remote.hosts.doctor import checks_for
from remote.hosts.doctor.check import Check, Finding, Level, examine, exit_code, note, ok, warn
from remote.hosts.doctor.engine_checks import of_architecture, of_memory, of_socket, of_store
from remote.hosts.doctor.inside import of_mount
from remote.hosts.doctor.mac import of_autostart, of_sleep
from remote.hosts.doctor.probe import Probed, image_of, probe_spec
from remote.hosts.doctor.way import of_clock, of_disk
from remote.hosts.transport import FileStatus
from remote.model import HostConfig, RuntimeKind, TransportKind
from tests.unit.hosts.engines import INFO

GIB = 1 << 30
CONTAINERD = [["driver-type", "io.containerd.snapshotter.v1"]]


def raising(error: WorkhorseError) -> Check[None]:
    def ask(_: None) -> Finding:
        raise error

    return Check("first", ask)


def asked(*checks: Check[None]) -> list[Finding]:
    return list(examine(checks, None))


def test_what_needs_a_failed_check_is_not_asked() -> None:
    found = asked(
        raising(HostUnreachable("it is off", hint="switch it on")),
        Check("second", lambda _: pytest.fail("asked"), ("first",)),
        Check("third", lambda _: pytest.fail("asked"), ("second",)),
        Check("fourth", lambda _: ok("well")),
    )
    assert [(one.check, one.level) for one in found] == [
        ("first", Level.FAIL),
        ("second", Level.NOT_ASKED),
        ("third", Level.NOT_ASKED),
        ("fourth", Level.OK),
    ]
    assert found[0].fix == "switch it on"
    assert {one.found for one in found[1:3]} == {"because of: first"}
    assert exit_code(found) == HostUnreachable.exit_code


def test_warnings_and_silence_fail_nothing() -> None:
    found = asked(
        Check("a", lambda _: None),
        Check("b", lambda _: warn("odd", "mend it"), ("a",)),
        Check("c", lambda _: note("by the way"), ("b",)),
    )
    assert [one.level for one in found] == [Level.WARN, Level.NOTE]
    assert exit_code(found) == 0


def test_every_failure_says_what_to_do_and_none_is_our_defect() -> None:
    done = Completed(("perl",), 1, "", "no such module")
    (found,) = asked(raising(CommandFailed(done, "exit status 1")))
    assert found.exit_code == HostRefused.exit_code
    assert "no such module" in found.found
    assert found.fix


@pytest.mark.parametrize(
    ("transport", "runtime"),
    [("ssh", "docker"), ("ssh", "process"), ("local", "docker"), ("local", "process")],
)
def test_checks_need_what_comes_before_them(transport: TransportKind, runtime: RuntimeKind) -> None:
    checks = checks_for(HostConfig("mini", transport, runtime, "", Path("/x")))
    names = [check.name for check in checks]
    assert len(set(names)) == len(names)
    for place, check in enumerate(checks):
        assert set(check.needs) <= set(names[:place])


def test_the_documentation_has_every_check(project_root: Path) -> None:
    text = (project_root / "docs" / "hosts.md").read_text()
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    documented = {name.strip() for row in rows for name in row.split(",")}
    checks = checks_for(HostConfig("mini", "ssh", "docker", "", Path("/x")))
    assert {check.name for check in checks} <= documented


@pytest.mark.parametrize(
    ("driver", "status", "level"),
    [
        ("overlay2", INFO["DriverStatus"], Level.OK),
        ("overlayfs", CONTAINERD, Level.OK),
        ("vfs", [], Level.WARN),
        ("devicemapper", None, Level.WARN),
    ],
)
def test_image_stores(driver: str, status: object, level: Level) -> None:
    facts = facts_of({**INFO, "Driver": driver, "DriverStatus": status})
    found = of_store(facts.image_store)
    assert found.level is level
    assert ("containerd" in found.found) is (status is CONTAINERD)


def test_architectures() -> None:
    assert of_architecture("x86_64", "amd64") == ok("x86_64, as here")
    assert of_architecture("aarch64", "arm64").level is Level.OK
    differs = of_architecture("aarch64", "x86_64")
    assert differs.level is Level.NOTE
    assert "made on the host" in differs.found


def test_the_engines_socket() -> None:
    assert of_socket("usable", "unix:///run/docker.sock", "ana").level is Level.OK
    assert of_socket("elsewhere", "tcp://10.0.0.7:2375", "ana").level is Level.NOTE
    with pytest.raises(EngineUnusable, match="ana may not use") as forbidden:
        of_socket("forbidden", "unix:///run/docker.sock", "ana")
    assert "usermod -aG docker ana" in forbidden.value.hint
    with pytest.raises(EngineUnusable, match="no engine runs"):
        of_socket("missing", "unix:///run/docker.sock", "ana")


def test_memory_and_disk() -> None:
    assert of_memory(8 * GIB, "here").level is Level.OK
    assert of_memory(2 * GIB, "here").level is Level.WARN
    with pytest.raises(MemoryTooSmall):
        of_memory(GIB // 2, "here")
    assert of_disk(20 * GIB, "/", "x").level is Level.OK
    assert of_disk(5 * GIB, "/", "x") == warn("5.0 GiB free on /", "x")
    with pytest.raises(DiskTooSmall, match=r"0\.5 GiB free on /data") as full:
        of_disk(GIB // 2, "/data", "free some")
    assert full.value.hint == "free some"


def test_clocks() -> None:
    assert of_clock(0.01, "two clocks") == ok("two clocks agree")
    assert of_clock(1.5, "two clocks").level is Level.OK
    assert of_clock(3, "two clocks").level is Level.WARN
    with pytest.raises(HostRefused, match=r"61\.0 s apart"):
        of_clock(61, "two clocks")


def test_which_image_is_tried() -> None:
    base = {"Created": 9, "RepoTags": ["python:3.11-slim"]}
    older = {"Created": 1, "RepoTags": ["workhorse-env:a"]}
    newer = {"Created": 2, "RepoTags": ["other:x", "workhorse-env:b"]}
    nameless = {"Created": 99, "RepoTags": None}
    foreign = {"Created": 99, "RepoTags": ["workhorse-environment:x"]}
    images: list[Mapping[str, object]] = [nameless, foreign, base, newer, older]
    assert image_of(images, "python:3.11-slim") == "workhorse-env:b"
    assert image_of([nameless, base], "python:3.11-slim") == "python:3.11-slim"
    assert image_of([nameless, foreign, base], "python:3.12") is None


def test_the_container_is_as_hardened_as_a_runs() -> None:
    spec = probe_spec("image", ContainerUser(7, 8), Path("/s/doctor-1"), "content", "1")
    assert spec.items() >= HARDENED.items()
    assert (spec["user"], spec["network_mode"]) == ("7:8", "none")
    assert [mount["Source"] for mount in spec["mounts"]] == ["/s/doctor-1"]


PROBED = Probed(
    image="python:3.11-slim",
    user=ContainerUser(7, 7),
    directory=Path("/s"),
    seconds=0.5,
    free_bytes=GIB,
    clock=0,
    asked_at=(0, 1),
    said="7\noverlay 1 1 1 1% /\n0\nsh: cannot create /output/written: Permission denied\n",
    wrote=b"content",
    seen=b"content",
    status=FileStatus(mode=0o644, uid=7, gid=7, size_bytes=7, modified=0),
)


def test_a_mount_that_leads_to_the_host() -> None:
    assert of_mount(PROBED, 7).level is Level.OK


def test_a_mount_that_does_not() -> None:
    with pytest.raises(HostRefused, match="does not arrive in /s: sh: cannot create") as caught:
        of_mount(replace(PROBED, seen=None, status=None), 7)
    assert "File sharing" in caught.value.hint
    with pytest.raises(HostRefused, match="has b'other'"):
        of_mount(replace(PROBED, seen=b"other"), 7)
    with pytest.raises(HostRefused, match="belongs to uid 7 on the host, not to 1000"):
        of_mount(PROBED, 1000)


PMSET = """System-wide power settings:
Currently in use:
 standby              0
 Sleep On Power Button 1
 autorestart          0
 disksleep            10
 sleep                {} (sleep prevented by powerd)
 displaysleep         10
"""


def test_a_mac_that_sleeps() -> None:
    asleep = of_sleep(PMSET.format(1))
    assert asleep is not None
    assert asleep.level is Level.WARN
    assert "after 1 min" in asleep.found
    awake = of_sleep(PMSET.format(0))
    assert awake is not None
    assert awake.level is Level.OK
    assert of_sleep("") is None


@pytest.mark.parametrize(
    ("told", "level"),
    [
        ('{\n "AutoStart": false,\n "Cpus": 8\n}', Level.WARN),
        ('{"autoStart":true}', Level.OK),
        ('{"Cpus": 8}', None),
        ("", None),
    ],
)
def test_docker_desktop_that_starts_by_itself(told: str, level: Level | None) -> None:
    found = of_autostart(told)
    assert (found.level if found else None) is level
