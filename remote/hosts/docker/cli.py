"""The docker command that builds: one that has BuildKit, with a configuration of our own.

docker-py builds with the classic builder only. A docker command has BuildKit where it has buildx,
or where it is old enough (18.09 to 22) to have it built in; a newer one without buildx has not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from remote.errors import EngineUnusable
from remote.hosts.command import CommandFailed, run

_SECONDS = 10
_PLUGIN_FOLDERS = (
    "~/.docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/opt/homebrew/lib/docker/cli-plugins",
)
# Beside PATH: where products put the command and a bare PATH does not lead.
_FOLDERS = (
    "/usr/bin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "~/.docker/bin",
    "~/.orbstack/bin",
)
_FIRST_WITH_BUILDKIT = (18, 9)
_FIRST_WITHOUT_BUILTIN = (23, 0)


@dataclass(frozen=True, slots=True)
class DockerCli:
    """A docker command that can build, and the variables to call it with."""

    binary: Path
    variables: Mapping[str, str]


@contextmanager
def docker_cli(
    url: str, search_path: str, home: Path, named: str | None = None
) -> Iterator[DockerCli]:
    """A docker command with BuildKit, talking to the engine at `url`.

    Its DOCKER_CONFIG is private: no credential store is asked (a keychain may be locked), no
    context or builder of the user's takes over; their proxies are kept.

    Raises:
        EngineUnusable: there is none; says what was found.
    """
    with TemporaryDirectory(prefix="workhorse-docker-") as folder:
        theirs = home / ".docker" / "config.json"
        configuration = private_configuration(
            home, theirs.read_bytes() if theirs.exists() else None
        )
        (Path(folder) / "config.json").write_text(json.dumps(configuration), encoding="utf-8")
        variables = {"DOCKER_HOST": url, "DOCKER_CONFIG": folder, "DOCKER_BUILDKIT": "1"}
        yield DockerCli(_choose(_binaries(search_path, home, named), variables), variables)


def private_configuration(home: Path, configuration: bytes | None) -> dict[str, object]:
    """What of the user's docker configuration, config.json, a build needs."""
    theirs: dict[str, object] = {}
    with suppress(ValueError):
        theirs = json.loads(configuration or b"{}")
    plugins = [str(Path(path.replace("~", str(home), 1))) for path in _PLUGIN_FOLDERS]
    kept = {"proxies": theirs["proxies"]} if "proxies" in theirs else {}
    return {"cliPluginsExtraDirs": plugins, **kept}


def _theirs(home: Path) -> bytes | None:
    with suppress(OSError):
        return (home / ".docker" / "config.json").read_bytes()
    return None


def has_buildkit(version: str, *, buildx: bool) -> bool:
    """Whether a docker command of this version can build with BuildKit."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        return buildx
    found = (int(numbers[1]), int(numbers[2]))
    return buildx or _FIRST_WITH_BUILDKIT <= found < _FIRST_WITHOUT_BUILTIN


def _binaries(search_path: str, home: Path, named: str | None) -> list[Path]:
    if named:
        return [Path(named).expanduser()]
    folders = [*search_path.split(":"), *_FOLDERS]
    paths = [Path(folder.replace("~", str(home), 1)) / "docker" for folder in folders if folder]
    return [path for path in dict.fromkeys(paths) if path.is_file()]


def _choose(binaries: list[Path], variables: Mapping[str, str]) -> Path:
    found = []
    for binary in binaries:
        version = _version(binary, variables)
        if version is None:
            found.append(f"{binary} (does not run)")
        elif has_buildkit(version, buildx=False) or _has_buildx(binary, variables):
            return binary
        else:
            found.append(f"{binary} ({version}, without buildx)")
    raise EngineUnusable(
        f"no docker command here can build images with BuildKit; found: "
        f"{', '.join(found) or 'none'}",
        hint="install buildx (apt-get install docker-buildx, or Docker Desktop); "
        "or run without docker: --host local+process",
    )


def _version(binary: Path, variables: Mapping[str, str]) -> str | None:
    """Of the command itself; `docker version` would ask the engine too."""
    try:
        said = run([str(binary), "--version"], timeout=_SECONDS, extra_env=variables).stdout
    except CommandFailed:
        return None
    match = re.search(r"version ([^\s,]+)", said)
    return match[1] if match else said.strip()


def _has_buildx(binary: Path, variables: Mapping[str, str]) -> bool:
    argv = [str(binary), "buildx", "version"]
    try:
        return run(argv, timeout=_SECONDS, extra_env=variables, check=False).returncode == 0
    except CommandFailed:
        return False
