"""Answers as they come, in a file that only grows: what was asked is not asked again.

A line is as in the journal: a CRC-32, a space, JSON. What follows the first bad line is cut off.

    {"kind": "begin", "asked": ...}                  what is asked of whom
    {"kind": "answers", "rows": [[input, row, score or reason], ...], "spent": [...]}
    {"kind": "done", "stopped": ""}                  all are asked, or the budget that stopped it
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Self

from remote.errors import ResumeRefused
from remote.workloads.durable import (
    closed_on_error,
    fsync_directory,
    make_directory,
    reading_errors,
    writing_errors,
)
from remote.workloads.shards.output.differences import differences
from remote.workloads.shards.output.lines import believed, framed
from remote.workloads.shards.ranking.ask import Asked
from remote.workloads.shards.ranking.budget import Spent

# The line that says that all are asked is shorter.
_LAST_LINE_BYTES = 4_096


@dataclass(slots=True)
class Known:
    """What a store holds.

    Attributes:
        answers: by (input, row), a score or the reason why there is none.
        spent: by all attempts.
        stopped: None while asking goes on; then the limit that ended it, empty where none did.
    """

    answers: dict[tuple[int, int], float | str]
    spent: Spent
    stopped: str | None = None

    def add(self, asked: Asked) -> None:
        """The answers of one more batch."""
        self.answers.update(asked.scores)
        self.spent += asked.spent


class Store:
    """The file of one build's answers, open for more of them.

    Attributes:
        known: all that it holds.
    """

    def __init__(self, path: Path, descriptor: int, known: Known) -> None:
        self.path = path
        self.known = known
        self._descriptor = descriptor

    @classmethod
    def create(cls, path: Path, asked: Mapping[str, object]) -> Self:
        """Begin a store in place of any that was there."""
        make_directory(path.parent)
        with writing_errors(path):
            flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND
            store = cls(path, os.open(path, flags, 0o644), Known({}, Spent()))
        with closed_on_error(store):
            store._put({"kind": "begin", "asked": dict(asked)})
            fsync_directory(path.parent)
        return store

    @classmethod
    def reopen(cls, path: Path, asked: Mapping[str, object]) -> Self | None:
        """Go on with a store; None where not even its first line is whole.

        Raises:
            ResumeRefused: something else was asked.
        """
        with reading_errors(path):
            begin, known, size = _read(path)
        if begin is None:
            return None
        if begin != asked:
            listing = "\n".join(f"  {line}" for line in differences(begin, asked))
            raise ResumeRefused(
                f"The scores that are there were asked for otherwise:\n{listing}",
                hint="Set it as it was, or build into another output directory.",
            )
        with writing_errors(path):
            store = cls(path, os.open(path, os.O_WRONLY | os.O_APPEND), known)
        with closed_on_error(store), writing_errors(path):
            os.ftruncate(store._descriptor, size)
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, asked: Asked) -> None:
        """Keep the answers of a batch; they are on disk when this returns."""
        rows = [[*where, answer] for where, answer in asked.scores.items()]
        self._put({"kind": "answers", "rows": rows, "spent": list(astuple(asked.spent))})
        self.known.add(asked)

    def finish(self, stopped: str) -> None:
        """Nothing more will be asked; `stopped` names the limit that ended it, or is empty."""
        self._put({"kind": "done", "stopped": stopped})
        self.known.stopped = stopped

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _put(self, record: Mapping[str, object]) -> None:
        line = framed(record)
        with writing_errors(self.path):
            if os.write(self._descriptor, line) != len(line):
                raise OSError(28, "the line was cut short")
            os.fsync(self._descriptor)


def is_done(path: Path) -> bool:
    """Whether the last line of a store says that nothing more will be asked."""
    if not path.exists():
        return False
    with reading_errors(path), path.open("rb") as source:
        source.seek(max(0, path.stat().st_size - _LAST_LINE_BYTES))
        lines = source.readlines()
    record = believed(lines[-1]) if lines else None
    return record is not None and record["kind"] == "done"


def _read(path: Path) -> tuple[Mapping[str, Any] | None, Known, int]:
    """The first line's content, all answers, and the size of the lines that can be believed."""
    begin: Mapping[str, Any] | None = None
    known = Known({}, Spent())
    size = 0
    with path.open("rb") as source:
        for line in source:
            record = believed(line)
            if record is None or (begin is None and record["kind"] != "begin"):
                break
            size += len(line)
            if record["kind"] == "begin":
                begin = record["asked"]
            elif record["kind"] == "answers":
                known.add(_asked(record))
            else:
                known.stopped = record["stopped"]
    return begin, known, size


def _asked(record: Mapping[str, Any]) -> Asked:
    scores = {(index, row): answer for index, row, answer in record["rows"]}
    return Asked(scores, Spent(*record["spent"]))
