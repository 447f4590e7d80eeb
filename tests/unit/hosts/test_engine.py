"""Finding an engine: where it may be, and what it means when it does not answer."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from remote.errors import EngineTooOld, EngineUnusable
from remote.hosts.docker.cli import docker_cli, has_buildkit, private_configuration
from remote.hosts.docker.engine import (
    Answer,
    Socket,
    candidates,
    facts_of,
    find_engine,
    knock,
    open_engine,
)
from remote.hosts.docker.engine import refuse_unusable as refuse
from remote.hosts.select import local_host
from tests.unit.hosts.engines import answering, fake_cli, listening


def test_an_engine_that_answers(tmp_path: Path) -> None:
    with listening(tmp_path / "s", b"HTTP/1.0 200 OK\r\n\r\nOK") as url:
        assert knock(url) is Answer.ANSWERS
        assert find_engine({"DOCKER_HOST": url}, tmp_path) == Socket(url, Answer.ANSWERS)


@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n", b"HTTP/1.0 500 No\r\n\r\n"])
def test_an_engine_that_is_ill(tmp_path: Path, reply: bytes) -> None:
    with listening(tmp_path / "s", reply) as url:
        assert knock(url) is Answer.SILENT


def test_no_engine_and_a_stale_socket(tmp_path: Path) -> None:
    assert knock(f"unix://{tmp_path}/none") is Answer.MISSING
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(os.fspath(tmp_path / "stale"))
    assert knock(f"unix://{tmp_path}/stale") is Answer.SILENT
    assert knock("tcp://10.0.0.1:2375") is Answer.ELSEWHERE


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user, which only root may")
@pytest.mark.parametrize(("folder", "mode"), [(0o755, 0o600), (0o700, 0o666)])
def test_an_engine_that_is_not_permitted(folder: int, mode: int) -> None:
    with TemporaryDirectory(dir="/tmp") as name, listening(Path(name) / "s") as url:
        Path(name, "s").chmod(mode)
        Path(name).chmod(folder)
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os._exit(0 if knock(url) is Answer.FORBIDDEN else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (Answer.FORBIDDEN, "usermod -aG docker"),
        (Answer.SILENT, "start Docker"),
        (Answer.MISSING, "local+process"),
        (Answer.ELSEWHERE, "unset DOCKER_HOST"),
    ],
)
def test_each_refusal_says_what_to_do(answer: Answer, hint: str) -> None:
    with pytest.raises(EngineUnusable) as caught:
        refuse(Socket("unix:///x", answer))
    assert hint in caught.value.hint
    assert "unix:///x" in caught.value.problem


def test_where_engines_are_looked_for(tmp_path: Path) -> None:
    assert candidates({"DOCKER_HOST": "unix:///named"}, tmp_path) == ("unix:///named",)
    usual = candidates({"XDG_RUNTIME_DIR": "/run/user/7"}, tmp_path)
    assert usual[0] == "unix:///var/run/docker.sock"
    assert usual[-1] == "unix:///run/user/7/docker.sock"
    assert f"unix://{tmp_path}/.orbstack/run/docker.sock" in usual


def test_the_current_context_is_followed(tmp_path: Path) -> None:
    meta = tmp_path / ".docker/contexts/meta/abc/meta.json"
    meta.parent.mkdir(parents=True)
    endpoint = {"docker": {"Host": "unix:///of/context"}}
    meta.write_text(json.dumps({"Name": "desktop", "Endpoints": endpoint}))
    config = tmp_path / ".docker/config.json"
    config.write_text(json.dumps({"currentContext": "desktop"}))
    assert candidates({}, tmp_path) == ("unix:///of/context",)
    assert len(candidates({"DOCKER_CONTEXT": "default"}, tmp_path)) > 1


def test_facts_are_the_engines_own() -> None:
    info = {
        "MemTotal": 5,
        "NCPU": 2,
        "Architecture": "aarch64",
        "ServerVersion": "27",
        "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"],
        "ID": "d3adb33f",
        "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", "extfs"]],
    }
    facts = facts_of(info)
    assert (facts.memory_bytes, facts.cpus, facts.rootless) == (5, 2, True)
    assert (facts.id, facts.image_store) == ("d3adb33f", "overlay2")
    containerd = [["driver-type", "io.containerd.snapshotter.v1"]]
    assert facts_of({**info, "DriverStatus": containerd}).image_store == "containerd"
    assert not facts_of({**info, "SecurityOptions": None}).rootless


@pytest.mark.parametrize("version", ["19.03.15", "18.09.1", "1.13.1", "20.9", "4.9.3"])
def test_an_engine_that_is_too_old(tmp_path: Path, version: str) -> None:
    host = local_host("docker", "a test")
    with (
        listening(tmp_path / "s", answering(ServerVersion=version)) as url,
        pytest.raises(EngineTooOld, match=f"its Docker Engine is {re.escape(version)}; 20.10 is"),
        open_engine(host, {"DOCKER_HOST": url}),
    ):
        pass


def test_an_engine_that_does_not_describe_itself(tmp_path: Path) -> None:
    body = b'{"ApiVersion": "1.40"}'
    reply = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with (
        listening(tmp_path / "s", reply) as url,
        pytest.raises(EngineUnusable, match="cannot be used: 'MemTotal'"),
        open_engine(local_host("docker", "a test"), {"DOCKER_HOST": url}),
    ):
        pass


@pytest.mark.parametrize("version", ["20.10.0", "20.10.24+dfsg1", "27.3.1", "28", "dev"])
def test_an_engine_that_is_new_enough(tmp_path: Path, version: str) -> None:
    host = local_host("docker", "a test")
    with (
        listening(tmp_path / "s", answering(ServerVersion=version)) as url,
        open_engine(host, {"DOCKER_HOST": url}) as engine,
    ):
        assert engine.facts.version == version


@pytest.mark.parametrize(
    ("version", "buildx", "expected"),
    [
        ("20.10.24+dfsg1", False, True),
        ("18.06.3-ce", False, False),
        ("18.09.0", False, True),
        ("23.0.1", False, False),
        ("28.2.2", False, False),
        ("28.2.2", True, True),
        ("unknown", False, False),
        ("unknown", True, True),
    ],
)
def test_which_docker_commands_have_buildkit(version: str, buildx: bool, expected: bool) -> None:
    assert has_buildkit(version, buildx=buildx) is expected


def test_a_command_without_buildkit_is_passed_over(tmp_path: Path) -> None:
    fake_cli(tmp_path / "a", "28.2.2", buildx=False)
    good = fake_cli(tmp_path / "b", "27.0.0", buildx=True)
    path = f"{tmp_path}/a:{tmp_path}/none:{tmp_path}/b"
    with docker_cli("unix:///x", path, tmp_path) as cli:
        assert cli.binary == good
        assert cli.variables["DOCKER_HOST"] == "unix:///x"
        private = Path(cli.variables["DOCKER_CONFIG"])
        assert "credsStore" not in json.loads((private / "config.json").read_text())
    assert not private.exists()


def test_a_named_command_that_cannot_build_is_refused(tmp_path: Path) -> None:
    bad = fake_cli(tmp_path / "a", "28.2.2", buildx=False)
    with (
        pytest.raises(EngineUnusable, match=r"28\.2\.2, without buildx"),
        docker_cli("unix:///x", "", tmp_path, str(bad)),
    ):
        pass


def test_the_users_proxies_are_kept_and_nothing_else(tmp_path: Path) -> None:
    theirs = {"credsStore": "osxkeychain", "proxies": {"default": {"httpProxy": "p"}}}
    ours = private_configuration(tmp_path, json.dumps(theirs).encode())
    assert set(ours) == {"cliPluginsExtraDirs", "proxies"}
    assert ours["proxies"] == theirs["proxies"]
    for nothing in (None, b"", b"{broken"):
        assert set(private_configuration(tmp_path, nothing)) == {"cliPluginsExtraDirs"}
