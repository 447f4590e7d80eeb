"""Hosts into and out of configs/hosts.yaml: the file is replaced whole, or not at all."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from remote.config import ALWAYS_THERE, Config, load_file
from remote.errors import ConfigInvalid, UsageError
from remote.hosts import hosts_yaml
from remote.model import HostConfig
from remote.results.disk import flush, flush_directory
from remote.schema import nearest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_MODE = 0o644


def check_new_name(config: Config, name: str) -> None:
    """Refuse a name that no host can be given.

    Raises:
        UsageError: it is none, always means this machine, or is taken.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a host",
            hint="letters, digits, dots, dashes and underscores, the first a letter or digit; "
            "at most 63",
        )
    if name in ALWAYS_THERE:
        raise UsageError(f'"{name}" is always this machine', hint="choose another name")
    if name in config.hosts:
        where = config.hosts[name].destination
        known = f"; if its key is not known here: remote hosts add {name}" if where else ""
        raise UsageError(
            f'there is a host "{name}" already ({where or "this machine"})',
            hint=f"choose another name, or first: remote hosts remove {name}{known}",
        )


def check_known_name(config: Config, name: str, *, always: bool = False) -> None:
    """Refuse a name that no host has; with `always`, those that need no entry are taken too.

    Raises:
        UsageError: with the nearest name.
    """
    known = [*config.hosts, *(ALWAYS_THERE if always else ())]
    if name in known:
        return
    if name in ALWAYS_THERE:
        raise UsageError(f'"{name}" is this machine and has no entry in {config.path}')
    raise UsageError(
        f'{config.path} has no host "{name}"{nearest(name, known)}',
        hint=f"it has: {', '.join(config.hosts) or 'none'}",
    )


def add_host(path: Path, name: str, keys: Mapping[str, str], *, default: bool = False) -> None:
    """Write a host into the file; `keys` as configs/hosts.yaml documents them.

    Raises:
        ConfigInvalid: the file cannot be changed; it is as it was.
        UsageError: see `check_new_name`.
    """

    def change(text: str, before: Config) -> str:
        check_new_name(before, name)
        text = hosts_yaml.with_host(text, name, keys)
        return hosts_yaml.with_default(text, name) if default else text

    def is_right(before: Config, after: Config) -> bool:
        wanted = name if default else before.default_host
        same = _others(after, name) == before.hosts
        return same and name in after.hosts and after.default_host == wanted

    _rewrite(path, change, is_right)


def remove_host(path: Path, name: str) -> bool:
    """Take a host out of the file; True where it was the default, which then is none.

    Raises:
        ConfigInvalid: the file cannot be changed; it is as it was.
        UsageError: there is no such host.
    """

    def change(text: str, before: Config) -> str:
        check_known_name(before, name)
        text = hosts_yaml.without_host(text, name)
        return hosts_yaml.without_default(text) if before.default_host == name else text

    def is_right(before: Config, after: Config) -> bool:
        wanted = None if before.default_host == name else before.default_host
        return after.hosts == _others(before, name) and after.default_host == wanted

    return _rewrite(path, change, is_right).default_host == name


def set_default(path: Path, name: str | None) -> None:
    """Make a host the default; None: no host is.

    Raises:
        ConfigInvalid: the file cannot be changed; it is as it was.
        UsageError: there is no such host.
    """

    def change(text: str, before: Config) -> str:
        if name is None:
            return hosts_yaml.without_default(text)
        check_known_name(before, name, always=True)
        return hosts_yaml.with_default(text, name)

    def is_right(before: Config, after: Config) -> bool:
        return after.hosts == before.hosts and after.default_host == name

    _rewrite(path, change, is_right)


def _others(config: Config, name: str) -> Mapping[str, HostConfig]:
    return {other: host for other, host in config.hosts.items() if other != name}


def _rewrite(
    path: Path,
    change: Callable[[str, Config], str],
    is_right: Callable[[Config, Config], bool],
) -> Config:
    """Change the file under a lock, once the new text was read back; what it said before."""
    try:
        path.parent.mkdir(exist_ok=True)
        path = path.resolve()
        with _locked(path.parent):
            before = load_file(path)
            text = path.read_bytes().decode() if path.exists() else ""
            _replace(path, change(text, before), lambda after: is_right(before, after))
            return before
    except OSError as error:
        raise ConfigInvalid(
            f"{path}: cannot be written: {error.strerror or error}", hint="it is as it was"
        ) from error


def _replace(path: Path, text: str, is_right: Callable[[Config], bool]) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else _MODE
    with NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(text.encode())
            file.flush()
            os.fchmod(file.fileno(), mode)
            flush(file.fileno())
            if not _reads_right(temporary, is_right):
                raise ConfigInvalid(
                    f"{path}: is written in a way that cannot be changed from here",
                    hint="change it by hand; it documents every key",
                )
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    flush_directory(path.parent)


def _reads_right(path: Path, is_right: Callable[[Config], bool]) -> bool:
    try:
        return is_right(load_file(path))
    except ConfigInvalid:
        return False


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One change at a time; each takes milliseconds."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
