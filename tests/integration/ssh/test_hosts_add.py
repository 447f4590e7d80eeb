"""`remote hosts add` against a real sshd: the question, what is recorded, and what is refused."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from remote.config import load
from tests.lab.host import LabHost

pytestmark = [pytest.mark.integration, pytest.mark.ssh]

SECONDS = 60


@pytest.fixture(scope="module")
def shared_checkout(
    tmp_path_factory: pytest.TempPathFactory, copy_checkout: Callable[[Path], Path]
) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("hosts") / "checkout")


@pytest.fixture
def checkout(shared_checkout: Path) -> Iterator[Path]:
    """A checkout whose configs/hosts.yaml is the shipped one at the start of each test."""
    path = shared_checkout / "configs" / "hosts.yaml"
    shipped = path.read_text()
    yield shared_checkout
    path.write_text(shipped)


@pytest.fixture
def stranger(home: Path, lab_host: LabHost) -> Path:
    """A home that knows how to reach the lab's host, and not its key; gives its known_hosts."""
    config = home / ".ssh" / "config"
    lines = lab_host.ssh_config.read_text().splitlines()
    kept = [line for line in lines if "KnownHosts" not in line and "Strict" not in line]
    config.write_text("\n".join(kept) + "\n")
    return home / ".ssh" / "known_hosts"


