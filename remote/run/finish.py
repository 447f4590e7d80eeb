"""Collect and seal: from a run that has ended to a folder that does not change any more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from remote import figures
from remote.errors import IntegrityFailure, UsageError
from remote.hosts.connect import Host
from remote.model import Clock, Outcome, RunState, SealedRun
from remote.results.claim import staging
from remote.results.collect import Collected, collect
from remote.results.kept import Kept, forget_copies, kept_copies
from remote.results.ledger import folder_of
from remote.results.names import FAILED, RUN_JSON
from remote.results.recover import recover
from remote.results.seal import seal, shelve
from remote.run.ended import settle
from remote.run.parents import keep
from remote.steps import Steps

# How long whoever copied while the run went on may take to let go of the copies.
_HANDOVER_SECONDS = 30.0


def finish(
    host: Host,
    run_id: str,
    outcome: Outcome,
    results_root: Path,
    steps: Steps,
    clock: Clock,
) -> SealedRun:
    """Collect, seal, and delete the run's directory on the host, but for what it keeps.

    The seconds that `steps` has measured are added to run.json. Whoever comes second finds
    the run sealed and gets the same folder.

    Raises:
        UsageError: a controller with other results has collected it meanwhile.
        ResultsUnusable: the results directory cannot be written; the host keeps the run.
        IntegrityFailure: what is there is not what was recorded.
    """
    directory = host.layout.run(run_id)
    with host.transport.lock(host.layout.run_lock(run_id)):
        spec = read_spec(host, run_id)
        if spec is None:
            host.transport.discard(host.layout.run_lock(run_id))
            return _sealed_meanwhile(run_id, results_root)
        settle(host, directory)
        recover(results_root)  # a seal of this run that was interrupted is completed
        if _is_sealed(spec, outcome, results_root):
            sealed = sealed_already(run_id, results_root)
        else:
            sealed = _collect_and_seal(host, run_id, spec, outcome, results_root, steps, clock)
        host.runtime.remove(directory)
        keep(host, sealed, steps)
        host.transport.remove(directory)
        # Who waits for it, or makes it anew, finds the run gone.
        host.transport.discard(host.layout.run_lock(run_id))
    return sealed


def read_spec(host: Host, run_id: str) -> dict[str, Any] | None:
    """The run's run.json on its host; None where the host does not have the run.

    Raises:
        IntegrityFailure: it is there and cannot be read.
    """
    path = host.layout.run(run_id) / RUN_JSON
    data = host.transport.read(path)
    if data is None:
        return None
    try:
        spec = json.loads(data)
    except ValueError as error:
        raise IntegrityFailure(
            f"{path}: {error}", hint="the run's directory was damaged; look at it by hand"
        ) from error
    return dict(spec)


def sealed_already(run_id: str, results_root: Path) -> SealedRun:
    """The folder of a run that somebody else has sealed.

    Raises:
        UsageError: there is none.
    """
    failed = sorted((results_root / FAILED).glob(f"{run_id}.attempt*"))
    for folder in (results_root / run_id, *reversed(failed)):
        record = folder / RUN_JSON
        if record.exists():
            return _from_record(folder, json.loads(record.read_bytes()))
    raise UsageError(
        f"{run_id}: neither on this host nor in {results_root}",
        hint="`remote ps` lists what the host has, `remote results list` what is here",
    )


def _sealed_meanwhile(run_id: str, results_root: Path) -> SealedRun:
    """As `sealed_already`, of a run that was on the host a moment ago; copies of it go."""
    forget_copies(results_root, frozenset({run_id}))
    try:
        return sealed_already(run_id, results_root)
    except UsageError:
        raise UsageError(
            f"{run_id}: another controller has collected it just now",
            hint=f"its folder is there, not in {results_root}",
        ) from None


def _from_record(folder: Path, record: Mapping[str, Any]) -> SealedRun:
    details = record["outcome"]
    outcome = Outcome(RunState(details["state"]), int(details["exit_code"]), details)
    left_out = tuple(str(item["path"]) for item in record.get("left_out", ()))
    return SealedRun(folder, str(record["id"]), outcome, left_out)


def _is_sealed(spec: Mapping[str, Any], outcome: Outcome, results_root: Path) -> bool:
    succeeded = outcome.state is RunState.SUCCEEDED
    folder = folder_of(str(spec["id"]), int(spec["attempt"]), succeeded=succeeded)
    record = results_root / folder / RUN_JSON
    return record.exists() and json.loads(record.read_bytes())["uuid"] == spec["uuid"]


def _collect_and_seal(
    host: Host,
    run_id: str,
    spec: Mapping[str, Any],
    outcome: Outcome,
    results_root: Path,
    steps: Steps,
    clock: Clock,
) -> SealedRun:
    with staging(run_id, str(spec["uuid"]), results_root) as incoming:
        with steps.step("collect") as say, _early_copies(host, run_id, results_root) as kept:
            files = host.transport.files(host.layout.run(run_id))
            collected = collect(files, incoming, progress=_amounts(say), kept=kept)
            say.result = _amount(collected)
            if kept is not None:
                kept.discard_offered()
        with steps.step("seal"):
            record = {
                **spec,
                "outcome": dict(outcome.details),
                "left_out": [
                    {"path": item.path, "reason": item.reason} for item in collected.left_out
                ],
                "timings": {**spec.get("timings", {}), **steps.timings},
            }
            succeeded = outcome.state is RunState.SUCCEEDED
            publish = seal if succeeded else shelve
            folder = publish(incoming, results_root, record, collected.digests, clock)
    left_out = tuple(item.path for item in collected.left_out)
    return SealedRun(folder, run_id, outcome, left_out)


@contextmanager
def _early_copies(host: Host, run_id: str, results_root: Path) -> Iterator[Kept | None]:
    """Copies made while the run went on; of this machine's own runs there are none."""
    if host.transport.kind == "local":
        yield None
        return
    with kept_copies(run_id, results_root, wait_seconds=_HANDOVER_SECONDS) as kept:
        yield kept


def _amount(collected: Collected) -> str:
    total = sum(digest.size_bytes for digest in collected.digests.values())
    early = collected.early_bytes
    return figures.size(total) + (f", {figures.size(early)} of it already here" if early else "")


def _amounts(say: Callable[[str], None]) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        say(figures.part(done, total))

    return report
