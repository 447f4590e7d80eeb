"""Files that a host sees by itself: used where they lie, and never sent.

The host reads such a file once to digest it, and remembers the digest for as long as path, size,
times and inode stay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from remote.errors import InputUnusable
from remote.hosts.command import CommandFailed
from remote.hosts.connect import in_home
from remote.hosts.layout import StateLayout
from remote.hosts.ssh import scripts as host_scripts
from remote.hosts.ssh.transport import COMMAND_SECONDS, SshTransport
from remote.model import DataFolder

# The slowest share that is waited for while a host digests a file.
_SLOWEST_SHARE = 4 << 20


@dataclass(frozen=True, slots=True)
class Mapped:
    """A file below a folder of the host's `data`; `there` is its path on the host."""

    folder: DataFolder
    here: Path
    there: Path


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a host says of a file."""

    size_bytes: int
    sha256: str


def mapped(path: Path, folders: Iterable[DataFolder]) -> Mapped | None:
    """Where a host sees a file of this machine; None where it does not.

    The innermost folder counts. A path that leads there through links is found too.
    """
    for seen in (path, path.resolve()):
        found = [folder for folder in folders if seen.is_relative_to(folder.here)]
        if found:
            folder = max(found, key=lambda one: len(one.here.parts))
            return Mapped(folder, path, folder.there / seen.relative_to(folder.here))
    return None


class HostData:
    """What one host says of the files that it sees."""

    def __init__(self, transport: SshTransport, layout: StateLayout, name: str) -> None:
        self._transport = transport
        self._layout = layout
        self._name = name

    def place(self, file: Mapped) -> Path:
        """The file's path on the host, in full."""
        return in_home(file.there, self._transport.home)

    def fingerprint(self, parameter: str, file: Mapped, size_here: int | None) -> Fingerprint:
        """Size and SHA-256 of a file as the host reads it.

        Raises:
            InputUnusable: it is not there, cannot be read, changes, or has another size than here
                (`size_here`; None where this machine does not see it).
        """
        path = self.place(file)
        stamp = self._stamp(parameter, file, path)
        size = int(stamp.split()[0])
        if size_here is not None and size != size_here:
            raise self._unusable(
                f"-p {parameter}: {file.here} has {size_here:,} bytes here, {path} has {size:,} "
                f"bytes on {self._name}: they are not the same file, so the mapping is wrong",
                file,
            )
        record = self._record(path)
        known = _remembered(self._transport.read(record), stamp)
        if known is not None:
            return Fingerprint(size, known)
        sha256 = self._digest(parameter, file, path, size)
        if self._stamp(parameter, file, path).split()[0:2] != stamp.split()[0:2]:
            raise InputUnusable(
                f"-p {parameter}: {path} changes on {self._name} while it is read",
                hint="start the run again once nobody writes to it",
            )
        self._transport.make_directory(record.parent)
        found = {"path": str(path), "stamp": stamp, "sha256": sha256}
        self._transport.write(record, json.dumps(found).encode())
        return Fingerprint(size, sha256)

    def refuse_other_bytes(self, parameter: str, file: Mapped, here: str, there: str) -> None:
        """Raises: InputUnusable where digests differ that should be those of one file."""
        if here != there:
            raise self._unusable(
                f"-p {parameter}: {file.here} and {self.place(file)} on {self._name} have the "
                f"same size and other bytes (SHA-256 {here[:12]} and {there[:12]}): the mapping "
                "is wrong",
                file,
            )

    def _stamp(self, parameter: str, file: Mapped, path: Path) -> str:
        return self._asked(parameter, file, host_scripts.stamp(path), COMMAND_SECONDS)

    def _digest(self, parameter: str, file: Mapped, path: Path, size: int) -> str:
        seconds = COMMAND_SECONDS + size / _SLOWEST_SHARE
        return self._asked(parameter, file, host_scripts.digest(path), seconds).split()[0]

    def _asked(self, parameter: str, file: Mapped, argv: Sequence[str], seconds: float) -> str:
        try:
            return self._transport.run(argv, timeout=seconds).stdout.strip()
        except CommandFailed as error:
            raise self._unusable(
                f"-p {parameter}: {self.place(file)} on {self._name}: "
                f"{error.completed.stderr.strip() or error.problem}",
                file,
            ) from error

    def _record(self, path: Path) -> Path:
        name = hashlib.sha256(str(path).encode()).hexdigest()[:32]
        return self._layout.cache / "data" / f"{name}.json"

    def _unusable(self, problem: str, file: Mapped) -> InputUnusable:
        return InputUnusable(problem, hint=how_to_unmap(self._name, file.folder))


def _remembered(record: bytes | None, stamp: str) -> str | None:
    """The digest that was written down for a stamp; a record that cannot be read has none."""
    try:
        entry = json.loads(record or b"{}")
        return str(entry["sha256"]) if entry["stamp"] == stamp else None
    except (ValueError, KeyError, TypeError):
        return None


def how_to_unmap(host: str, folder: DataFolder) -> str:
    """What to do about a mapping that does not serve."""
    return (
        f"correct hosts/{host}/data in configs/hosts.yaml ({folder.here}: {folder.there}), or take "
        "it out: a file that is on this machine is sent then"
    )
