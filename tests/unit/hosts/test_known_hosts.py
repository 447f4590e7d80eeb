"""Host keys: the known one passes, everything else is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from remote.errors import HostKeyRefused
from remote.hosts.ssh.known_hosts import (
    HostKeyUnknown,
    ServerKey,
    fingerprint,
    known_keys,
    refuse_unless_known,
)

KIND = "ssh-ed25519"
KEY, OTHER = b"\0key", b"\0other"


def line(names: str, key: bytes = KEY, marker: str = "") -> str:
    return f"{marker} {names} {KIND} {base64.b64encode(key).decode()} comment".strip()


def judge(path: Path, *lines: str, name: str = "mini", key: bytes = KEY) -> None:
    path.write_text("\n".join(lines) + "\n")
    known = known_keys((path.with_name("missing"), path), name)
    refuse_unless_known(ServerKey("me@mini", name, KIND, key, path), known)


def hashed(name: str) -> str:
    salt = b"s" * 20
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    "names", ["mini", "other,MINI", "m?ni", "*.x,min*", hashed("mini")], ids=range(5)
)
def test_a_known_key_passes(tmp_path: Path, names: str) -> None:
    judge(tmp_path / "known", "# mini", "", "broken", "mini x !!", line(names))


@pytest.mark.parametrize("names", ["maxi", "*,!mini", "[mini]:2222", hashed("maxi")], ids=range(4))
def test_an_unknown_host_is_refused(tmp_path: Path, names: str) -> None:
    with pytest.raises(HostKeyUnknown, match="not known here") as caught:
        judge(tmp_path / "known", line(names))
    assert fingerprint(KEY) in caught.value.problem
    assert "nothing was sent" in caught.value.problem
    assert caught.value.exit_code == 21


def test_another_port_is_another_name(tmp_path: Path) -> None:
    judge(tmp_path / "known", line("[mini]:2222"), name="[mini]:2222")
    with pytest.raises(HostKeyRefused):
        judge(tmp_path / "known", line("mini"), name="[mini]:2222")


def test_a_changed_key_is_refused_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(HostKeyRefused, match=r"not the one in .*known:2") as caught:
        judge(tmp_path / "known", line("maxi"), line("mini", OTHER))
    assert not isinstance(caught.value, HostKeyUnknown)
    assert "ssh-keygen -R 'mini'" in caught.value.hint


def test_one_of_several_keys_is_enough(tmp_path: Path) -> None:
    judge(tmp_path / "known", line("mini", OTHER), line("mini", KEY))


def test_a_revoked_key_is_refused_although_it_is_known(tmp_path: Path) -> None:
    with pytest.raises(HostKeyRefused, match="revoked"):
        judge(tmp_path / "known", line("mini"), line("*", KEY, "@revoked"))


def test_an_authority_vouches_for_nothing_here(tmp_path: Path) -> None:
    with pytest.raises(HostKeyRefused, match="not known"):
        judge(tmp_path / "known", line("mini", KEY, "@cert-authority"))
