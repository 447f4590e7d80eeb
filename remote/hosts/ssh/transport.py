"""A host over SSH: the same commands and files as this machine's, on one connection."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from remote.errors import HostRefused
from remote.hosts.command import CommandFailed, Completed
from remote.hosts.ssh import scripts as host_scripts
from remote.hosts.ssh.files import SshRunFiles
from remote.hosts.ssh.link import Link
from remote.hosts.transport import FileStatus, HostUser
from remote.model import TransportKind

if TYPE_CHECKING:
    from paramiko import Channel, SFTPClient

# The limit of a command that only looks or makes a directory.
COMMAND_SECONDS = 30
REMOVE_SECONDS = 600
_BEAT_SECONDS = 5
# A lock whose holder was not heard for so long is free; longer than a link may be silent.
_LOCK_SILENCE_SECONDS = 40


class SshTransport:
    """Commands and files of a host at the other end of a link."""

    kind: TransportKind = "ssh"

    def __init__(self, link: Link) -> None:
        self.link = link

    @property
    def user(self) -> HostUser:
        return HostUser(self._facts[0], self._facts[1])

    @property
    def home(self) -> Path:
        """The user's home on the host."""
        return Path(self._facts[2])

    @cached_property
    def _facts(self) -> tuple[int, int, str]:
        said = self.run(host_scripts.WHO, timeout=COMMAND_SECONDS).stdout
        try:
            uid, gid, home = said.split("\n", 2)
            return int(uid), int(gid), home.rstrip("\n")
        except ValueError as error:
            raise HostRefused(
                f"{self.link.route.name}: a command's output begins with something else: "
                f"{said[:200]!r}",
                hint="a shell start-up file on the host prints; let it do so in terminals only",
            ) from error

    def run(self, argv: Sequence[str], *, timeout: float, check: bool = True) -> Completed:
        return self.link.run(argv, timeout=timeout, check=check)

    def make_directory(self, path: Path, *, exclusive: bool = False) -> None:
        with self.link.files() as sftp:
            self._make_parents(sftp, path.parent)
            try:
                sftp.mkdir(str(path), 0o700)
            except OSError as error:
                there = self.status(path)
                if there is None or not stat.S_ISDIR(there.mode):
                    raise self._refused("make", path, error) from error
                if exclusive:
                    raise FileExistsError(errno.EEXIST, "is there already", str(path)) from error

    def give_to(self, path: Path, user: HostUser) -> None:
        with self.link.files() as sftp:
            sftp.chown(str(path), user.uid, user.gid)

    def write(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}")
        with self.link.files() as sftp:
            try:
                self._write_new(sftp, temporary, data)
                sftp.posix_rename(str(temporary), str(path))
            except OSError as error:
                if self.link.alive:
                    with suppress(OSError):
                        sftp.remove(str(temporary))
                raise self._refused("write", path, error) from error

    def read(self, path: Path, offset: int = 0, limit: int = 1 << 24) -> bytes | None:
        """As `Transport.read`. Should a link take the file's place at this very moment, what it
        leads to is told apart by kind, mode and owner, not by inode: SFTP tells none. A run's
        directory is collected once the run has ended, when nobody changes it."""
        with self.link.files() as sftp:
            name = os.fsencode(path)
            try:
                seen = sftp.lstat(name)
                if not stat.S_ISREG(seen.st_mode or 0):
                    return None
                with sftp.open(name, "rb") as file:
                    opened = file.stat()
                    if (opened.st_mode, opened.st_uid) != (seen.st_mode, seen.st_uid):
                        return None
                    file.seek(offset)
                    return file.read(limit)
            except OSError:
                if self.link.alive:
                    return None
                raise

    def status(self, path: Path) -> FileStatus | None:
        with self.link.files() as sftp:
            try:
                found = sftp.stat(str(path))
            except FileNotFoundError:
                return None
            except PermissionError as error:
                raise self._refused("look at", path, error) from error
        return FileStatus(
            mode=found.st_mode or 0,
            uid=found.st_uid or 0,
            gid=found.st_gid or 0,
            size_bytes=found.st_size or 0,
            modified=int(found.st_mtime or 0),
        )

    def names(self, path: Path) -> tuple[str, ...]:
        with self.link.files() as sftp:
            try:
                entries = sftp.listdir_attr(str(path))
            except FileNotFoundError:
                return ()
            except PermissionError as error:
                raise self._refused("list", path, error) from error
        return tuple(sorted(e.filename for e in entries if stat.S_ISDIR(e.st_mode or 0)))

    def remove(self, path: Path) -> None:
        self._script("delete", path, host_scripts.remove(path), REMOVE_SECONDS)

    def discard(self, path: Path) -> None:
        with self.link.files() as sftp, suppress(FileNotFoundError):
            sftp.remove(str(path))

    def free_bytes(self, path: Path) -> int:
        said = self._script("measure", path, host_scripts.free(path), COMMAND_SECONDS)
        return int(said.splitlines()[-1].split()[3]) * 1024

    @contextmanager
    def lock(self, path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
        """As `Transport.lock`; on the host, by a process that ends when the link does."""
        with self.link.files() as sftp:
            self._make_parents(sftp, path.parent)
        argv = host_scripts.lock(path, _LOCK_SILENCE_SECONDS)
        with self.link.command(argv) as channel:
            over = threading.Event()
            beating = threading.Thread(target=_beat, args=(channel, over), daemon=True)
            beating.start()
            try:
                self._await_lock(path, channel, on_wait)
                yield
            finally:
                over.set()

    def files(self, directory: Path, *, gently: bool = False) -> SshRunFiles:
        return SshRunFiles(self.link, directory, gently=gently)

    def _await_lock(self, path: Path, channel: Channel, on_wait: Callable[[], None] | None) -> None:
        channel.settimeout(None)  # a dead link ends it, and whoever waits may have to for long
        heard = b""
        while b"held" not in heard:
            data = channel.recv(256)
            if not data:
                errors = channel.recv_stderr(4096).decode(errors="replace").strip()
                if not self.link.alive:
                    raise self.link.down("")
                raise HostRefused(
                    f"{self.link.route.name}: {path} cannot be locked: "
                    f"{errors or 'no reason told'}",
                    hint="perl is needed on the host, and a home that can be written",
                )
            if b"waiting" in data and on_wait:
                on_wait()
            heard += data

    def _make_parents(self, sftp: SFTPClient, path: Path) -> None:
        """Make a directory and what leads to it."""
        missing: list[Path] = []
        while self.status(path) is None and path != path.parent:
            missing.append(path)
            path = path.parent
        for one in reversed(missing):
            try:
                sftp.mkdir(str(one), 0o700)
            except OSError as error:
                if self.status(one) is None:
                    raise self._refused("make", one, error) from error

    def _write_new(self, sftp: SFTPClient, path: Path, data: bytes) -> None:
        from paramiko.sftp import CMD_EXTENDED

        with sftp.open(str(path), "wbx") as file:
            file.set_pipelined(True)
            file.write(data)
            file.flush()
            with suppress(OSError):  # a server that has no fsync@openssh.com
                sftp._request(CMD_EXTENDED, "fsync@openssh.com", file.handle)  # type: ignore[attr-defined]
            # paramiko forgets a block that was refused (a full disk) while it waits for fsync.
            if file.stat().st_size != len(data):
                raise OSError(errno.ENOSPC, "not all of it could be written")

    def _script(self, verb: str, path: Path, argv: Sequence[str], seconds: float) -> str:
        try:
            return self.run(argv, timeout=seconds).stdout
        except CommandFailed as error:
            raise HostRefused(
                f"{self.link.route.name}: cannot {verb} {path}: "
                f"{error.completed.stderr.strip() or error.problem}",
                hint="look at it on the host by hand",
            ) from error

    def _refused(self, verb: str, path: Path, error: OSError) -> Exception:
        if not self.link.alive:
            return self.link.down(str(error))
        return HostRefused(
            f"{self.link.route.name}: cannot {verb} {path}: {error.strerror or error}",
            hint="is its disk full, or may this user not write there?",
        )


def _beat(channel: Channel, over: threading.Event) -> None:
    """Tell the lock's holder on the host that we are still there."""
    with suppress(OSError, EOFError):
        while not over.wait(_BEAT_SECONDS):
            channel.sendall(b".")
