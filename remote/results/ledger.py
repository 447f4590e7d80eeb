"""The ledger: one line for every sealed folder, each holding the digest of the line before.

A line is written after the folder's bytes are durable and before its name becomes visible. A
line whose folder still lies in `.incoming` is therefore an unfinished seal.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from remote.errors import IntegrityFailure
from remote.results import disk
from remote.results.names import LEDGER, attempt_name

FIRST_PREVIOUS = "0" * 64
_OWN_DIGEST = "line_sha256"


@dataclass(frozen=True, slots=True)
class Line:
    """One sealed folder.

    Attributes:
        folder: relative to the results directory: `ID` or `.failed/ID.attemptN`.
        id, uuid: the run.
        manifest_sha256: digest of `manifest-sha256.txt`, and through it of every file.
        files, size_bytes: what the manifest lists.
        sealed_at: ISO 8601, UTC.
        previous: SHA-256 of the line before, without its line feed; zeros in the first.
    """

    folder: str
    id: str
    uuid: str
    manifest_sha256: str
    files: int
    size_bytes: int
    sealed_at: str
    previous: str = FIRST_PREVIOUS
    schema: int = 1

    def encode(self) -> bytes:
        """The line as it stands in the file, without its line feed.

        It holds a digest of the rest: the last line has no line after it to vouch for it.
        """
        record = asdict(self)
        return _encode({**record, _OWN_DIGEST: hashlib.sha256(_encode(record)).hexdigest()})


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger as read: the lines that parse, and what is wrong with the file."""

    lines: tuple[Line, ...]
    faults: tuple[str, ...]

    def of(self, folder: str) -> Line | None:
        """The line of a folder."""
        return next((line for line in self.lines if line.folder == folder), None)


def read(results_root: Path) -> Ledger:
    """Read the ledger and check its chain; a missing file is an empty one.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        content = (results_root / LEDGER).read_bytes()
    except FileNotFoundError:
        return Ledger((), ())
    return _parse(content)


def append(results_root: Path, line: Line) -> Line:
    """Append a line under the ledger's lock, durable on return; gives it with its `previous`.

    A last line that a kill cut short is removed first: its seal did not finish, and the folder
    still lies in `.incoming`.

    Raises:
        OSError: the ledger cannot be written.
    """
    with disk.locked(results_root / LEDGER) as descriptor:
        content = _read_all(descriptor)
        whole = _whole_lines(content)
        last = whole.removesuffix(b"\n").rsplit(b"\n", 1)[-1]
        previous = hashlib.sha256(last).hexdigest() if whole else FIRST_PREVIOUS
        chained = Line(**{**asdict(line), "previous": previous})
        _write_after(descriptor, len(content), whole, chained.encode() + b"\n")
    disk.flush_directory(results_root)
    return chained


def refuse_unfinished(run_id: str, results_root: Path) -> None:
    """Refuse to touch a staging directory whose seal is recorded and not finished.

    Raises:
        IntegrityFailure: the ledger has a line for the run and its folder is not published.
    """
    for line in read(results_root).lines:
        if line.id == run_id and not (results_root / line.folder).exists():
            raise IntegrityFailure(
                f"{run_id} is in the ledger, but {results_root / line.folder} is missing.",
                hint="An interrupted seal is completed by: remote results verify",
            )


def folder_of(run_id: str, attempt: int, *, succeeded: bool) -> str:
    """Where a run is published, relative to the results directory."""
    return run_id if succeeded else f".failed/{attempt_name(run_id, attempt)}"


def _parse(content: bytes) -> Ledger:
    lines: list[Line] = []
    faults: list[str] = []
    previous = FIRST_PREVIOUS
    raw_lines = content.split(b"\n")
    if raw_lines.pop():
        faults.append(f"line {len(raw_lines) + 1} is cut short")
    for number, raw in enumerate(raw_lines, start=1):
        line = _decode(raw)
        if line is None:
            faults.append(f"line {number} cannot be read")
        else:
            lines.append(line)
            if line.previous != previous:
                faults.append(f"line {number} does not follow from the line before it")
        previous = hashlib.sha256(raw).hexdigest()
    return Ledger(tuple(lines), tuple(faults))


def _encode(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


def _decode(raw: bytes) -> Line | None:
    try:
        record: Any = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    record.pop(_OWN_DIGEST, None)
    if set(record) != {field.name for field in fields(Line)}:
        return None
    line = Line(**record)
    texts = (line.folder, line.id, line.uuid, line.manifest_sha256, line.sealed_at, line.previous)
    numbers = (line.files, line.size_bytes, line.schema)
    right = all(type(text) is str for text in texts) and all(type(n) is int for n in numbers)
    # Only the one encoding counts, so that no byte of a line can change unseen.
    return line if right and line.encode() == raw else None


def _whole_lines(content: bytes) -> bytes:
    tail = content.rpartition(b"\n")[2]
    if not tail:
        return content
    return content + b"\n" if _decode(tail) is not None else content[: -len(tail)]


def _read_all(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0)


def _write_after(descriptor: int, old_size: int, whole: bytes, line: bytes) -> None:
    start = min(old_size, len(whole))
    os.ftruncate(descriptor, start)
    rest = memoryview(whole[start:] + line)
    while rest:
        written = os.pwrite(descriptor, rest, start)
        start, rest = start + written, rest[written:]
    disk.flush(descriptor)
