"""The link to a real sshd: who is let in, what is refused, and how a dead one is noticed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from remote.errors import HostKeyRefused, HostUnreachable, LoginRefused
from remote.hosts.command import CommandFailed
from remote.hosts.ssh import link as links
from remote.hosts.ssh.config import Route, read_route
from remote.hosts.ssh.destination import parse_destination
from remote.hosts.ssh.link import Link, open_link
from tests.lab.host import LabHost

pytestmark = [pytest.mark.integration, pytest.mark.ssh]


def who(link: Link) -> str:
    return link.run(["id", "-un"], timeout=10).stdout.strip()


def test_arguments_arrive_as_they_are(route: Route) -> None:
    odd = ["a b", "", "'", '"', "$HOME", "`id`", "*", "-n", "ä", "x\ny", ";", "\\"]
    with open_link(route) as link:
        done = link.run(["printf", "%s\\0", *odd], timeout=10)
    assert done.stdout.split("\0")[:-1] == odd


def test_streams_status_and_input(route: Route) -> None:
    script = "cat; echo bad >&2; exit 3"
    with open_link(route) as link:
        done = link.run(["sh", "-c", script], timeout=10, check=False, data=b"x" * 3_000_000)
        assert (done.returncode, done.stderr, len(done.stdout)) == (3, "bad\n", 3_000_000)
        with pytest.raises(CommandFailed, match="exit status 3"):
            link.run(["sh", "-c", "exit 3"], timeout=10)


def test_more_commands_at_a_time_than_a_server_allows_a_connection(route: Route) -> None:
    """Ten is the usual limit; more go over connections of their own."""
    with open_link(route) as link, ExitStack() as opened:
        channels = [opened.enter_context(link.command(["cat"])) for _ in range(24)]
        for number, channel in enumerate(channels):
            channel.sendall(f"{number}\n".encode())
            assert channel.recv(100).decode() == f"{number}\n"
        assert link.sent_bytes > link.wire.sent_bytes


def test_many_threads_on_a_connection_that_is_nearly_full(route: Route) -> None:
    """Each that is refused goes on over another; no end of input is sent after a close, for which
    servers hang up."""
    for _ in range(5):
        with open_link(route) as link, ExitStack() as opened:
            for _ in range(8):
                opened.enter_context(link.command(["cat"]))
            with ThreadPoolExecutor(16) as pool:
                said = pool.map(
                    lambda number: link.run(["echo", str(number)], timeout=20), range(64)
                )
                assert [one.stdout for one in said] == [f"{number}\n" for number in range(64)]


def test_a_command_that_ends_before_its_input(route: Route) -> None:
    """What is on its way to it is dropped, and the connection serves on."""
    with open_link(route) as link:
        for _ in range(20):
            argv = ["sh", "-c", "head -c 100000 >/dev/null; exit 3"]
            assert link.run(argv, timeout=20, check=False, data=bytes(8_000_000)).returncode == 3
        assert link.run(["echo", "on"], timeout=20).stdout == "on\n"


def test_every_command_has_its_limit(route: Route) -> None:
    started = time.monotonic()
    with open_link(route) as link, pytest.raises(CommandFailed, match="not done in time"):
        link.run(["sleep", "60"], timeout=0.5)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "known", ["", "{address} ssh-ed25519 {other}\n"], ids=["unknown", "changed"]
)
def test_a_key_that_is_not_the_known_one(
    lab_host: LabHost, route: Route, tmp_path: Path, known: str
) -> None:
    """Refused before the user's name or any key was offered."""
    other = lab_host.key.with_suffix(".pub").read_text().split()[1]
    path = tmp_path / "known"
    path.write_text(known.format(address=lab_host.address, other=other))
    log = lab_host.slot.directory / "sshd.log"
    before = len(log.read_text())
    with (
        pytest.raises(HostKeyRefused, match="nothing was sent"),
        open_link(replace(route, known_hosts=(path,))),
    ):
        pass
    assert path.read_text() == known.format(address=lab_host.address, other=other)
    time.sleep(0.2)
    told = log.read_text()[before:]
    assert "[preauth]" in told
    assert lab_host.user not in told


def test_a_user_that_is_not_let_in(route: Route) -> None:
    with (
        pytest.raises(LoginRefused, match="id_ed25519: refused"),
        open_link(replace(route, user="nobody")),
    ):
        pass


