"""What of ~/.ssh/config is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.errors import ConfigInvalid, UsageError
from remote.hosts.ssh.config import Route, read_route, ssh_hosts
from remote.hosts.ssh.destination import parse_destination


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def route(home: Path, config: str, name: str, agent: str | None = None) -> Route:
    (home / ".ssh" / "config").write_text(config)
    return read_route(parse_destination(name), home, agent)


def test_without_a_configuration(home: Path) -> None:
    found = read_route(parse_destination("me@mini"), home, "/agent.sock")
    assert (found.host, found.port, found.user) == ("mini", 22, "me")
    assert found.key_name == "mini"
    assert found.agent == Path("/agent.sock")
    assert found.identities[0] == home / ".ssh/id_ed25519"
    assert found.known_hosts[0] == home / ".ssh/known_hosts"
    assert found.jumps == ()


def test_a_host_of_the_configuration(home: Path) -> None:
    config = (
        "Host mini\n  HostName 10.0.0.7\n  User ana\n  Port 2200\n  IdentityFile ~/.ssh/lab\n"
        "  IdentitiesOnly yes\n  UserKnownHostsFile ~/.ssh/lab_hosts %d/other\n"
        "Host *\n  User nobody\n  IdentityAgent none\n"
    )
    found = route(home, config, "mini", "/agent.sock")
    assert (found.host, found.port, found.user) == ("10.0.0.7", 2200, "ana")
    assert found.name == "mini"
    assert found.key_name == "[10.0.0.7]:2200"
    assert found.identities == (home / ".ssh/lab",)
    assert found.identities_named
    assert found.agent is None
    assert found.known_hosts[:2] == (home / ".ssh/lab_hosts", home / "other")


def test_what_is_given_wins(home: Path) -> None:
    found = route(home, "Host mini\n User ana\n Port 2200\n", "bob@mini:22")
    assert (found.user, found.port) == ("bob", 22)


def test_a_host_key_alias_is_what_the_key_is_known_as(home: Path) -> None:
    assert route(home, "Host mini\n HostKeyAlias lab\n Port 7\n", "mini").key_name == "lab"


def test_jumps_nearest_first_each_by_its_own_entry(home: Path) -> None:
    config = (
        "Host gate\n HostName gate.example\n User g\n ProxyJump outer\n"
        "Host mini\n ProxyJump gate,second:2222\n"
    )
    found = route(home, config, "mini")
    assert [one.host for one in found.jumps] == ["outer", "gate.example", "second"]
    assert [one.port for one in found.jumps] == [22, 22, 2222]
    assert all(one.jumps == () for one in found.jumps)


def test_jumps_in_a_circle(home: Path) -> None:
    with pytest.raises(ConfigInvalid, match="ProxyJump"):
        route(home, "Host a\n ProxyJump b\nHost b\n ProxyJump a\n", "a")


def test_a_proxy_command_with_its_tokens(home: Path) -> None:
    config = "Host mini\n HostName 10.0.0.7\n User me\n ProxyCommand nc -X 5 %h %p\n"
    assert route(home, config, "mini").proxy_command == "nc -X 5 10.0.0.7 22"
    assert route(home, "Host mini\n ProxyCommand none\n", "mini").proxy_command is None


def test_includes_stand_for_their_text(home: Path) -> None:
    (home / ".ssh/config.d").mkdir()
    (home / ".ssh/config.d/10-lab").write_text("Host mini\n HostName 10.0.0.7\n")
    (home / ".ssh/absolute").write_text("Host box\n HostName 10.0.0.8\n")
    config = f"Include config.d/*\nInclude {home}/.ssh/absolute\nUser all\nHost late\n Port 9\n"
    assert route(home, config, "mini").host == "10.0.0.7"
    assert route(home, config, "mini").user == "all"
    assert route(home, config, "box").host == "10.0.0.8"
    assert route(home, config, "late").port == 9
    assert ssh_hosts(home) == ("mini", "box", "late")


def test_an_include_below_a_host_is_refused(home: Path) -> None:
    with pytest.raises(ConfigInvalid, match="move it to the top"):
        route(home, "Host mini\n  Include more\n", "mini")


def test_a_name_that_is_an_option_is_refused(home: Path) -> None:
    with pytest.raises(UsageError, match="no host name"):
        route(home, "Host mini\n HostName -oProxyCommand=x\n", "mini")


def test_a_broken_configuration(home: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"\.ssh/config"):
        route(home, "Host mini\n  Port many\n", "mini")
    with pytest.raises(ConfigInvalid):
        route(home, "Match nonsense\n", "mini")
