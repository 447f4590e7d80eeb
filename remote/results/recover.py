"""Complete the seals that a kill interrupted; name what is left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from remote.errors import IntegrityFailure
from remote.results import disk, ledger
from remote.results.claim import record_of
from remote.results.kept import forget_copies
from remote.results.names import INCOMING, parse_id
from remote.results.seal import finish
from remote.results.verify import check_folder


@dataclass(frozen=True, slots=True)
class Recovered:
    """What `recover` found under `.incoming/`.

    Attributes:
        completed: folders that are published now.
        claimed: ids without a ledger line: runs that are under way or not collected yet.
        busy: ids that another process is collecting or sealing.
        damaged: unfinished seals whose bytes are not those recorded; left as they are.
    """

    completed: tuple[Path, ...] = ()
    claimed: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


def recover(results_root: Path) -> Recovered:
    """Complete every unfinished seal, after reading all of its bytes again.

    Copies that were made early of runs that are sealed now are removed.

    Raises:
        ResultsUnusable: the results directory cannot be read or written.
    """
    incoming = results_root / INCOMING
    completed: list[Path] = []
    named: dict[str, list[str]] = {"claimed": [], "busy": [], "damaged": []}
    recorded = {line.id for line in _read(results_root).lines}
    for run_id in _staged(incoming):
        try:
            known = run_id in recorded
            folder = _complete(incoming / run_id, results_root) if known else None
        except disk.Held:
            named["busy"].append(run_id)
        except IntegrityFailure:
            named["damaged"].append(run_id)
        else:
            completed += [folder] if folder else []
            named["claimed"] += [] if folder else [run_id]
    forget_copies(results_root, frozenset(recorded))
    return Recovered(
        tuple(completed), *(tuple(named[key]) for key in ("claimed", "busy", "damaged"))
    )


def _staged(incoming: Path) -> list[str]:
    """Ids that have a directory or a record under `.incoming/`."""
    if not incoming.is_dir():
        return []
    with disk.writing_to(incoming):
        names = {path.name.removesuffix(".json") for path in incoming.iterdir()}
    return sorted(name for name in names if parse_id(name))


def _complete(directory: Path, results_root: Path) -> Path | None:
    """Finish one seal; None where nothing is sealed."""
    with disk.writing_to(results_root), disk.locked(record_of(directory), wait_seconds=0.0):
        line = _last_line(directory.name, results_root)
        if line is None:
            return None
        published = (results_root / line.folder).exists()
        if published == directory.exists():
            return None  # An earlier attempt's line, or a folder that somebody removed.
        if directory.exists():
            check_folder(directory, manifest_sha256=line.manifest_sha256).refuse_damage()
        return finish(directory, results_root, line)


def _last_line(run_id: str, results_root: Path) -> ledger.Line | None:
    lines = [line for line in _read(results_root).lines if line.id == run_id]
    return lines[-1] if lines else None


def _read(results_root: Path) -> ledger.Ledger:
    with disk.writing_to(results_root):
        return ledger.read(results_root)
