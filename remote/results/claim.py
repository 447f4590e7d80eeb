"""Claim a run id: the directory `results/.incoming/ID`, made exclusively.

The time in an id is the later of now and one second after the newest id of that notebook known
anywhere, so names always sort in order and never collide, also where the clock is set back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from remote.errors import NotebookUnusable, ResultsUnusable
from remote.model import Clock
from remote.results import disk, ledger
from remote.results.names import FAILED, INCOMING, RunId, parse_attempt, parse_id

# NAME_YYYYMMDD_HHMMSS.attemptNNNNNN within the 255 bytes that file systems give a name.
_LONGEST_NAME = 200
_GLOB = frozenset("*?[]")


@dataclass(frozen=True, slots=True)
class Claim:
    """An id that is ours. `path` is the empty directory where the result will be staged."""

    id: str
    uuid: str
    path: Path


def prepare(results_root: Path) -> None:
    """Make the results directory and its two hidden ones where they are missing.

    Raises:
        ResultsUnusable: it cannot be written.
    """
    with disk.writing_to(results_root):
        for directory in (results_root, results_root / INCOMING, results_root / FAILED):
            directory.mkdir(parents=True, exist_ok=True)


def claim(
    notebook_name: str,
    results_root: Path,
    clock: Clock,
    known_ids: Iterable[str] = (),
    other_notebooks: Iterable[str] = (),
) -> Claim:
    """Claim the next id of a notebook.

    Args:
        notebook_name: the notebook's stem.
        results_root: the results directory; made where it is missing.
        clock: gives the time now, timezone-aware.
        known_ids: ids seen elsewhere, as on the host; those of other notebooks are ignored.
        other_notebooks: names of the notebooks beside this one.

    Raises:
        NotebookUnusable: the name cannot begin a folder's name, or would mix with another's.
        ResultsUnusable: the results directory cannot be written.
    """
    check_name(notebook_name, results_root, other_notebooks)
    prepare(results_root)
    incoming = results_root / INCOMING
    elsewhere = [parsed for text in known_ids if (parsed := parse_id(text))]
    with disk.writing_to(results_root), disk.locked(incoming / ".lock"):
        while True:
            known = [run_id for run_id, _ in _ids_in(results_root)] + elsewhere
            run_id = _next(notebook_name, known, clock())
            try:
                return _take(str(run_id), incoming)
            except FileExistsError:
                continue  # A file system without locks: somebody was faster, look again.


def check_name(notebook_name: str, results_root: Path, other_notebooks: Iterable[str] = ()) -> None:
    """Refuse a name whose results would mix with another's under `results/NAME_*`.

    Raises:
        NotebookUnusable: with the reason and what to rename.
    """
    if fault := _name_fault(notebook_name):
        raise NotebookUnusable(
            f"The notebook's name {notebook_name!r} cannot begin a result folder's name: {fault}.",
            hint="Rename the notebook; letters, digits, `_` and `-` always serve.",
        )
    results = {run_id.notebook: path for run_id, path in _ids_in(results_root)}
    for other in sorted({*results, *other_notebooks} - {notebook_name}):
        short, long = sorted((notebook_name, other), key=len)
        if long.startswith(f"{short}_"):
            where = f"results of {results[other]}" if other in results else "the notebook beside it"
            raise NotebookUnusable(
                f"The notebook name {notebook_name!r} mixes with {other!r} ({where}): "
                f"results/{short}_* would match the results of both.",
                hint=f"Rename one of the two, so that {short + '_'!r} does not begin the other.",
            )


def release(claimed: Claim) -> None:
    """Give an id back that no run was launched for; one whose staging holds anything stays.

    Raises:
        ResultsUnusable: the results directory cannot be written.
    """
    record = record_of(claimed.path)
    with disk.writing_to(claimed.path.parent), disk.locked(record, wait_seconds=1.0):
        if claimed.path.is_dir() and not any(claimed.path.iterdir()):
            claimed.path.rmdir()
            record.unlink()


@contextmanager
def staging(run_id: str, uuid: str, results_root: Path) -> Iterator[Path]:
    """Hold a run's staging directory, empty, for collecting and sealing.

    Nobody else stages or recovers this run meanwhile. What an earlier, interrupted collecting
    left there is removed: the host keeps the run until it is sealed. A run that this results
    directory has never heard of is claimed.

    Raises:
        ResultsUnusable: the id is sealed, belongs to another run, or is being staged; or the
            directory cannot be written.
        IntegrityFailure: an unfinished seal lies there; `recover` completes it.
    """
    prepare(results_root)
    directory = results_root / INCOMING / run_id
    with ExitStack() as held:
        with disk.writing_to(results_root):
            held.enter_context(disk.locked(record_of(directory), wait_seconds=1.0))
            _refuse_taken(run_id, uuid, results_root)
            write_record(directory, uuid)
            _empty(directory)
        yield directory


def record_of(directory: Path) -> Path:
    """The claim's record, beside its directory; its lock is the run's lock."""
    return directory.with_name(f"{directory.name}.json")


def write_record(directory: Path, uuid: str) -> None:
    """Tie the claim to its run."""
    record = {"id": directory.name, "uuid": uuid}
    record_of(directory).write_text(json.dumps(record) + "\n", encoding="utf-8")


def _take(run_id: str, incoming: Path) -> Claim:
    directory = incoming / run_id
    directory.mkdir()
    uuid = str(uuid4())
    try:
        write_record(directory, uuid)
    except OSError:
        with suppress(OSError):
            record_of(directory).unlink()
        directory.rmdir()
        raise
    return Claim(run_id, uuid, directory)


def _next(notebook: str, known: Iterable[RunId], now: datetime) -> RunId:
    moment = now.astimezone(UTC).replace(microsecond=0)
    newest = max((run_id.moment for run_id in known if run_id.notebook == notebook), default=None)
    if newest is None or newest < moment:
        return RunId(notebook, moment)
    try:
        return RunId(notebook, newest + timedelta(seconds=1))
    except OverflowError:
        raise ResultsUnusable(
            f"There is no id after {RunId(notebook, newest)}.",
            hint="Move the result folder with that impossible date away.",
        ) from None


def _ids_in(results_root: Path) -> Iterator[tuple[RunId, Path]]:
    """Every id in the results directory: sealed, failed or claimed."""
    for folder in (results_root, results_root / INCOMING, results_root / FAILED):
        try:
            paths = sorted(folder.iterdir())
        except OSError:
            continue  # What cannot be listed cannot be written either: `prepare` says so.
        for path in paths:
            attempt = parse_attempt(path.name)
            run_id = attempt[0] if attempt else parse_id(path.name.removesuffix(".json"))
            if run_id:
                yield run_id, path


def _name_fault(name: str) -> str:
    if not name or name.startswith((".", "-")):
        return "it is empty or begins with `.` or `-`"
    if not name.isprintable() or "/" in name or "\\" in name:
        return "it holds control characters or slashes"
    if _GLOB & set(name):
        return "it holds one of * ? [ ], which mean something else in a glob"
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME:
        return f"it is longer than {_LONGEST_NAME} bytes"
    return ""


def _refuse_taken(run_id: str, uuid: str, results_root: Path) -> None:
    directory = results_root / INCOMING / run_id
    if (results_root / run_id).exists():
        raise ResultsUnusable(
            f"{run_id} is sealed already, in {results_root / run_id}.",
            hint="Nothing is left to collect.",
        )
    ledger.refuse_unfinished(run_id, results_root)
    recorded = read_record(directory)
    if recorded not in (None, uuid):
        raise ResultsUnusable(
            f"{directory} is claimed for another run (uuid {recorded}, not {uuid}).",
            hint="Two projects gave this id; collect this run into another results directory.",
        )


def read_record(directory: Path) -> str | None:
    """The uuid of the run a directory is claimed for, None where no record says so."""
    try:
        record = json.loads(record_of(directory).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return str(record["uuid"]) if isinstance(record, dict) and "uuid" in record else None


def _empty(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    for child in sorted(directory.rglob("*")):
        if child.is_dir() and not child.is_symlink():
            child.chmod(0o755)  # An interrupted seal may have closed it.
    for child in directory.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
