"""A run's container as data: what docker is asked to create. Pure; see design 5 for the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remote.hosts.runtime import LaunchPlan, Places, run_environment
from remote.model import Limits

PLACES = Places(
    directory=Path("/run/workhorse"),
    output=Path("/output"),
    working_directory=Path("/workspace/notebooks"),
    cache=Path("/cache/numba"),
)
HOME = Path("/home/workhorse")
INPUTS = Path("/inputs")
RESULTS = Path("/workspace/results")
# Where the controller is root, the run is this user and owns the run's directory.
FIXED_UID = 1000

# What no container of ours goes without.
HARDENED: Mapping[str, Any] = {
    "hostname": "workhorse",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "init": True,
}

_TMPFS_BYTES = 2 << 30
_HOME_BYTES = 512 << 20
# What the engine's machine keeps for itself.
_KEPT_BYTES = 512 << 20
_SMALLEST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class ContainerUser:
    """Who the run is inside its container."""

    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


def container_user(uid: int, gid: int, *, rootless: bool) -> ContainerUser:
    """The controller's user; a fixed one for root; root of its own namespace where rootless."""
    if rootless:
        return ContainerUser(0, 0)
    return ContainerUser(FIXED_UID, FIXED_UID) if uid == 0 else ContainerUser(uid, gid)


def default_memory(engine_bytes: int) -> int:
    """The memory limit of a run that asks for none: the engine's, less what it needs itself."""
    return max(engine_bytes - max(_KEPT_BYTES, engine_bytes // 20), _SMALLEST_BYTES)


def path_in_container(parameter: str, path: Path) -> Path:
    """Where an input is mounted."""
    return INPUTS / parameter / path.name


def container_name(run_id: str, uuid: str) -> str:
    """Ids are unique for one state directory only, names for a whole engine."""
    return f"workhorse-{run_id}-{uuid[:8]}"


def container_spec(plan: LaunchPlan, limits: Limits, user: ContainerUser) -> dict[str, Any]:
    """The keyword arguments of docker-py's `containers.create`.

    `limits` are complete: memory and cpus are numbers.
    """
    assert limits.memory_bytes is not None
    assert limits.cpus is not None
    owned = f"uid={user.uid},gid={user.gid}"
    return {
        **HARDENED,
        "image": plan.placed.code,
        "name": container_name(plan.id, plan.uuid),
        "command": ["python", "-m", "remote.runner", str(PLACES.directory)],
        "user": str(user),
        "working_dir": str(PLACES.working_directory),
        "environment": dict(_environment(plan)),
        "mounts": [dict(mount) for mount in mounts(plan)],
        "tmpfs": {
            "/tmp": f"rw,nosuid,nodev,exec,size={_tmpfs(limits)},mode=1777",  # noqa: S108
            str(HOME): f"rw,nosuid,nodev,exec,size={_HOME_BYTES},mode=0700,{owned}",
        },
        "shm_size": limits.shm_bytes,
        "network_mode": "bridge" if limits.network else "none",
        "mem_limit": limits.memory_bytes,
        "memswap_limit": limits.memory_bytes,
        "nano_cpus": int(limits.cpus * 1_000_000_000),
        "pids_limit": limits.pids,
        "log_config": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
        "stop_signal": "SIGTERM",
        "labels": {
            "workhorse.run": plan.id,
            "workhorse.uuid": plan.uuid,
            "workhorse.directory": str(plan.directory),
        },
    }


def mounts(plan: LaunchPlan) -> list[Mapping[str, Any]]:
    """The run's directory, its output and the kernel cache; results and inputs read-only."""
    return [
        _bind(plan.directory, PLACES.directory),
        _bind(plan.directory / "output", PLACES.output),
        _bind(plan.cache, PLACES.cache),
        *_results(plan),
        *(_bind(item.path_on_host, item.path_in_run, read_only=True) for item in plan.inputs),
    ]


def _results(plan: LaunchPlan) -> list[Mapping[str, Any]]:
    """The results directory as a whole, or each earlier run that was asked for, once."""
    if plan.results_root is not None:
        return [_bind(plan.results_root, RESULTS, read_only=True)]
    places = {RESULTS / run.folder: run.path_on_host for run in plan.runs}
    return [_bind(source, target, read_only=True) for target, source in places.items()]


def _bind(source: Path, target: Path, *, read_only: bool = False) -> Mapping[str, Any]:
    return {"Type": "bind", "Source": str(source), "Target": str(target), "ReadOnly": read_only}


def _environment(plan: LaunchPlan) -> Mapping[str, str]:
    return {
        **run_environment(plan.id, PLACES, "workhorse", HOME),
        "PYTHONPATH": "/workspace",
    }


def _tmpfs(limits: Limits) -> int:
    assert limits.memory_bytes is not None
    return min(_TMPFS_BYTES, limits.memory_bytes // 2)
