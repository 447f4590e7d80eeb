"""How a run ended, for people: one line where all went well, the failing cell where not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from remote import figures
from remote.findings import printable
from remote.model import RunState, SealedRun

_LINES_AROUND = 2
_FRAME = re.compile(r"\s*Cell In ?\[(?P<cell>\d+)\], line (?P<line>\d+)")


def as_json(sealed: SealedRun) -> dict[str, Any]:
    """The machine-readable end of a run."""
    details = sealed.outcome.details
    return {
        "id": sealed.id,
        "state": sealed.outcome.state.value,
        "exit_code": sealed.outcome.exit_code,
        "path": str(sealed.path),
        "seconds": details.get("seconds"),
        "peak_memory_bytes": details.get("peak_memory_bytes"),
        "error": details.get("error"),
        "left_out": list(sealed.left_out),
    }


def lines(sealed: SealedRun) -> list[str]:
    """What stderr says in the end; the folder itself goes to stdout."""
    if sealed.outcome.state is RunState.SUCCEEDED:
        return [f"{sealed.id} succeeded{_figures(sealed)}", *_left_out(sealed)]
    return [*_failure(sealed), *_left_out(sealed)]


def _figures(sealed: SealedRun) -> str:
    details = sealed.outcome.details
    took, peak = details.get("seconds"), details.get("peak_memory_bytes")
    preposition = "in" if sealed.outcome.state is RunState.SUCCEEDED else "after"
    text = f" {preposition} {figures.seconds(took)}" if isinstance(took, int | float) else ""
    return text + (f", peak memory {figures.size(peak)}" if isinstance(peak, int) else "")


def _left_out(sealed: SealedRun) -> Iterator[str]:
    for path in sealed.left_out:
        yield f"left out of the result folder: {path!r} (run.json says why)"


def _failure(sealed: SealedRun) -> Iterator[str]:
    error = sealed.outcome.details.get("error")
    error = error if isinstance(error, Mapping) else {}
    cell = error.get("cell")
    where = f" in cell {cell + 1}" if isinstance(cell, int) else ""
    yield f"error: {sealed.id} {_verb(sealed.outcome.state)}{where}{_figures(sealed)}"
    executed = sealed.path / "executed.ipynb"
    if isinstance(cell, int) and sealed.outcome.state is RunState.FAILED:
        yield from _source(executed, cell, error)
    yield f"  {_said(error)}"
    if error.get("hint"):
        yield str(error["hint"])
    if executed.is_file():
        yield f"The notebook as it ran, with its outputs: {executed}"


def _verb(state: RunState) -> str:
    return {
        RunState.CANCELLED: "was stopped",
        RunState.OUT_OF_MEMORY: "ran out of memory",
        RunState.INTERRUPTED: "was interrupted",
    }.get(state, "failed")


def _said(error: Mapping[str, Any]) -> str:
    """A typed error's own words; of any other exception its name and first line."""
    if error.get("kind") == "NotebookFailed" and error.get("ename") not in (None, "KernelDied"):
        first = printable(str(error.get("evalue") or "").strip().split("\n")[0])
        return f"{error['ename']}: {first}" if first else str(error["ename"])
    problem = str(error.get("problem") or "it left no word about the reason")
    return "\n  ".join(printable(line) for line in problem.split("\n"))


def _source(executed: Path, cell: int, error: Mapping[str, Any]) -> Iterator[str]:
    """The failing line with its neighbours, as the executed notebook has it."""
    try:
        source = json.loads(executed.read_bytes())["cells"][cell]["source"]
    except (OSError, ValueError, LookupError, TypeError):
        return
    text = "".join(source) if isinstance(source, list) else str(source)
    code = text.splitlines()
    failing = _failing_line(error.get("traceback"))
    if failing is None or not 1 <= failing <= len(code):
        return
    first = max(1, failing - _LINES_AROUND)
    for number in range(first, min(len(code), failing + _LINES_AROUND) + 1):
        mark = "-->" if number == failing else "   "
        line = printable(code[number - 1].expandtabs(4))
        yield f"  {mark} {number:>3}  {line}".rstrip()


def _failing_line(traceback: object) -> int | None:
    """The innermost line of the failing cell, from an IPython traceback without colours."""
    if not isinstance(traceback, list):
        return None
    frames = [match for line in traceback if (match := _FRAME.match(str(line)))]
    inside = [int(frame["line"]) for frame in frames if frame["cell"] == frames[0]["cell"]]
    return inside[-1] if inside else None
