"""What cannot run on a host, from the command line: one clear error, its exit code, no traces."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.host import LabHost
from tests.unit.hosts.engines import answering

pytestmark = [pytest.mark.integration, pytest.mark.ssh]

SECONDS = 60
HOSTS = """hosts:
  mini: {destination: mini}
  shut: {destination: "mini:9"}
  unwritable: {destination: mini, state_dir: /root/workhorse}
  elsewhere: {destination: mini, docker_binary: /opt/none/docker}
  old: {destination: mini, docker_binary: /srv/old-docker}
  greedy: {destination: mini, limits: {memory: 900 TiB}}
"""


@pytest.fixture(scope="module")
def checkout(
    tmp_path_factory: pytest.TempPathFactory, copy_checkout: Callable[[Path], Path]
) -> Path:
    root = copy_checkout(tmp_path_factory.mktemp("refusals") / "checkout")
    (root / "configs" / "hosts.yaml").write_text(HOSTS)
    return root


@contextmanager
def no_docker(lab_host: LabHost) -> Iterator[None]:
    """No docker command where products put one; the engine runs on."""
    found = lab_host.run("sh", "-c", "ls /usr/bin/docker /usr/local/bin/docker", check=False)
    hidden = found.stdout.split()
    for path in hidden:
        lab_host.run("mount", "--bind", "/dev/null", path)
    try:
        yield
    finally:
        for path in hidden:
            lab_host.run("umount", path)


@contextmanager
def forbidden_socket(lab_host: LabHost) -> Iterator[None]:
    lab_host.run("chmod", "600", "/run/docker.sock")
    try:
        yield
    finally:
        lab_host.run("chmod", "660", "/run/docker.sock")


@contextmanager
def without_key(lab_host: LabHost) -> Iterator[None]:
    """The host's key is not known."""
    lines = lab_host.known_hosts.read_text()
    lab_host.known_hosts.write_text("")
    try:
        yield
    finally:
        lab_host.known_hosts.write_text(lines)


@contextmanager
def other_key(lab_host: LabHost) -> Iterator[None]:
    """Another key is known for the host."""
    with without_key(lab_host):
        key = lab_host.key.with_suffix(".pub").read_text().split()[1]
        lab_host.known_hosts.write_text(f"{lab_host.address} ssh-ed25519 {key}\n")
        yield


# A docker command whose engine says what engines of that version were recorded to say.
OLD_DOCKER = """#!/bin/sh
[ "$*" = "system dial-stdio" ] || exit 1
while read -r line && [ ${#line} -gt 1 ]; do :; done
cat <<'END'
"""


@contextmanager
def old_engine(lab_host: LabHost) -> Iterator[None]:
    program = OLD_DOCKER + answering(ServerVersion="19.03.15").decode() + "\nEND\n"
    install = 'printf %s "$1" >/srv/old-docker; chmod 755 /srv/old-docker'
    lab_host.run("sh", "-c", install, "sh", program)
    try:
        yield
    finally:
        lab_host.run("rm", "/srv/old-docker")


def nothing(_: LabHost) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Case:
    """A host that cannot take a run: how it is named, what is wrong with it, what is said."""

    host: str
    code: int
    problem: str
    fault: Callable[[LabHost], AbstractContextManager[None]] = nothing


CASES = {
    "unknown": Case("mni", 27, 'no host is called "mni"; did you mean "mini"?'),
    "an option": Case("-oProxyCommand=touch gotcha", 2, "is no SSH destination"),
    "an option as user": Case("-oProxyCommand=touch gotcha@mini", 2, "is no SSH destination"),
    "nobody answers": Case("shut", 3, "connection refused"),
    "unknown key": Case("mini", 21, "is not known here", without_key),
    "changed key": Case("mini", 21, "which is not the one in", other_key),
    "wrong user": Case("nobody@mini", 22, "does not let nobody in"),
    "no docker": Case("mini", 24, "has no docker command; looked for docker", no_docker),
    "no docker as named": Case("elsewhere", 24, "looked for /opt/none/docker"),
    "no permission": Case("mini", 25, "may not be used by scientist", forbidden_socket),
    "an old engine": Case("old", 26, "its Docker Engine is 19.03.15; 20.10 is", old_engine),
    "unwritable": Case("unwritable", 4, "/root/workhorse/envs: Permission denied"),
    "too little memory": Case("greedy", 17, "the Docker Engine has"),
}


def traces(lab_host: LabHost) -> tuple[str, str]:
    """The runs and containers that the host has."""
    runs = f"ls -A /home/{lab_host.user}/.workhorse/runs"
    listed = lab_host.run("docker", "ps", "--all", "--quiet")
    return lab_host.run("sh", "-c", runs, check=False).stdout, listed.stdout


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_run_that_its_host_cannot_take(
    lab_host: LabHost, home: Path, checkout: Path, case: Case
) -> None:
    command = [sys.executable, "-m", "remote", "run", "notebooks/00_test_remote.ipynb"]
    before = traces(lab_host)
    with case.fault(lab_host):
        done = subprocess.run(
            [*command, "--host", case.host],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    assert (done.returncode, done.stdout) == (case.code, ""), done.stderr
    lines = done.stderr.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert case.problem in errors[0]
    assert lines[-1] != errors[0], "it does not say what to do"
    assert "Traceback" not in done.stderr
    assert not list(checkout.glob("results/.incoming/*_*"))
    assert not list(checkout.rglob("gotcha"))
    assert traces(lab_host) == before
