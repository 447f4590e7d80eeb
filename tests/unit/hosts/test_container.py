"""A run's container as data: every rule of its hardening, and what it is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from remote.hosts.docker.container import (
    ContainerUser,
    container_spec,
    container_user,
    default_memory,
    mounts,
    path_in_container,
)
from remote.hosts.runtime import LaunchPlan
from remote.model import CodeDigests, HostConfig, Limits, PlacedImage, StagedInput, StagedRun

GIB = 1 << 30
HOST = HostConfig("local", "local", "docker", "a test", Path("/state"))
PLACED = PlacedImage(
    HOST, CodeDigests("l", "c", "p", "n"), "sha256:env", "sha256:run", "sha256:run", frozenset()
)


def plan(tmp_path: Path, limits: Limits) -> LaunchPlan:
    data = tmp_path / "data.hdf5"
    return LaunchPlan(
        id="10_x_20250423_143022",
        uuid="12345678-aaaa",
        placed=PLACED,
        directory=Path("/state/runs/10_x_20250423_143022"),
        results_root=Path("/project/results"),
        cache=Path("/state/cache/numba-k"),
        notebooks=Path("/project/notebooks"),
        inputs=(StagedInput("input", data, data, path_in_container("input", data), "0" * 64, 1),),
        limits=limits,
    )


def test_the_whole_of_a_container(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=8 * GIB, cpus=1.5, pids=100, shm_bytes=GIB)
    spec = container_spec(plan(tmp_path, limits), limits, ContainerUser(501, 20))
    environment = spec.pop("environment")

    def bind(source: str | Path, target: str, *, read_only: bool = False) -> dict[str, object]:
        return {
            "Type": "bind", "Source": str(source), "Target": target, "ReadOnly": read_only,
        }  # fmt: skip

    run = "/state/runs/10_x_20250423_143022"
    assert spec == {
        "image": "sha256:run",
        "name": "workhorse-10_x_20250423_143022-12345678",
        "command": ["python", "-m", "remote.runner", "/run/workhorse"],
        "hostname": "workhorse",
        "user": "501:20",
        "working_dir": "/workspace/notebooks",
        "mounts": [
            bind(run, "/run/workhorse"),
            bind(f"{run}/output", "/output"),
            bind("/state/cache/numba-k", "/cache/numba"),
            bind("/project/results", "/workspace/results", read_only=True),
            bind(tmp_path / "data.hdf5", "/inputs/input/data.hdf5", read_only=True),
        ],
        "tmpfs": {
            "/tmp": f"rw,nosuid,nodev,exec,size={2 * GIB},mode=1777",
            "/home/workhorse": "rw,nosuid,nodev,exec,size=536870912,mode=0700,uid=501,gid=20",
        },
        "shm_size": GIB,
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "init": True,
        "mem_limit": 8 * GIB,
        "memswap_limit": 8 * GIB,
        "nano_cpus": 1_500_000_000,
        "pids_limit": 100,
        "log_config": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
        "stop_signal": "SIGTERM",
        "labels": {
            "workhorse.run": "10_x_20250423_143022",
            "workhorse.uuid": "12345678-aaaa",
            "workhorse.directory": run,
        },
    }
    assert environment["OUTPUT_DIR"] == "/output"
    assert environment["WORKHORSE_RUN_ID"] == "10_x_20250423_143022"
    assert environment["WORKHORSE_EVENTS"] == "/run/workhorse/events.jsonl"
    assert environment["HOME"] == "/home/workhorse"
    caps = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
    assert {environment[f"{name}_NUM_THREADS"] for name in caps} == {"1"}
    assert "NUMBA_NUM_THREADS" not in environment


def test_earlier_runs_are_given_each_alone(tmp_path: Path) -> None:
    """On another machine there is no results directory to show; no folder is mounted twice."""
    limits = Limits(memory_bytes=GIB, cpus=1)
    kept, sent = Path("/state/results/ab/10_x_1"), Path("/state/results/cd/9_y_2.attempt1")
    given = (
        StagedRun("a", Path("10_x_1"), kept, "ab" * 32, "host"),
        StagedRun("b", Path(".failed/9_y_2.attempt1"), sent, "cd" * 32, "sent"),
        StagedRun("c", Path("10_x_1"), kept, "ab" * 32, "host"),
    )
    told = replace(plan(tmp_path, limits), results_root=None, runs=given)
    found = [one for one in mounts(told) if one["Target"].startswith("/workspace/results")]
    assert found == [
        {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": True}
        for source, target in (
            (kept, "/workspace/results/10_x_1"),
            (sent, "/workspace/results/.failed/9_y_2.attempt1"),
        )
    ]


def test_network_only_where_asked(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=GIB, cpus=1, network=True)
    spec = container_spec(plan(tmp_path, limits), limits, ContainerUser(1, 1))
    assert spec["network_mode"] == "bridge"


@pytest.mark.parametrize(
    ("uid", "gid", "rootless", "expected"),
    [(501, 20, False, "501:20"), (0, 0, False, "1000:1000"), (501, 20, True, "0:0")],
)
def test_who_the_run_is(uid: int, gid: int, rootless: bool, expected: str) -> None:
    assert str(container_user(uid, gid, rootless=rootless)) == expected


@pytest.mark.parametrize("engine", [1 * GIB, 4 * GIB, 24 * GIB, 512 * GIB])
def test_the_engine_keeps_some_memory(engine: int) -> None:
    left = engine - default_memory(engine)
    assert GIB // 2 <= left <= max(GIB // 2, engine // 20)
