"""One result in a few facts: what lists and tables show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from remote.errors import IntegrityFailure
from remote.results import ledger, manifest
from remote.results.names import MANIFEST, parse_attempt, parse_id
from remote.results.read import ResultFolder
from remote.results.tree import scan

UNREADABLE = "damaged"


@dataclass(frozen=True, slots=True)
class Summary:
    """A sealed folder at a glance.

    Attributes:
        name: the folder's name: the id, or `ID.attemptN`.
        started: when the run was created, timezone-aware.
        state: of the run; `damaged` where run.json cannot be read.
        seconds: how long the notebook ran, None where that is not known.
        files, size_bytes: as sealed.
    """

    name: str
    id: str
    notebook: str
    path: Path
    started: datetime
    state: str
    exit_code: int | None
    seconds: float | None
    host: str
    files: int
    size_bytes: int

    def as_json(self) -> dict[str, object]:
        """For programs: paths and times as text, times in UTC."""
        return {
            "name": self.name,
            "id": self.id,
            "notebook": self.notebook,
            "path": str(self.path),
            "started_at": self.started.isoformat().replace("+00:00", "Z"),
            "state": self.state,
            "exit_code": self.exit_code,
            "seconds": self.seconds,
            "host": self.host,
            "files": self.files,
            "size_bytes": self.size_bytes,
        }


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A file of a result folder; `sha256` is None for the manifest, which lists the others."""

    path: str
    size_bytes: int
    sha256: str | None


def summarise(folder: ResultFolder, book: ledger.Ledger) -> Summary:
    """The facts of one folder; never fails for what is written in it."""
    attempt = parse_attempt(folder.path.name)
    run_id = attempt[0] if attempt else parse_id(folder.path.name)
    if run_id is None:
        raise ValueError(f"{folder.path} is no result folder")
    try:
        run: Mapping[str, Any] = folder.run
    except IntegrityFailure:
        run = {"outcome": {"state": UNREADABLE}}
    outcome = _mapping(run.get("outcome"))
    files, size_bytes = _extent(folder, book)
    return Summary(
        name=folder.path.name,
        id=folder.id,
        notebook=run_id.notebook,
        path=folder.path,
        started=run_id.moment,
        state=str(outcome.get("state", "succeeded")),
        exit_code=code if isinstance(code := outcome.get("exit_code"), int) else None,
        seconds=_number(outcome.get("seconds")),
        host=str(_mapping(run.get("host")).get("name", "")),
        files=files,
        size_bytes=size_bytes,
    )


def files_of(folder: ResultFolder) -> tuple[SealedFile, ...]:
    """What lies in the folder now, with the digests of its manifest where that can be read."""
    present = scan(folder.path).files
    try:
        digests = manifest.decode((folder.path / MANIFEST).read_bytes())
    except (OSError, ValueError):
        digests = {}
    return tuple(
        SealedFile(path, status.size_bytes, digests.get(path))
        for path, status in sorted(present.items())
    )


def _extent(folder: ResultFolder, book: ledger.Ledger) -> tuple[int, int]:
    """Files and bytes, from the ledger where it knows the folder: no look at every file."""
    line = book.of(_ledger_name(folder))
    if line is not None:
        return line.files, line.size_bytes
    present = scan(folder.path).files
    listed = [status.size_bytes for path, status in present.items() if path != MANIFEST]
    return len(listed), sum(listed)


def _ledger_name(folder: ResultFolder) -> str:
    return f"{folder.path.parent.name}/{folder.path.name}" if folder.failed else folder.path.name


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
