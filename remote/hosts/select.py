"""Where a run goes: the host that is named, the config's default, else this machine."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

from remote.config import Config, environment, state_dir
from remote.errors import EngineUnusable, HostUnknown
from remote.hosts.command import CommandFailed, run
from remote.hosts.docker.cli import DockerCli, docker_cli
from remote.hosts.docker.engine import Answer, Socket, find_engine, refuse_unusable
from remote.hosts.ssh.config import ssh_hosts
from remote.hosts.ssh.destination import parse_destination
from remote.model import HostConfig, RuntimeKind
from remote.schema import nearest

LOCAL = "local"
# An environment image says which lock it was made from.
LOCK_LABEL = "workhorse.lock"
# Names that need no configuration: this machine, with the runtime left open or forced.
BUILT_IN: dict[str, RuntimeKind | None] = {
    LOCAL: None,
    "local+docker": "docker",
    "local+process": "process",
}
# What the embedded default waits for a base image that it has to pull.
PULL_SECONDS = 10
# How long a pull that failed is not tried again by the embedded default.
FORGET_SECONDS = 600
_INSPECT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which runtime this machine offers, and why, in one clause."""

    runtime: RuntimeKind
    reason: str


def choose(config: Config, host_argument: str | None = None) -> HostConfig:
    """The host of a run, with the reason for it.

    Raises:
        EngineUnusable: docker was asked for by name and cannot be used.
        UsageError: no host has that name.
    """
    name = host_argument or config.default_host
    if name is None:
        return _embedded(config, "no host is named")
    reason = (
        f"--host {name}" if host_argument is not None else f"default_host of {config.path.name}"
    )
    if name in config.hosts:
        return _checked(replace(config.hosts[name], reason=reason))
    if name == LOCAL:
        return _embedded(config, reason)
    if name in BUILT_IN:
        return _checked(local_host(BUILT_IN[name] or "process", reason, name))
    aliases = ssh_hosts(Path.home())
    if "@" in name or name in aliases:
        return _destination(name, reason)
    parse_destination(name)  # says so where it could not even be one
    raise HostUnknown(
        f'no host is called "{name}"{nearest(name, [*config.hosts, *BUILT_IN, *aliases])}',
        hint=f"hosts are named in {config.path}; {', '.join(BUILT_IN)} are always there; "
        "user@host needs no name, nor does a Host of ~/.ssh/config",
    )


def to_examine(config: Config, name: str | None = None) -> HostConfig:
    """The host that is to be looked at: as `choose`, but what it cannot do is no refusal.

    Raises:
        UsageError: no host has that name.
    """
    name = name or config.default_host or LOCAL
    if name in config.hosts:
        return config.hosts[name]
    if name == LOCAL:
        answers = find_engine(environment()).answer is Answer.ANSWERS
        return local_host("docker" if answers else "process", "")
    if name in BUILT_IN:
        return local_host(BUILT_IN[name] or "process", "", name)
    return choose(config, name)


def is_this_machine(config: Config, name: str) -> bool:
    """Whether a name, if it is one, means this machine."""
    if name in config.hosts:
        return config.hosts[name].transport == "local"
    return name in BUILT_IN


def local_host(runtime: RuntimeKind, reason: str, name: str = LOCAL) -> HostConfig:
    """This machine with a given runtime."""
    return HostConfig(name, "local", runtime, reason, state_dir())


def _destination(name: str, reason: str) -> HostConfig:
    parse_destination(name)
    return HostConfig(name, "ssh", "docker", reason, Path("~/.workhorse"), destination=name)


def _embedded(config: Config, named: str) -> HostConfig:
    host = local_host("process", "")
    verdict = judge(host.base_image, host.state_dir, _lock_digest(config))
    return replace(host, runtime=verdict.runtime, reason=f"{named}; {verdict.reason}")


def _lock_digest(config: Config) -> str | None:
    """Of the checkout that the configuration belongs to."""
    lock = config.path.parents[1] / "requirements.txt"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None


def _checked(host: HostConfig) -> HostConfig:
    """Refuse an engine that cannot serve before anything is built."""
    if host.transport == "local" and host.runtime == "docker":
        refuse_unusable(find_engine(environment()))
    return host


def judge(base_image: str, state: Path, lock_sha256: str | None = None) -> Verdict:
    """Docker where an engine answers, can build, and has or gets what to build on; else process.

    `lock_sha256` names the environment whose image makes the base image unnecessary.
    """
    found = find_engine(environment())
    if found.answer is not Answer.ANSWERS:
        return Verdict("process", _why_not(found))
    try:
        with docker_cli(found.url, environment().get("PATH", ""), Path.home()) as cli:
            if _has_image(cli, base_image):
                return Verdict("docker", f"a Docker Engine answers and has {base_image}")
            if lock_sha256 and _has_environment(cli, lock_sha256):
                return Verdict("docker", "a Docker Engine answers and has the environment's image")
            if _failed_lately(state, base_image):
                return Verdict("process", f"{base_image} could not be pulled a moment ago")
            pull = [str(cli.binary), "pull", "--quiet", "--", base_image]
            run(pull, timeout=PULL_SECONDS, extra_env=cli.variables)
    except EngineUnusable as error:
        return Verdict("process", f"a Docker Engine answers, but {error.problem}")
    except CommandFailed:
        _remember_failure(state, base_image)
        return Verdict(
            "process",
            f"a Docker Engine answers, but {base_image} is not here and could not be pulled "
            f"within {PULL_SECONDS} s",
        )
    return Verdict("docker", f"a Docker Engine answers and could pull {base_image}")


def _has_image(cli: DockerCli, name: str) -> bool:
    argv = [str(cli.binary), "image", "inspect", "--format", "{{.Id}}", "--", name]
    done = run(argv, timeout=_INSPECT_SECONDS, extra_env=cli.variables, check=False)
    return done.returncode == 0


def _has_environment(cli: DockerCli, lock_sha256: str) -> bool:
    label = f"label={LOCK_LABEL}={lock_sha256}"
    argv = [str(cli.binary), "image", "ls", "--quiet", "--filter", label]
    return bool(run(argv, timeout=_INSPECT_SECONDS, extra_env=cli.variables).stdout.strip())


def _why_not(found: Socket) -> str:
    if found.answer is Answer.MISSING:
        return "no Docker Engine is here"
    return f"the Docker Engine at {found.url} {found.answer.value}"


def _failure_record(state: Path) -> Path:
    return state / "cache" / "pull-failed.json"


def _failed_lately(state: Path, base_image: str) -> bool:
    try:
        record = json.loads(_failure_record(state).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    age = time.time() - float(record["at"])
    return record["image"] == base_image and 0 <= age < FORGET_SECONDS


def _remember_failure(state: Path, base_image: str) -> None:
    path = _failure_record(state)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"image": base_image, "at": time.time()}), encoding="utf-8")
