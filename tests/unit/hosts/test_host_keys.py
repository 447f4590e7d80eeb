"""Recording a host key: as ssh would, appended, and only where a file can take it."""

from __future__ import annotations

import base64
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from remote.errors import HostKeyRefused, UsageError
from remote.hosts.ssh.config import known_as
from remote.hosts.ssh.host_keys import described, parse_fingerprint, record
from remote.hosts.ssh.known_hosts import ServerKey, known_keys, refuse_unless_known


@pytest.fixture
def server(tmp_path: Path) -> ServerKey:
    return ServerKey("me@mini", "mini", "ssh-ed25519", b"\0key", tmp_path / ".ssh" / "known_hosts")


def test_a_file_that_is_not_there_is_made_for_its_owner_alone(server: ServerKey) -> None:
    record(server)
    assert server.file.read_text() == "mini ssh-ed25519 AGtleQ==\n"
    assert server.file.stat().st_mode & 0o777 == 0o600
    assert server.file.parent.stat().st_mode & 0o777 == 0o700
    refuse_unless_known(server, known_keys((server.file,), "mini"))


@pytest.mark.parametrize("before", ["", "# mine\nbox ssh-rsa AAAA\n", "box ssh-rsa AAAA"])
def test_a_key_is_appended(server: ServerKey, before: str) -> None:
    server.file.parent.mkdir()
    server.file.write_text(before)
    server.file.chmod(0o640)
    record(server)
    record(replace(server, name=known_as("Mini.Local", 2222)))
    ended = before if before.endswith("\n") or not before else f"{before}\n"
    assert server.file.read_text() == (
        f"{ended}mini ssh-ed25519 AGtleQ==\n[mini.local]:2222 ssh-ed25519 AGtleQ==\n"
    )
    assert server.file.stat().st_mode & 0o777 == 0o640
    refuse_unless_known(server, known_keys((server.file,), "[mini.local]:2222"))


@pytest.mark.parametrize("name", ["*", "a,b", "a b", "!x", "a\nb", "@revoked", ""])
def test_a_name_that_would_say_something_else(server: ServerKey, name: str) -> None:
    with pytest.raises(HostKeyRefused, match="HostKeyAlias"):
        record(replace(server, name=name))
    assert not server.file.exists()


def test_what_is_no_file_takes_no_key(server: ServerKey, tmp_path: Path) -> None:
    for path in (Path("/dev/null"), tmp_path, Path("/dev/null/known_hosts")):
        with pytest.raises(HostKeyRefused, match="cannot be recorded"):
            record(replace(server, file=path))


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
@pytest.mark.parametrize("kind", [("ed25519",), ("ecdsa", "-b", "384"), ("rsa", "-b", "2048")])
def test_a_key_is_shown_as_ssh_keygen_shows_it(
    server: ServerKey, tmp_path: Path, kind: tuple[str, ...]
) -> None:
    path = tmp_path / "key"
    make = ["ssh-keygen", "-q", "-N", "", "-C", "mini", "-f", str(path), "-t", *kind]
    subprocess.run(make, check=True)
    show = ["ssh-keygen", "-lf", f"{path}.pub"]
    shown = subprocess.run(show, check=True, capture_output=True, text=True).stdout.strip()
    name, blob, _ = Path(f"{path}.pub").read_text().split()

    found = replace(server, kind=name, key=base64.b64decode(blob))
    assert described(found) == shown
    assert parse_fingerprint(shown.split()[1]) == found.fingerprint


@pytest.mark.parametrize("text", ["", "SHA256:short", "MD5:00", "x" * 50, "SHA256:" + "!" * 43])
def test_what_is_no_fingerprint(text: str) -> None:
    with pytest.raises(UsageError, match="is no fingerprint"):
        parse_fingerprint(text)
