"""The process runtime's software: an environment made with uv from the hash-locked requirements.

It is made once per lock and Python, in a directory beside its final one, under a lock, and
renamed last; a record inside says what it is. What is there under its final name is whole.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from remote.errors import BuildFailed, DiskTooSmall
from remote.hosts.command import CommandFailed, follow
from remote.hosts.local import LocalTransport

BUILD_SECONDS = 1_800
NO_SPACE = "no space left on device"
RECORD = "workhorse-environment.json"
# Lists what an environment can import, and what is installed, without importing any of it.
INVENTORY = (
    "import importlib.metadata as m, json, pkgutil, sys;"
    "print(json.dumps({'modules': sorted({i.name for i in pkgutil.iter_modules()}"
    " | set(sys.stdlib_module_names)),"
    "'packages': {d.metadata['Name']: d.version for d in m.distributions()},"
    "'python': sys.version.split()[0]}))"
)


@dataclass(frozen=True, slots=True)
class Environment:
    """A finished environment on the host."""

    path: Path
    modules: frozenset[str]
    built: bool

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"


def ensure_environment(
    transport: LocalTransport,
    requirements: Path,
    lock_sha256: str,
    environments: Path,
    on_detail: Callable[[str], None],
) -> Environment:
    """The environment of a lock, made if it is not there.

    Raises:
        BuildFailed: uv could not make it; nothing is left behind under its name.
    """
    final = environments / environment_name(lock_sha256)
    known = _recorded(final)
    if known is not None:
        return Environment(final, known, built=False)
    lock = environments / f".{final.name}.lock"
    with transport.lock(lock, lambda: on_detail("another run is making this environment")):
        known = _recorded(final)
        if known is not None:
            return Environment(final, known, built=False)
        modules = _make(transport, requirements, lock_sha256, final, on_detail)
    return Environment(final, modules, built=True)


def environment_name(lock_sha256: str) -> str:
    """One lock makes different environments for different Pythons."""
    return f"{lock_sha256[:16]}-py{sys.version_info.major}.{sys.version_info.minor}"


def create_argv(uv: Path, target: Path, python: Path) -> list[str]:
    """Make an empty environment that may be renamed, on an interpreter that is there."""
    return [
        *(str(uv), "venv", "--quiet", "--no-config", "--relocatable", "--no-python-downloads"),
        *("--python", str(python), str(target)),
    ]


def install_argv(uv: Path, target: Path, requirements: Path) -> list[str]:
    """Put exactly the lock into an environment, every file checked against its hash."""
    return [
        *(str(uv), "pip", "sync", "--no-config", "--require-hashes", "--no-progress"),
        *("--python", str(target / "bin" / "python"), str(requirements)),
    ]


def find_uv() -> Path:
    """The uv that was installed beside the controller.

    Raises:
        BuildFailed: there is none.
    """
    from uv import find_uv_bin

    try:
        return Path(find_uv_bin())
    except FileNotFoundError as error:
        raise BuildFailed(
            f"uv, which makes the run's environment, is not installed: {error}",
            hint="install the controller again: ./scripts/run-remote.sh does it by itself",
        ) from error


def _recorded(path: Path) -> frozenset[str] | None:
    record = path / RECORD
    # The interpreter is a link: an upgrade of the system's Python may have taken it away.
    if not record.exists() or not (path / "bin" / "python").exists():
        return None
    return frozenset(json.loads(record.read_text(encoding="utf-8"))["modules"])


def _make(
    transport: LocalTransport,
    requirements: Path,
    lock_sha256: str,
    final: Path,
    on_detail: Callable[[str], None],
) -> frozenset[str]:
    started = time.monotonic()
    building = final.with_name(f".{final.name}.building")
    transport.remove(building)
    uv = find_uv()
    python = building / "bin" / "python"
    on_detail(f"installing {requirements.name} with uv")

    def tell(line: str) -> None:
        if not line.startswith(" "):  # the list of what was installed, all at once
            on_detail(line)

    try:
        for argv in (
            create_argv(uv, building, Path(sys.executable)),
            install_argv(uv, building, requirements),
        ):
            follow(argv, tell, timeout=BUILD_SECONDS)
        inventory = json.loads(
            transport.run([str(python), "-I", "-c", INVENTORY], timeout=120).stdout
        )
    except CommandFailed as error:
        transport.remove(building)
        raise build_failed(error, requirements) from error
    record = {
        "lock_sha256": lock_sha256,
        **inventory,
        "seconds": round(time.monotonic() - started, 2),
    }
    transport.write(building / RECORD, json.dumps(record, indent=1).encode())
    transport.remove(final)
    building.rename(final)
    return frozenset(inventory["modules"])


def build_failed(error: CommandFailed, requirements: Path) -> BuildFailed | DiskTooSmall:
    """The last lines of a build and what to do."""
    lines = error.completed.text.splitlines()[-12:] or [error.problem]
    if NO_SPACE in error.completed.text.lower():
        return DiskTooSmall(
            f"the disk is full: {lines[-1]}", hint="free some disk and start the run again"
        )
    return BuildFailed(
        f"the environment of {requirements.name} could not be made:\n"
        + "\n".join(f"  {line}" for line in lines),
        hint="check the network and the package named above; "
        "scripts/lock.sh makes the lock anew, and the same command tries again",
    )