def hosts(
    checkout: Path, *arguments: str, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "remote", "hosts", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


def public_key(lab_host: LabHost) -> tuple[str, str]:
    """The line that known_hosts gets, and the fingerprint as the host itself shows it."""
    path = lab_host.slot.directory / "etc-ssh" / "ssh_host_ed25519_key.pub"
    kind, key, _ = path.read_text().split()
    show = ["ssh-keygen", "-lf", str(path)]
    shown = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    return f"{lab_host.address} {kind} {key}\n", shown.split()[1]


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_the_question(lab_host: LabHost, checkout: Path, stranger: Path, answer: str) -> None:
    """What the host shows stands there, and before the answer it has heard nothing of the user."""
    line, fingerprint = public_key(lab_host)
    log = lab_host.slot.directory / "sshd.log"
    before = len(log.read_text())
    with terminal() as (ours, theirs):
        process = hosts(checkout, "add", "mini", lab_host.name, stdin=theirs)
        assert process.stderr is not None
        asked = ""
        while "Is it the same?" not in asked:
            heard = process.stderr.read(1)
            assert heard, asked
            asked += heard
        time.sleep(0.2)
        assert lab_host.user not in log.read_text()[before:]
        assert not stranger.exists()
        os.write(ours, f"{answer}\n".encode())
        code, out, err = said(process)
    assert f"\n  256 {fingerprint} {lab_host.address} (ED25519)\n" in asked
    if answer == "no":
        assert code == 21
        assert "was not accepted; nothing was sent or recorded" in err
        assert not stranger.exists()
        assert load(checkout).hosts == {}
        return
    assert code == 0, err
    assert stranger.read_text() == line
    assert stranger.stat().st_mode & 0o777 == 0o600
    assert load(checkout).hosts["mini"].destination == lab_host.name
    assert out.endswith("mini is in configs/hosts.yaml\n")


def test_nobody_to_ask(lab_host: LabHost, checkout: Path, stranger: Path) -> None:
    code, out, err = said(hosts(checkout, "add", "mini", lab_host.name))
    assert (code, out) == (21, "")
    assert f"--fingerprint {public_key(lab_host)[1]}" in err
    assert not stranger.exists()
    assert load(checkout).hosts == {}


def test_a_fingerprint_in_place_of_an_answer(
    lab_host: LabHost, checkout: Path, stranger: Path
) -> None:
    line, fingerprint = public_key(lab_host)
    wrong = fingerprint[:-1] + ("A" if fingerprint[-1] != "A" else "B")
    code, _, err = said(hosts(checkout, "add", "mini", lab_host.name, "--fingerprint", wrong))
    assert code == 21
    assert not stranger.exists()
    given = ("--fingerprint", fingerprint, "--default", "--base-image", "python:3.11-slim")
    code, _, err = said(hosts(checkout, "add", "mini", lab_host.name, *given))
    assert code == 0, err
    assert stranger.read_text() == line
    assert load(checkout).default_host == "mini"
    # Known by now: nothing is added, and a fingerprint that was given must still be its own.
    code, _, err = said(hosts(checkout, "add", "again", lab_host.name))
    assert code == 0, err
    assert f"its host key {fingerprint} is known" in err
    assert stranger.read_text() == line
    code, _, err = said(hosts(checkout, "add", "third", lab_host.name, "--fingerprint", wrong))
    assert code == 21
    assert "third" not in load(checkout).hosts


def test_a_changed_key_is_never_replaced(lab_host: LabHost, checkout: Path, stranger: Path) -> None:
    other = lab_host.key.with_suffix(".pub").read_text().split()[1]
    stranger.write_text(f"{lab_host.address} ssh-ed25519 {other}\n")
    before = stranger.read_bytes()
    _, fingerprint = public_key(lab_host)
    code, _, err = said(hosts(checkout, "add", "mini", lab_host.name, "--fingerprint", fingerprint))
    assert code == 21
    assert "which is not the one in" in err
    assert stranger.read_bytes() == before
    assert load(checkout).hosts == {}


def test_every_server_on_the_way_is_asked_about(
    lab_host: LabHost, checkout: Path, stranger: Path
) -> None:
    line, fingerprint = public_key(lab_host)
    config = stranger.with_name("config")
    config.write_text(
        f"{config.read_text()}\nHost inner\n  HostName 127.0.0.1\n  User {lab_host.user}\n"
        f"  HostKeyAlias the-inner-one\n  IdentityFile {lab_host.key}\n"
        f"  ProxyJump {lab_host.name}\n"
    )
    code, _, err = said(hosts(checkout, "add", "inner", "inner", "--fingerprint", fingerprint))
    assert code == 0, err
    assert err.count("no key is known for it here") == 2
    assert stranger.read_text() == line + line.replace(lab_host.address, "the-inner-one")
    assert load(checkout).hosts["inner"].destination == "inner"


def test_who_is_not_let_in_is_not_written_down(
    lab_host: LabHost, checkout: Path, stranger: Path
) -> None:
    _, fingerprint = public_key(lab_host)
    add = ("add", "mini", f"nobody@{lab_host.name}")
    code, out, err = said(hosts(checkout, *add, "--fingerprint", fingerprint))
    assert (code, out) == (22, "")
    assert "does not let nobody in" in err
    assert load(checkout).hosts == {}
    # The key is known now; a host can be written down ahead of its user's key.
    code, _, err = said(hosts(checkout, *add, "--no-check"))
    assert code == 0, err
    assert "mini" in load(checkout).hosts


def test_a_host_with_a_fault_is_written_down_and_says_so(
    lab_host: LabHost, checkout: Path, home: Path
) -> None:
    add = ("add", "mini", lab_host.name, "--docker-binary", "/opt/none/docker")
    code, out, err = said(hosts(checkout, *add))
    assert code == 24
    assert "looked for /opt/none/docker" in out
    assert "to mend it: install Docker" in out
    assert "then: remote hosts doctor mini" in err
    assert load(checkout).hosts["mini"].docker_binary == "/opt/none/docker"


def test_nobody_answers(lab_host: LabHost, checkout: Path, home: Path) -> None:
    code, out, err = said(hosts(checkout, "add", "mini", f"{lab_host.name}:9"))
    assert (code, out) == (3, "")
    assert "connection refused" in err
    assert load(checkout).hosts == {}


def shared(checkout: Path, lab_host: LabHost, extra: str = "") -> bytes:
    """A host that somebody else wrote into the file: its bytes."""
    path = checkout / "configs" / "hosts.yaml"
    entry = f"hosts:  # ours\n  mini: {{ destination: {lab_host.name}{extra} }}\n"
    path.write_text(path.read_text().replace("hosts: {}\n", entry))
    assert load(checkout).hosts["mini"].destination == lab_host.name
    return path.read_bytes()


def test_a_host_that_another_controller_wrote_down(
    lab_host: LabHost, checkout: Path, stranger: Path
) -> None:
    before = shared(checkout, lab_host)
    line, fingerprint = public_key(lab_host)
    code, out, err = said(hosts(checkout, "add", "mini"))
    assert (code, out) == (21, "")
    assert f"--fingerprint {fingerprint}" in err
    assert not stranger.exists()
    code, out, err = said(hosts(checkout, "add", "mini", "--fingerprint", fingerprint))
    assert code == 0, err
    assert stranger.read_text() == line
    assert f"mini ({lab_host.name})\n" in out
    assert f"{lab_host.user} is let in" in out
    assert out.endswith("mini is in configs/hosts.yaml\n")
    assert (checkout / "configs" / "hosts.yaml").read_bytes() == before
    code, _, err = said(hosts(checkout, "doctor", "mini"))
    assert code == 0, err


def test_it_is_looked_at_as_it_is_written_down(
    lab_host: LabHost, checkout: Path, stranger: Path
) -> None:
    before = shared(checkout, lab_host, ", docker_binary: /opt/none/docker")
    _, fingerprint = public_key(lab_host)
    code, out, err = said(hosts(checkout, "add", "mini", "--fingerprint", fingerprint))
    assert code == 24
    assert "looked for /opt/none/docker" in out
    assert "then: remote hosts doctor mini" in err
    assert (checkout / "configs" / "hosts.yaml").read_bytes() == before
