"""Make a directory of this machine visible on a lab host: `python share.py PID DIRECTORY`.

A bind mount reaches no further than the mount namespace it is made in, and the host sees nothing
of this machine's /tmp. So the mount is made here, detached, and attached there.
"""

from __future__ import annotations

import ctypes
import os
import sys

_OPEN_TREE, _MOVE_MOUNT = 428, 429  # the same on every architecture
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4
_CLONE_NEWNS = 0x20000

_libc = ctypes.CDLL(None, use_errno=True)


def main(pid: str, directory: str) -> None:
    """Attach the mount at the same path in the mount namespace of process `pid`."""
    path = os.fsencode(directory)
    tree = _libc.syscall(_OPEN_TREE, _AT_FDCWD, path, _OPEN_TREE_CLONE | _AT_RECURSIVE)
    _check(tree, directory)
    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    _check(_libc.setns(namespace, _CLONE_NEWNS), f"the mounts of {pid}")
    moved = _libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, path, _MOVE_MOUNT_F_EMPTY_PATH)
    _check(moved, directory)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


if __name__ == "__main__":
    main(*sys.argv[1:])
