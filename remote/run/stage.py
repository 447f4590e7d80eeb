"""Stage: every input on the host, with its digest.

On the local transport an input is used where it lies. Hashing a large file takes long, so the
digest is remembered for as long as path, size, modification time and inode stay.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from remote.errors import InputUnusable
from remote.hosts.connect import Host
from remote.model import Parameter, Staged, StagedInput

_BLOCK_BYTES = 1 << 22


def stage(
    host: Host, parameters: tuple[Parameter, ...], on_detail: Callable[[str], None]
) -> Staged:
    """Make every InputPath parameter's files available on the host.

    Raises:
        InputUnusable: a file is missing, unreadable, or no regular file.
    """
    staged = []
    for parameter, path_seen in _paths(parameters):
        path = resolve_input(parameter, path_seen)
        size = path.stat().st_size
        on_detail(f"{path.name} ({size / 1e6:.1f} MB)")
        staged.append(
            StagedInput(
                parameter=parameter,
                path_seen=Path(path_seen),
                path_on_host=path,
                path_in_run=host.runtime.path_in_run(parameter, path),
                sha256=_digest(host, path),
                size_bytes=size,
            )
        )
    _refuse_twins(staged)
    return Staged(host.config, tuple(staged))


def value_in_run(parameter: Parameter, staged: Staged) -> object:
    """The parameter's value as the run sees it."""
    if parameter.kind != "input_path":
        return parameter.value
    seen = {
        str(item.path_seen): str(item.path_in_run)
        for item in staged.inputs
        if item.parameter == parameter.name
    }
    if isinstance(parameter.value, list | tuple):
        return [seen.get(str(value), value) for value in parameter.value]
    return seen.get(str(parameter.value), parameter.value)


def resolve_input(parameter: str, path_seen: str) -> Path:
    """The absolute path of a readable regular file.

    Raises:
        InputUnusable: it is none.
    """
    path = Path(path_seen).expanduser()
    where = f"-p {parameter} {path_seen}"
    try:
        path = path.resolve(strict=True)
        mode = path.stat().st_mode
    except OSError as error:
        raise InputUnusable(
            f"{where}: {error.strerror}: {path}",
            hint=f"paths are taken from the current directory, {Path.cwd()}",
        ) from error
    if not stat.S_ISREG(mode):
        raise InputUnusable(f"{where}: {path} is no regular file", hint="name one file")
    if not os.access(path, os.R_OK):
        raise InputUnusable(
            f"{where}: {path} cannot be read by you", hint=f"chmod u+r {path}, or ask its owner"
        )
    return path


def _paths(parameters: tuple[Parameter, ...]) -> Iterator[tuple[str, str]]:
    for parameter in parameters:
        if parameter.kind != "input_path" or not parameter.value:
            continue
        several = isinstance(parameter.value, list | tuple)
        for value in parameter.value if several else (parameter.value,):
            yield parameter.name, str(value)


def _refuse_twins(staged: list[StagedInput]) -> None:
    places: dict[Path, StagedInput] = {}
    for item in staged:
        other = places.setdefault(item.path_in_run, item)
        if other.path_on_host != item.path_on_host:
            raise InputUnusable(
                f"-p {item.parameter}: {other.path_seen} and {item.path_seen} have one name",
                hint="rename one of the two files",
            )


def _digest(host: Host, path: Path) -> str:
    status = path.stat()
    key = [str(path), status.st_size, status.st_mtime_ns, status.st_ino]
    name = hashlib.sha256(str(path).encode()).hexdigest()[:32]
    record = host.layout.cache / "inputs" / f"{name}.json"
    known = host.transport.read(record)
    if known and (entry := json.loads(known))["key"] == key:
        return str(entry["sha256"])
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    host.transport.make_directory(record.parent)
    host.transport.write(
        record, json.dumps({"key": key, "sha256": digest.hexdigest()}).encode()
    )
    return digest.hexdigest()
