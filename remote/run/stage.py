"""Stage: every input on the host, with its digest.

On the local transport an input is used where it lies, and so it is where the host sees it too (a
folder of its `data`); over a link it is sent once and kept. Hashing a large file takes long, so
the digest is remembered for as long as path, size, modification time and inode stay.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

from remote import figures
from remote.config import state_dir
from remote.errors import InputUnusable
from remote.hosts.connect import Host
from remote.hosts.layout import StateLayout
from remote.hosts.local import LocalTransport
from remote.hosts.ssh.transport import SshTransport
from remote.hosts.stores.data import HostData, Mapped, mapped
from remote.hosts.stores.inputs import InputStore
from remote.model import Parameter, Staged, StagedInput

_BLOCK_BYTES = 1 << 22


def stage(
    host: Host, parameters: tuple[Parameter, ...], on_detail: Callable[[str], None]
) -> Staged:
    """Make every InputPath parameter's file available on the host.

    The run sees a file under the name that was given, also where that is a link.

    Raises:
        InputUnusable: a file has gone, is no readable regular file, or the host sees another one
            in its place.
    """
    staged = []
    for parameter in parameters:
        if parameter.kind != "input_path" or not parameter.value:
            continue
        path = Path(str(parameter.value)).absolute()
        seen = mapped(path, host.config.data)
        if seen is not None and isinstance(host.transport, SshTransport):
            data = HostData(host.transport, host.layout, host.config.name)
            staged.append(_where_it_lies(host, data, parameter, seen, on_detail))
        else:
            staged.append(_here_or_sent(host, parameter, path, on_detail))
    return Staged(host.config, tuple(staged))


def _here_or_sent(
    host: Host, parameter: Parameter, path: Path, on_detail: Callable[[str], None]
) -> StagedInput:
    size = _size(parameter.name, path)
    on_detail(f"{path.name} ({figures.size(size)})")
    digest = _digest(path)
    return StagedInput(
        parameter=parameter.name,
        path_seen=Path(str(parameter.seen or parameter.value)),
        path_on_host=_on_host(host, path, digest, size, on_detail),
        path_in_run=host.runtime.path_in_run(parameter.name, path),
        sha256=digest,
        size_bytes=size,
    )


def _where_it_lies(
    host: Host,
    data: HostData,
    parameter: Parameter,
    file: Mapped,
    on_detail: Callable[[str], None],
) -> StagedInput:
    """A file that the host sees: digested there, compared with what is known of it here."""
    size = _size(parameter.name, file.here) if file.here.exists() else None
    on_detail(f"{file.here.name}: {data.place(file)} on {host.config.name}")
    found = data.fingerprint(parameter.name, file, size)
    known = _remembered(file.here) if size is not None else None
    if known is not None:
        data.refuse_other_bytes(parameter.name, file, known, found.sha256)
    return StagedInput(
        parameter=parameter.name,
        path_seen=Path(str(parameter.seen or parameter.value)),
        path_on_host=data.place(file),
        path_in_run=host.runtime.path_in_run(parameter.name, file.here),
        sha256=found.sha256,
        size_bytes=found.size_bytes,
        mapped=file.folder,
    )


def value_in_run(parameter: Parameter, staged: Staged) -> object:
    """The parameter's value as the run sees it."""
    for item in staged.inputs:
        if item.parameter == parameter.name:
            return str(item.path_in_run)
    return parameter.value


def _size(parameter: str, path: Path) -> int:
    try:
        status = path.stat()
    except OSError as error:
        raise InputUnusable(
            f"{parameter}: {path}: {error.strerror}", hint="it was there a moment ago; look again"
        ) from error
    if not stat.S_ISREG(status.st_mode) or not os.access(path, os.R_OK):
        raise InputUnusable(
            f"{parameter}: {path} is no regular file that you may read",
            hint="name a file, or change its permissions",
        )
    return status.st_size


def _on_host(
    host: Host, path: Path, sha256: str, size: int, on_detail: Callable[[str], None]
) -> Path:
    """Where the host has the file: here it is used where it lies, elsewhere it is sent."""
    if not isinstance(host.transport, SshTransport):
        return path.resolve()

    def told(done: int, total: int) -> None:
        on_detail(f"{path.name}: {figures.part(done, total)}")

    return InputStore(host.transport, host.layout).put(path, sha256, size, told)


def _digest(path: Path) -> str:
    """Of a file of this machine, remembered in this machine's state directory."""
    known = _remembered(path)
    if known is not None:
        return known
    here, record, key = LocalTransport(), _record(path), _key(path)
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    here.make_directory(record.parent)
    here.write(record, json.dumps({"key": key, "sha256": digest.hexdigest()}).encode())
    return digest.hexdigest()


def _remembered(path: Path) -> str | None:
    """The digest of a file of this machine that has not changed since it was read."""
    known = LocalTransport().read(_record(path))
    if known and (entry := json.loads(known))["key"] == _key(path):
        return str(entry["sha256"])
    return None


def _record(path: Path) -> Path:
    name = hashlib.sha256(str(path).encode()).hexdigest()[:32]
    return StateLayout(state_dir()).cache / "inputs" / f"{name}.json"


def _key(path: Path) -> list[str | int]:
    status = path.stat()
    return [str(path), status.st_size, status.st_mtime_ns, status.st_ino]
