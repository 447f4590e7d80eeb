"""The files of a build beside its shards: journal, fingerprints, summary. And: may it begin?

checkpoints/checkpoint_{run_id}.json     small summary, atomic; stays
checkpoints/journal_{run_id}.jsonl       until the dataset is complete
checkpoints/fingerprints_{run_id}.u64    until the dataset is complete
checkpoints/scores_{run_id}.jsonl        answers of the ranker, until the dataset is complete
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remote.errors import IntegrityFailure, ResumeRefused, UsageError
from remote.workloads.durable import (
    closed_on_error,
    fsync_directory,
    json_bytes,
    make_directory,
    reading_errors,
    write_atomic,
    writing_errors,
)
from remote.workloads.shards.output.fingerprints import Fingerprints
from remote.workloads.shards.output.journal import Journal, Journalled, read_journal
from remote.workloads.shards.output.manifest import DATASET_MANIFEST, read_manifest
from remote.workloads.shards.output.resume import BUILD_ANEW, check_key, restore
from remote.workloads.shards.output.totals import Totals
from remote.workloads.shards.output.versions import refuse_newer
from remote.workloads.shards.output.writer import Output, Position, Series, Written

RUNNING = "running"
COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths and state files of one run of one output root."""

    root: Path
    run_id: str

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.root / "checkpoints"

    @property
    def journal(self) -> Path:
        """The journal's path."""
        return self.folder / f"journal_{self.run_id}.jsonl"

    @property
    def fingerprints(self) -> Path:
        """The path of the fingerprints."""
        return self.folder / f"fingerprints_{self.run_id}.u64"

    @property
    def scores(self) -> Path:
        """The path of the ranker's answers."""
        return self.folder / f"scores_{self.run_id}.jsonl"

    @property
    def summary(self) -> Path:
        """The path of the checkpoint summary."""
        return self.folder / f"checkpoint_{self.run_id}.json"

    def summarise(self, position: Position, status: str, key: Mapping[str, Any]) -> None:
        """Write the summary; `status` is RUNNING or COMPLETE."""
        record = {
            "run_id": self.run_id,
            "status": status,
            "shards_complete": position.shards,
            "row_groups": position.groups,
            "spectra_written": position.rows,
            "key": dict(key),
        }
        write_atomic(self.summary, json_bytes(record))

    @property
    def finished(self) -> bool:
        """True where the dataset is complete; `clear` may not have been done."""
        return self.summary.exists() and _record(self.summary, "status")["status"] == COMPLETE

    def check_finished(self, key: Mapping[str, Any]) -> None:
        """Refuse to take a finished dataset for the one that was asked for, unless it is.

        Raises:
            ResumeRefused: it was made from something else.
        """
        check_key(_record(self.summary, "key")["key"], key)

    def clear(self) -> None:
        """Remove what only a resume needs; the dataset is complete."""
        for path in (self.journal, self.fingerprints, self.scores):
            with writing_errors(path):
                path.unlink(missing_ok=True)
        fsync_directory(self.folder)


def find_run_id(root: Path) -> str | None:
    """The run id of the build in an output root: the unfinished one, else the finished one.

    Raises:
        UsageError: there are several.
        ResultsUnusable: a newer version made the finished one.
        IntegrityFailure: its manifest is damaged.
    """
    found = sorted(root.glob("checkpoints/journal_*.jsonl"))
    ids = [path.stem.removeprefix("journal_") for path in found]
    if len(ids) > 1:
        raise UsageError(
            f"{root} holds several unfinished builds: {', '.join(ids)}.",
            hint="Say which one to go on with: --run-id ID.",
        )
    manifest = root / DATASET_MANIFEST
    if not ids and manifest.exists():
        refuse_newer_dataset(root)
        return str(_record(manifest, "run")["run"]["run_id"])
    return ids[0] if ids else None


def refuse_newer_dataset(root: Path) -> None:
    """Refuse an output root that holds a dataset which a newer Workhorse made.

    Raises:
        ResultsUnusable: it does.
        IntegrityFailure: its manifest is damaged.
    """
    manifest = root / DATASET_MANIFEST
    if manifest.exists():
        refuse_newer(_record(manifest).get("version"), str(manifest))


def _record(path: Path, *names: str) -> dict[str, Any]:
    """A JSON file of the build that has these keys."""
    with reading_errors(path.parent):
        try:
            record: object = read_manifest(path)
        except ValueError as error:
            raise _damaged(path, f"it is no JSON: {error}") from error
    if not isinstance(record, dict):
        raise _damaged(path, "it is no JSON object")
    missing = [name for name in names if name not in record]
    if missing:
        raise _damaged(path, f"{missing[0]} is missing")
    return record


def _damaged(path: Path, how: str) -> IntegrityFailure:
    return IntegrityFailure(f"{path} is damaged: {how}.", hint=BUILD_ANEW)


def refuse_occupied(root: Path) -> None:
    """Nothing that is there is ever overwritten.

    Raises:
        UsageError: the output root holds a dataset, finished or not.
    """
    if (root / DATASET_MANIFEST).exists():
        raise UsageError(
            f"{root} holds a dataset already.", hint="Choose another output directory."
        )
    unfinished = find_run_id(root)
    if unfinished is not None:
        raise UsageError(
            f"{root} holds the unfinished build {unfinished}.",
            hint="Go on with it: --resume. Or choose another output directory.",
        )
    shards = sorted(root.glob("*/shard_*.parquet"))
    if shards:
        raise UsageError(
            f"{root} holds shards already, such as {shards[0].relative_to(root)}.",
            hint="Choose another output directory.",
        )


def begin(
    workspace: Workspace, output: Output, key: Mapping[str, Any], *, resume: bool, keep: bool
) -> tuple[Written, Journal | None]:
    """The state to go on from, and the journal; `keep` False keeps none.

    Raises:
        ResumeRefused: the unfinished build is of something else, or kept no journal.
        IntegrityFailure: its files are not what its journal says.
        ResultsUnusable: they cannot be read.
    """
    known = None
    if resume and workspace.journal.exists():
        with reading_errors(workspace.folder):
            known = read_journal(workspace.journal)
    if resume and known is not None:
        return _go_on(workspace, output, key, known)
    folders = [names.folder for names in output.names]
    if resume and any(list(x.glob(f"shard_{workspace.run_id}_*.parquet")) for x in folders):
        raise ResumeRefused(
            f"{workspace.root} holds shards of {workspace.run_id} and no journal of them.",
            hint=BUILD_ANEW,
        )
    for folder in (*folders, workspace.folder):
        make_directory(folder)
    _sweep(workspace.root)
    series = tuple(Series() for _ in output.names)
    if not keep:
        return Written(series, Totals(), Fingerprints.nameless(workspace.folder)), None
    journal = Journal.create(workspace.journal, key)
    with closed_on_error(journal):
        return Written(series, Totals(), Fingerprints.create(workspace.fingerprints)), journal


def _sweep(root: Path) -> None:
    """Remove what a killed build that kept no journal left under temporary names."""
    for path in (*root.glob(".*.partial"), *root.glob("*/.*.partial")):
        with writing_errors(path):
            path.unlink()


def _go_on(
    workspace: Workspace, output: Output, key: Mapping[str, Any], known: Journalled
) -> tuple[Written, Journal]:
    check_key(known.key, key)
    with reading_errors(workspace.root):
        written = restore(output, known, workspace.journal, workspace.fingerprints)
    with closed_on_error(written):
        return written, Journal.reopen(workspace.journal)