def test_no_key_at_all(route: Route, tmp_path: Path) -> None:
    with (
        pytest.raises(LoginRefused, match="no key"),
        open_link(replace(route, identities=(tmp_path / "none",))),
    ):
        pass


def test_a_key_with_a_passphrase_is_for_the_agent(route: Route, tmp_path: Path) -> None:
    path = tmp_path / "locked"
    generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(path)]
    subprocess.run(generate, check=True)
    with (
        pytest.raises(LoginRefused, match="has a passphrase"),
        open_link(replace(route, identities=(path,))),
    ):
        pass


@contextmanager
def agent(socket: Path, key: Path) -> Iterator[None]:
    """An ssh-agent that holds a key."""
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        variables = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        limit = time.monotonic() + 10
        while not socket.exists() and time.monotonic() < limit:
            time.sleep(0.02)
        subprocess.run(["ssh-add", "-q", str(key)], env=variables, check=True)
        yield
    finally:
        process.terminate()
        process.wait()


def test_a_key_of_the_agent(lab_host: LabHost, route: Route, tmp_path: Path) -> None:
    with agent(tmp_path / "agent", lab_host.key):
        held = replace(route, identities=(), identities_named=False, agent=tmp_path / "agent")
        with open_link(held) as link:
            assert who(link) == lab_host.user


def test_nobody_listens(route: Route) -> None:
    with (
        pytest.raises(HostUnreachable, match="connection refused"),
        open_link(replace(route, port=9)),
    ):
        pass


def through(lab_host: LabHost, home: Path, line: str) -> Route:
    """The host's own loopback, to be reached in another way."""
    config = home / ".ssh" / "config"
    known = lab_host.known_hosts.read_text().replace(lab_host.address, "inner")
    (home / ".ssh" / "known_inner").write_text(known)
    config.write_text(
        f"{config.read_text()}\nHost inner\n  HostName 127.0.0.1\n  User {lab_host.user}\n"
        f"  HostKeyAlias inner\n  UserKnownHostsFile {home}/.ssh/known_inner\n"
        f"  IdentityFile {lab_host.key}\n  {line}\n"
    )
    return read_route(parse_destination("inner"), home, None)


def test_through_another_server(lab_host: LabHost, home: Path) -> None:
    with open_link(through(lab_host, home, f"ProxyJump {lab_host.name}")) as link:
        assert who(link) == lab_host.user
        said = link.run(["printenv", "SSH_CONNECTION"], timeout=10).stdout
    assert said.startswith("127.0.0.1")


def test_through_a_command(lab_host: LabHost, home: Path) -> None:
    command = f"ssh -F {lab_host.ssh_config} -W %h:%p {lab_host.name}"
    with open_link(through(lab_host, home, f"ProxyCommand {command}")) as link:
        assert who(link) == lab_host.user


def test_a_proxy_command_that_fails(lab_host: LabHost, home: Path) -> None:
    started = time.monotonic()
    with (
        pytest.raises(HostUnreachable),
        open_link(through(lab_host, home, f"ProxyCommand {sys.executable} -c pass")),
    ):
        pass
    assert time.monotonic() - started < 15


def test_the_agent_is_not_forwarded(lab_host: LabHost, route: Route, tmp_path: Path) -> None:
    held = replace(route, agent=tmp_path / "agent")
    with agent(tmp_path / "agent", lab_host.key), open_link(held) as link:
        done = link.run(["printenv", "SSH_AUTH_SOCK"], timeout=10, check=False)
    assert done.stdout == ""


def test_a_dead_link_is_noticed(
    lab_host: LabHost, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(links, "SILENCE_SECONDS", 3)
    with open_link(route) as link:
        assert who(link) == lab_host.user
        started = time.monotonic()
        with lab_host.link_cut(), pytest.raises(HostUnreachable, match="nothing heard for"):
            link.run(["sleep", "60"], timeout=100)
        assert 2 < time.monotonic() - started < 8


def test_a_long_quiet_command_is_no_dead_link(
    route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(links, "SILENCE_SECONDS", 2)
    with open_link(route) as link:
        assert link.run(["sleep", "4"], timeout=10).returncode == 0
