"""Find sealed results and read them: what notebooks import.

    from remote.results import latest
    shards = latest("10_build_shards")
    table = pq.read_table(shards / "train" / "shard_20250423_143022_00000.parquet")

Only sealed folders are ever returned; the plain glob `results/10_build_shards_*` sees the same.
Standard library only, so that it works in every environment a notebook runs in.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from remote.errors import IntegrityFailure, ResultsUnusable
from remote.results.names import FAILED, MANIFEST, RUN_JSON, RunId, parse_attempt, parse_id

LATEST = "latest:"


@dataclass(frozen=True)
class ResultFolder:
    """One sealed folder; usable wherever a path is, and with `/`.

    Attributes:
        path: the folder, absolute.
    """

    path: Path

    @property
    def id(self) -> str:
        """The run id, also for a failed attempt."""
        attempt = parse_attempt(self.path.name)
        return str(attempt[0]) if attempt else self.path.name

    @property
    def failed(self) -> bool:
        """True for a folder under `.failed/`: failed, cancelled, interrupted, out of memory."""
        return parse_attempt(self.path.name) is not None

    @cached_property
    def run(self) -> Mapping[str, Any]:
        """`run.json`: parameters, parents, inputs, host, software, timings, outcome.

        Raises:
            IntegrityFailure: the file is missing or no JSON object.
        """
        path = self.path / RUN_JSON
        try:
            record = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise _damaged(path, str(error)) from error
        if not isinstance(record, dict):
            raise _damaged(path, "it holds no JSON object")
        return record

    def __truediv__(self, name: str | Path) -> Path:
        return self.path / name

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"<ResultFolder {self.path.name} in {self.path.parent}>"


def latest(notebook: str, root: Path | str | None = None) -> ResultFolder:
    """The newest sealed result of a notebook, by name or file name.

    Args:
        notebook: `10_build_shards`; a path or `.ipynb` at the end does no harm.
        root: the results directory; by default the one `find_root` finds.

    Raises:
        ResultsUnusable: there is none; the hint says how to make one.
    """
    name = _notebook_name(notebook)
    where = find_root() if root is None else Path(root)
    found = runs(name, where)
    if not found:
        raise _none_yet(name, where)
    return found[-1]


def runs(notebook: str | None = None, root: Path | str | None = None) -> tuple[ResultFolder, ...]:
    """Every sealed result, of one notebook or of all, oldest first.

    Raises:
        ResultsUnusable: no results directory is to be found, or it cannot be read.
    """
    where = find_root() if root is None else Path(root)
    name = None if notebook is None else _notebook_name(notebook)
    found = [(run_id, path) for path in _folders(where) if (run_id := parse_id(path.name))]
    return _ordered([(run_id, 0, path) for run_id, path in found], name)


def failed_runs(
    notebook: str | None = None, root: Path | str | None = None
) -> tuple[ResultFolder, ...]:
    """Every sealed folder of a run that did not succeed, oldest first.

    Raises:
        ResultsUnusable: no results directory is to be found, or it cannot be read.
    """
    where = find_root() if root is None else Path(root)
    name = None if notebook is None else _notebook_name(notebook)
    shelf = where / FAILED
    paths = _folders(shelf) if shelf.is_dir() else []
    found = [(attempt, path) for path in paths if (attempt := parse_attempt(path.name))]
    return _ordered([(run_id, number, path) for (run_id, number), path in found], name)


def find(reference: str | Path, root: Path | str | None = None) -> ResultFolder:
    """A sealed folder by run id, by `ID.attemptN`, by path, or the newest by `latest:NOTEBOOK`.

    A bare id of a run that only ever failed gives its last attempt.

    Raises:
        ResultsUnusable: there is none; close names are offered.
    """
    if str(reference).startswith(LATEST):
        return latest(str(reference).removeprefix(LATEST), root)
    path = Path(reference)
    if (path / RUN_JSON).is_file() or (path / MANIFEST).is_file():
        return ResultFolder(path.resolve())
    where = find_root() if root is None else Path(root)
    everything = (*failed_runs(root=where), *runs(root=where))
    wanted = path.name
    matches = [folder for folder in everything if wanted in (folder.id, folder.path.name)]
    if matches:
        return matches[-1]
    known = [folder.path.name for folder in everything]
    raise ResultsUnusable(
        f"No sealed result is called {wanted!r} in {where}.",
        hint=_nearest(wanted, known) or "`remote results list --failed` shows every run.",
    )


def find_root(start: Path | None = None) -> Path:
    """`results/` in the current directory or its nearest parent that has one.

    Raises:
        ResultsUnusable: no parent has one.
    """
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / "results").is_dir():
            return folder / "results"
    raise ResultsUnusable(
        f"There is no results directory in {here} or above it.",
        hint="Go to the project's folder, or name the directory: latest(NOTEBOOK, root=PATH).",
    )


def _folders(where: Path) -> list[Path]:
    try:
        return [path.absolute() for path in where.iterdir() if path.is_dir()]
    except OSError as error:
        raise ResultsUnusable(
            f"The results directory {where} cannot be read: {error.strerror}.",
            hint="Check that it exists and that you may read it.",
        ) from error


def _ordered(
    found: list[tuple[RunId, int, Path]], notebook: str | None
) -> tuple[ResultFolder, ...]:
    wanted = [entry for entry in found if notebook in (None, entry[0].notebook)]
    wanted.sort(key=lambda entry: (entry[0].moment, entry[0].notebook, entry[1]))
    return tuple(ResultFolder(path) for _, _, path in wanted)


def _notebook_name(notebook: str) -> str:
    return Path(notebook).name.removesuffix(".ipynb")


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3)
    return f"Did you mean {', '.join(close)}?" if close else ""


def _none_yet(name: str, where: Path) -> ResultsUnusable:
    ids = (parse_id(path.name) for path in _folders(where))
    others = sorted({run_id.notebook for run_id in ids if run_id})
    failures = len(failed_runs(name, where))
    lines = [f"There is no sealed result of notebook {name!r} in {where}."]
    if failures:
        lines.append(f"{failures} run(s) of it did not succeed: remote results list --failed")
    hints = [f"Make one: ./scripts/run-remote.sh notebooks/{name}.ipynb"]
    if nearest := _nearest(name, others):
        hints.append(nearest)
    return ResultsUnusable("\n".join(lines), hint="\n".join(hints))


def _damaged(path: Path, why: str) -> IntegrityFailure:
    return IntegrityFailure(
        f"{path} cannot be read: {why}",
        hint=f"See what else changed: remote results verify {path.parent}",
    )
