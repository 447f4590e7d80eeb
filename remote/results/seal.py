"""Seal a staged run: from `.incoming/ID` to a read-only folder that never changes again.

The order, each step durable before the next one:

    run.json, ro-crate-metadata.json, manifest-sha256.txt     what the folder says of itself
    modes, directories flushed                                the bytes are safe
    ledger line                                               the seal is decided
    rename without replacing                                  the folder is visible
    mode of the folder, its parent flushed, claim removed     tidied up

A kill before the ledger line leaves staging, which is collected anew. A kill after it leaves an
unfinished seal, which `recover` completes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from remote.errors import IntegrityFailure, ResultsUnusable
from remote.model import Clock, JsonValue
from remote.results import crate, disk, ledger, manifest
from remote.results.claim import record_of
from remote.results.copying import FileDigest
from remote.results.names import CRATE, FAILED, INCOMING, MANIFEST, RUN_JSON
from remote.results.tree import Tree, scan

Step = Callable[[str], None]


def _silent(step: str) -> None:
    """Nobody follows the steps."""


def seal(
    incoming: Path,
    results_root: Path,
    run_json: Mapping[str, JsonValue],
    digests: Mapping[str, FileDigest],
    clock: Clock,
    step: Step = _silent,
) -> Path:
    """Publish a run that succeeded as `results/ID`; gives the folder.

    Args:
        incoming: the staging directory, held (see `claim.staging`), as `collect` left it.
        results_root: the results directory.
        run_json: becomes `run.json`, with `sealed_at` added; `id` is the staging's name.
        digests: of every file in staging.
        clock: gives `sealed_at`.
        step: called with a step's name after it is done.

    Raises:
        ResultsUnusable: the name is taken, or the directory cannot be written.
        IntegrityFailure: staging does not hold what was collected.
    """
    return _publish(incoming, results_root, run_json, digests, clock, step, succeeded=True)


def shelve(
    incoming: Path,
    results_root: Path,
    run_json: Mapping[str, JsonValue],
    digests: Mapping[str, FileDigest],
    clock: Clock,
    step: Step = _silent,
) -> Path:
    """Publish an attempt that ended otherwise as `results/.failed/ID.attemptN`; as `seal`."""
    return _publish(incoming, results_root, run_json, digests, clock, step, succeeded=False)


def finish(incoming: Path, results_root: Path, line: ledger.Line, step: Step = _silent) -> Path:
    """The steps after the ledger line; doing them again does no harm.

    Raises:
        ResultsUnusable: the name is taken, or the directory cannot be written.
    """
    target = results_root / line.folder
    with disk.writing_to(results_root):
        if incoming.exists():
            _rename(incoming, target)
        step("renamed")
        target.chmod(disk.SEALED_DIRECTORY)
        disk.flush_directory(target)
        step("closed")
        disk.flush_directory(target.parent)
        disk.flush_directory(incoming.parent)
        step("flushed")
        record_of(incoming).unlink(missing_ok=True)
        step("released")
    return target


@dataclass(frozen=True, slots=True)
class _Summary:
    manifest_sha256: str
    files: int
    size_bytes: int


def _publish(
    incoming: Path,
    results_root: Path,
    run_json: Mapping[str, JsonValue],
    digests: Mapping[str, FileDigest],
    clock: Clock,
    step: Step,
    *,
    succeeded: bool,
) -> Path:
    run_id, attempt = str(run_json["id"]), int(run_json["attempt"])
    folder = ledger.folder_of(run_id, attempt, succeeded=succeeded)
    _refuse_misplaced(incoming, results_root, run_id, folder)
    with disk.writing_to(results_root):
        tree = scan(incoming)
        _refuse_other_content(incoming, tree, digests)
        sealed_at = clock().astimezone(UTC).isoformat(timespec="milliseconds")
        record = {**run_json, "sealed_at": sealed_at.replace("+00:00", "Z")}
        summary = _describe(incoming, record, digests, step)
        _close(incoming, scan(incoming))
        step("closed files")
        line = ledger.append(
            results_root,
            ledger.Line(
                folder=folder,
                id=run_id,
                uuid=str(run_json["uuid"]),
                manifest_sha256=summary.manifest_sha256,
                files=summary.files,
                size_bytes=summary.size_bytes,
                sealed_at=record["sealed_at"],
            ),
        )
        step("recorded")
    return finish(incoming, results_root, line, step)


def _describe(
    incoming: Path,
    record: Mapping[str, JsonValue],
    digests: Mapping[str, FileDigest],
    step: Step,
) -> _Summary:
    """Write run.json, the crate and the manifest."""
    files = dict(digests)
    content = (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()
    files[RUN_JSON] = _write(incoming / RUN_JSON, content)
    step(RUN_JSON)
    files[CRATE] = _write(incoming / CRATE, crate.encode(record, files))
    step(CRATE)
    listing = manifest.encode({path: digest.sha256 for path, digest in files.items()})
    written = _write(incoming / MANIFEST, listing)
    step(MANIFEST)
    total = sum(digest.size_bytes for digest in files.values())
    return _Summary(written.sha256, len(files), total)


def _write(path: Path, content: bytes) -> FileDigest:
    disk.write_sealed(path, content)
    return FileDigest(hashlib.sha256(content).hexdigest(), len(content))


def _close(incoming: Path, tree: Tree) -> None:
    """Read-only files and inner directories, all flushed; the folder itself stays open.

    It must: renaming a directory to another parent needs write permission on it.
    """
    for path, status in tree.files.items():
        if status.mode != disk.SEALED_FILE:
            (incoming / path).chmod(disk.SEALED_FILE)
    for path in sorted(tree.directories, reverse=True):
        (incoming / path).chmod(disk.SEALED_DIRECTORY)
        disk.flush_directory(incoming / path)
    disk.flush_directory(incoming)


def _refuse_misplaced(incoming: Path, results_root: Path, run_id: str, folder: str) -> None:
    if incoming != results_root / INCOMING / run_id:
        raise IntegrityFailure(
            f"{incoming} is not where {run_id} is staged.",
            hint=f"Stage it in {results_root / INCOMING / run_id}.",
        )
    if (results_root / folder).exists():
        raise _taken(results_root / folder)


def _refuse_other_content(incoming: Path, tree: Tree, digests: Mapping[str, FileDigest]) -> None:
    sizes = {path: status.size_bytes for path, status in tree.files.items()}
    expected = {path: digest.size_bytes for path, digest in digests.items()}
    names = sorted(path for path in {*sizes, *expected} if sizes.get(path) != expected.get(path))
    names += sorted(tree.others)
    if names:
        raise IntegrityFailure(
            f"{incoming} does not hold what was collected: {', '.join(names[:5])}.",
            hint="Collect the run again; its host keeps it until it is sealed.",
        )


def _rename(incoming: Path, target: Path) -> None:
    try:
        disk.rename_new(incoming, target)
    except FileExistsError:
        raise _taken(target) from None


def _taken(target: Path) -> ResultsUnusable:
    where = "failed attempt" if target.parent.name == FAILED else "result"
    return ResultsUnusable(
        f"There is a {where} called {target.name} already; nothing is ever overwritten.",
        hint=f"Look at it: remote results show {target.name}",
    )
