"""The run directory's files, by name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_RESERVED_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """<state>/runs/ID/ on the host, /run/workhorse in a container."""

    path: Path

    @property
    def spec(self) -> Path:
        return self.path / "run.json"

    @property
    def notebook(self) -> Path:
        return self.path / "notebook.ipynb"

    @property
    def executed(self) -> Path:
        return self.path / "executed.ipynb"

    @property
    def kernel_log(self) -> Path:
        return self.path / "kernel.log"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def error(self) -> Path:
        return self.path / "error.json"

    @property
    def outcome(self) -> Path:
        return self.path / "outcome.json"

    @property
    def output(self) -> Path:
        return self.path / "output"


@contextmanager
def room_for_outcome(directory: RunDirectory) -> Iterator[None]:
    """Hold a little disk space during the block, so that a full disk still takes the outcome."""
    reserve = directory.path / ".reserve"
    with suppress(OSError):  # full already: the run itself will meet it and tell
        reserve.write_bytes(bytes(_RESERVED_BYTES))
    try:
        yield
    finally:
        reserve.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` with `data`, whole or not at all, and durably.

    Raises:
        OSError: nothing was replaced; no temporary file is left.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """`write_atomically` of indented JSON."""
    write_atomically(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())
