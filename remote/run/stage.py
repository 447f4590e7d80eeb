"""Stage: every input on the host, with its digest.

On the local transport an input is used where it lies; over a link it is sent once and kept.
Hashing a large file takes long, so the digest is remembered for as long as path, size,
modification time and inode stay.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

from remote.config import state_dir
from remote.errors import HostRefused, InputUnusable
from remote.hosts.connect import Host
from remote.hosts.inputs import InputStore
from remote.hosts.layout import StateLayout
from remote.hosts.local import LocalTransport
from remote.hosts.ssh import SshTransport
from remote.model import Parameter, Staged, StagedInput

_BLOCK_BYTES = 1 << 22


def stage(
    host: Host, parameters: tuple[Parameter, ...], on_detail: Callable[[str], None]
) -> Staged:
    """Make every InputPath parameter's file available on the host.

    The run sees a file under the name that was given, also where that is a link.

    Raises:
        InputUnusable: a file has gone, or is no readable regular file.
    """
    staged = []
    for parameter in parameters:
        if parameter.kind != "input_path" or not parameter.value:
            continue
        path = Path(str(parameter.value)).absolute()
        size = _size(parameter.name, path)
        on_detail(f"{path.name} ({size / 1e6:.1f} MB)")
        digest = _digest(path)
        staged.append(
            StagedInput(
                parameter=parameter.name,
                path_seen=Path(str(parameter.seen or parameter.value)),
                path_on_host=_on_host(host, path, digest, size, on_detail),
                path_in_run=host.runtime.path_in_run(parameter.name, path),
                sha256=digest,
                size_bytes=size,
            )
        )
    return Staged(host.config, tuple(staged))


def refuse_runs_as_inputs(host: Host, parameters: tuple[Parameter, ...]) -> None:
    """Earlier runs are read where this machine's results are.

    Raises:
        HostRefused: a parameter names one, and the host is another machine.
    """
    named = [one.name for one in parameters if one.kind == "input_run" and one.value]
    if named and host.transport.kind == "ssh":
        raise HostRefused(
            f"{', '.join(named)}: results of earlier runs are not sent to other hosts yet",
            hint="run it where the results are: --host local",
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
        on_detail(f"{path.name}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")

    return InputStore(host.transport, host.layout).put(path, sha256, size, told)


def _digest(path: Path) -> str:
    """Of a file of this machine, remembered in this machine's state directory."""
    here = LocalTransport()
    status = path.stat()
    key = [str(path), status.st_size, status.st_mtime_ns, status.st_ino]
    name = hashlib.sha256(str(path).encode()).hexdigest()[:32]
    record = StateLayout(state_dir()).cache / "inputs" / f"{name}.json"
    known = here.read(record)
    if known and (entry := json.loads(known))["key"] == key:
        return str(entry["sha256"])
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    here.make_directory(record.parent)
    here.write(record, json.dumps({"key": key, "sha256": digest.hexdigest()}).encode())
    return digest.hexdigest()
