"""A second compute host on this machine: own network, files, processes, engine and sshd.

What a test sees is what a person sees of a real host: an address, a user, a key. Everything
else (`run`, `engine_url`) is a side door for looking at the host while its link is cut.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from remote.hosts.command import Completed, run
from tests.lab.commands import boot, inside, make_disk
from tests.lab.flavours import INSTALLED, Flavour
from tests.lab.host_engine import answers, load_base, remove_leftovers
from tests.lab.machine import lab_directory
from tests.lab.slots import Slot, attempt_all, claim, execute_all, this_process

USER = "scientist"
# Unlike any uid of an image: what takes one for the other fails here.
UID = 1734
BASE_IMAGE = "python:3.11-slim"
_START_SECONDS = 30
_STOP_SECONDS = 10
_SHUTDOWN = """
docker ps --quiet | xargs --no-run-if-empty docker kill
pkill --exact dockerd
while pgrep --exact dockerd; do sleep .05; done
"""
_SSHD_CONFIG = Path(__file__).with_name("sshd_config")
_SHARE = ("-I", os.fspath(Path(__file__).with_name("share.py")))
_CHECKOUT = Path(__file__).parents[2]


class NotUp(AssertionError):
    """A lab host that is off, or did not come up: with the end of its logs."""


@dataclass(frozen=True, slots=True)
class LabHost:
    """A host that was started here. Up or off: methods look, nothing is remembered."""

    name: str
    slot: Slot
    client: Path
    """The folder, mode 0700, with what a client needs: key, known_hosts, ssh_config."""
    user: str = USER
    port: int = 22
    flavour: Flavour = INSTALLED

    @property
    def address(self) -> str:
        return self.slot.link.address

    @property
    def destination(self) -> str:
        return f"{self.user}@{self.address}"

    @property
    def key(self) -> Path:
        return self.client / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.client / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """What stands in a person's ~/.ssh/config: `Host NAME` with all of the above."""
        return self.client / "config"

    @property
    def process_1(self) -> int:
        """The pid, on this machine, of the host's process 1."""
        pid = self.slot.process_1()
        if pid is None:
            raise NotUp(f"{self.name} is off\n{self.logs()}")
        return pid

    @property
    def engine_url(self) -> str:
        """The host's engine by a side door: works for root of this machine, link or no link."""
        return f"unix:///proc/{self.process_1}/root/run/docker.sock"

    def start(self) -> None:
        """Boot; returns when sshd and the engine answer. Also after `crash`."""
        directory, engine = self.slot.directory, self.slot.engine(self.flavour.name)
        self.flavour.configure(engine / "etc")
        arguments = [os.fspath(directory), self.name, self.user, str(UID), self.slot.cgroup]
        arguments += [os.fspath(engine), os.fspath(self.flavour.programs or "")]
        command = boot(self.slot.marker, [*arguments, *_of_the_controller()])
        with (directory / "boot.log").open("ab") as log:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
        self._wait(lambda: self.slot.process_1() is not None)
        execute_all(self.slot.link.connect(self.process_1))
        self._wait(lambda: self._greets() and answers(self.engine_url))

    def stop(self) -> None:
        """An orderly shutdown: containers end, then the engine, then everything else."""
        if self.slot.process_1() is not None:
            self.run("timeout", str(_STOP_SECONDS), "sh", "-c", _SHUTDOWN, check=False)
        self.slot.power_off()

    def crash(self) -> None:
        """The power cut: everything on the host ends in the middle of what it does."""
        self.slot.power_off()

    def cut_link(self) -> None:
        """From now on packets vanish, in both directions."""
        execute_all(self.slot.link.cut(self.process_1))

    def restore_link(self) -> None:
        """Take every `cut_link` back."""
        attempt_all(self.slot.link.restore(self.process_1))

    @contextmanager
    def link_cut(self) -> Iterator[None]:
        """The link is cut for as long as this is open."""
        self.cut_link()
        try:
            yield
        finally:
            self.restore_link()

    def shape(self, rate: str) -> None:
        """Limit the link in each direction: "1gbit", "100mbit"."""
        execute_all(self.slot.link.shape(self.process_1, rate))

    def unshape(self) -> None:
        """No limit any more."""
        attempt_all(self.slot.link.unshape(self.process_1))

    @contextmanager
    def shaped(self, rate: str) -> Iterator[None]:
        """The link is limited for as long as this is open."""
        self.shape(rate)
        try:
            yield
        finally:
            self.unshape()

    @contextmanager
    def shared(self, directory: Path) -> Iterator[None]:
        """A directory of this machine is there too, read-only, at the same path.

        For as long as this is open or the host is up.
        """
        self.run("mkdir", "-p", os.fspath(directory))
        run([sys.executable, *_SHARE, str(self.process_1), os.fspath(directory)], timeout=10)
        try:
            self.run("mount", "-o", "remount,bind,ro", os.fspath(directory))
            yield
        finally:
            if self.slot.process_1() is not None:
                self.run("umount", "--lazy", os.fspath(directory), check=False)

    def ssh(self, *argv: str, check: bool = True, timeout: float = 30) -> Completed:
        """A command on the host through the system's ssh, as the user."""
        options = ["-F", os.fspath(self.ssh_config), "-o", "BatchMode=yes"]
        return run(["ssh", *options, self.name, "--", *argv], timeout=timeout, check=check)

    def run(self, *argv: str, check: bool = True, timeout: float = 30) -> Completed:
        """A command as the host's root, by a side door that needs no link."""
        return run(inside(self.process_1, *argv), timeout=timeout, check=check)

    def logs(self) -> str:
        """The ends of what boot, engine and sshd said."""
        ends = []
        for name in ("boot", "dockerd", "sshd"):
            path = self.slot.directory / f"{name}.log"
            with suppress(FileNotFoundError):
                lines = path.read_text(errors="replace").splitlines()[-15:]
                ends += [f"{name}: {line}" for line in lines]
        return "\n".join(ends)

    def _greets(self) -> bool:
        where = (self.address, self.port)
        with suppress(OSError), socket.create_connection(where, timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
        return False

    def _wait(self, condition: Callable[[], bool]) -> None:
        limit = time.monotonic() + _START_SECONDS
        while not condition():
            if time.monotonic() > limit:
                raise NotUp(f"{self.name} did not come up in {_START_SECONDS} s\n{self.logs()}")
            time.sleep(0.03)


def up(
    name: str,
    client: Path | None = None,
    *,
    keep: bool = False,
    flavour: Flavour = INSTALLED,
    disk: str | None = None,
) -> LabHost:
    """A new host: new keys, empty homes, the base image, what its engine built in earlier runs.

    It goes when this process has gone (at the next start of any host), or with `keep` stays
    until `down`. The client's keys lie in `client`, or beside the host's own files. With `disk`
    ("2G") engine and files share a disk of that size, and nothing is kept from earlier runs.
    """
    flavour.fetch()
    slot = claim(name, None if keep else this_process(), flavour.name)
    host = LabHost(name, slot, client or slot.directory / "client", flavour=flavour)
    try:
        _make_keys(host)
        if disk is not None:
            execute_all(make_disk(slot.disk, disk))
        host.start()
        remove_leftovers(host.engine_url)
        load_base(host.engine_url, BASE_IMAGE)
    except BaseException:
        down(host)
        raise
    return host


def down(host: LabHost) -> None:
    """Nothing of the host is left but the images of its engine, for the next one."""
    host.stop()
    host.slot.clear()


def _of_the_controller() -> list[str]:
    """Directories of this machine that no other host would have."""
    own = {_CHECKOUT, lab_directory()}
    if sys.prefix != sys.base_prefix:
        own.add(Path(sys.prefix))
    return sorted(map(os.fspath, own))


def _make_keys(host: LabHost) -> None:
    """Keys of client and host, and what each side knows of the other."""
    host.client.mkdir(mode=0o700, parents=True, exist_ok=True)
    host_keys = host.slot.directory / "etc-ssh"
    shutil.rmtree(host_keys, ignore_errors=True)
    host_keys.mkdir(mode=0o755)
    shutil.copyfile(_SSHD_CONFIG, host_keys / "sshd_config")
    host_key = host_keys / "ssh_host_ed25519_key"
    for path, comment in ((host.key, "lab"), (host_key, f"root@{host.name}")):
        path.unlink(missing_ok=True)
        generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]
        run([*generate, os.fspath(path)], timeout=10)
    public = host.key.with_suffix(".pub").read_text()
    (host.slot.directory / "authorized_keys").write_text(public)
    kind, key, _ = host_key.with_suffix(".pub").read_text().split()
    host.known_hosts.write_text(f"{host.address} {kind} {key}\n")
    host.ssh_config.write_text(
        f"Host {host.name}\n  HostName {host.address}\n  Port {host.port}\n  User {host.user}\n"
        f"  IdentityFile {host.key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {host.known_hosts}\n  StrictHostKeyChecking yes\n"
    )
