"""What lies in a folder, looked at without following links."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileStatus:
    """A regular file: permission bits and size."""

    mode: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder's content by relative path, with `/`.

    Attributes:
        files: regular files.
        directories: permission bits of directories below the folder.
        others: what is neither: links, FIFOs, devices, directories that cannot be listed.
    """

    files: dict[str, FileStatus]
    directories: dict[str, int]
    others: frozenset[str]


def scan(folder: Path) -> Tree:
    """Everything in a folder.

    Raises:
        OSError: the folder itself cannot be listed.
    """
    files: dict[str, FileStatus] = {}
    directories: dict[str, int] = {}
    others: set[str] = set()
    waiting = [("", folder)]
    while waiting:
        prefix, directory = waiting.pop()
        try:
            entries = list(os.scandir(directory))
        except OSError:
            if not prefix:
                raise
            others.add(prefix.rstrip("/"))
            continue
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            path = prefix + entry.name
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISDIR(status.st_mode):
                directories[path] = mode
                waiting.append((f"{path}/", directory / entry.name))
            elif stat.S_ISREG(status.st_mode):
                files[path] = FileStatus(mode, status.st_size)
            else:
                others.add(path)
    return Tree(files, directories, frozenset(others))
