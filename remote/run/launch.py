"""Launch: the run's directory on the host, run.json, the notebook; then the runtime starts it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from remote.config import state_dir
from remote.errors import DiskTooSmall, HostRefused, HostUnreachable, IntegrityFailure
from remote.hosts.connect import Host
from remote.hosts.local import LocalTransport
from remote.hosts.process.identity import ProcessIdentity, identify
from remote.hosts.runtime import LaunchPlan
from remote.model import Clock, PlacedImage, Run, RunRequest, Staged
from remote.results import claim as claims
from remote.results.names import RUN_JSON
from remote.run.spec import run_spec

# Free disk below which a run is refused: on the host for its output, and for a first build.
RUN_BYTES = 512 << 20
BUILD_BYTES = 2 << 30
_TRIES = 10
_RESERVATION = "reserved.json"


@dataclass(frozen=True, slots=True)
class Reserved:
    """An id that is ours in the results directory and on the host."""

    claim: claims.Claim
    directory: Path
    created_at: datetime


def check_disk(host: Host, results_root: Path, *, needed: int = RUN_BYTES) -> None:
    """Refuse early where host or results directory lack space.

    Raises:
        DiskTooSmall: with the place and both figures.
    """
    building = not host.transport.names(host.layout.environments)
    on_host = BUILD_BYTES if building and host.config.runtime == "process" else needed
    here = LocalTransport()
    for transport, path, bytes_needed in (
        (host.transport, host.layout.root, on_host),
        (here, results_root, needed),
    ):
        free = transport.free_bytes(path)
        if free < bytes_needed:
            where = f"{host.config.name}: " if transport.kind == "ssh" else ""
            raise DiskTooSmall(
                f"{where}{path}: {free / 2**30:.2f} GiB are free, a run needs "
                f"{bytes_needed / 2**30:.2f} GiB",
                hint="free some disk there, and start the run again",
            )


@contextmanager
def reserved(host: Host, request: RunRequest, clock: Clock) -> Iterator[Reserved]:
    """Claim an id here and on the host; both are given back if the body raises."""
    reservation = _reserve(host, request, clock)
    try:
        yield reservation
    except BaseException:
        try:
            host.runtime.remove(reservation.directory)
            host.transport.remove(reservation.directory)
        except HostUnreachable:
            pass  # swept when the next run starts there; if it was launched, it goes on
        finally:
            _give_back(reservation.claim)
        raise


def launch(
    host: Host,
    request: RunRequest,
    reservation: Reserved,
    placed: PlacedImage,
    staged: Staged,
    git: dict[str, object] | None,
    timings: dict[str, float],
) -> Run:
    """Start the run; it goes on without the controller.

    Raises:
        HostRefused: the host cannot start it.
        IntegrityFailure: the notebook is not the one that was checked.
        MemoryTooSmall: more memory was asked than the host has.
    """
    plan = launch_plan(host, request, reservation, placed, staged)
    places = host.runtime.places(plan.directory, plan.cache)
    facts = host.runtime.facts()
    spec = run_spec(request, plan, places, staged, reservation.created_at, facts, git, timings)
    notebook = request.notebook.read_bytes()
    _check_notebook(request, notebook)
    # Held until the run is there: whoever finds run.json meanwhile must not take it for dead.
    with host.transport.lock(host.layout.run_lock(plan.id)):
        host.runtime.prepare(plan)
        host.transport.write(plan.directory / "notebook.ipynb", notebook)
        host.transport.write(plan.directory / RUN_JSON, json.dumps(spec, indent=1).encode())
        host.runtime.start(plan)
    return Run(
        id=plan.id,
        uuid=plan.uuid,
        attempt=1,
        host=host.config,
        directory=plan.directory,
        created_at=reservation.created_at,
    )


def launch_plan(
    host: Host,
    request: RunRequest,
    reservation: Reserved,
    placed: PlacedImage,
    staged: Staged,
) -> LaunchPlan:
    """All that the runtime is told, as a value."""
    return LaunchPlan(
        id=reservation.claim.id,
        uuid=reservation.claim.uuid,
        placed=placed,
        directory=reservation.directory,
        results_root=host.results_seen(request.results_root),
        cache=host.layout.kernel_cache(
            host.config.runtime, Path(placed.environment).name.rpartition(":")[2], placed.digests
        ),
        notebooks=host.layout.notebooks(placed.digests) / "notebooks",
        inputs=staged.inputs,
        limits=host.runtime.effective_limits(request.host.limits),
        runs=staged.runs,
    )


def _reserve(host: Host, request: RunRequest, clock: Clock) -> Reserved:
    others = [path.stem for path in request.project.notebooks.glob("*.ipynb")]
    sweep(host)
    for _ in range(_TRIES):
        known = host.transport.names(host.layout.runs)
        claim = claims.claim(request.notebook_name, request.results_root, clock, known, others)
        directory = host.layout.run(claim.id)
        try:
            host.transport.make_directory(directory, exclusive=True)
        except FileExistsError:  # another project took the id in this moment
            _give_back(claim)
            continue
        except BaseException:
            _give_back(claim)
            raise
        _sign(host, directory, claim)
        return Reserved(claim, directory, clock())
    raise HostRefused(
        f"{host.config.name}: no free run id for {request.notebook_name}",
        hint="many runs of this notebook are being started at once; try again",
    )


def sweep(host: Host) -> None:
    """Remove what controllers of this machine left that were killed before they launched."""
    ours = machine_id()
    for run_id in host.transport.names(host.layout.runs):
        directory = host.layout.run(run_id)
        signed = host.transport.read(directory / _RESERVATION)
        if signed is None or host.transport.read(directory / RUN_JSON, limit=1) is not None:
            continue
        reservation = json.loads(signed)
        if reservation.get("machine", ours) != ours:
            continue  # another controller's; only that one can tell whether it still lives
        if ProcessIdentity.from_json(reservation["controller"]).alive():
            continue
        host.transport.remove(directory)
        path = Path(reservation["claim"])
        if claims.read_record(path) == reservation["uuid"]:
            _give_back(claims.Claim(run_id, reservation["uuid"], path))


def _sign(host: Host, directory: Path, claim: claims.Claim) -> None:
    """Say whose reservation it is, until there is a run.json."""
    own = identify(os.getpid())
    assert own is not None
    signed = {
        "machine": machine_id(),
        "controller": own.as_json(),
        "claim": str(claim.path.absolute()),
        "uuid": claim.uuid,
    }
    host.transport.write(directory / _RESERVATION, json.dumps(signed).encode())


def machine_id() -> str:
    """A name of this controller's machine and user that outlives reboots; made at first use."""
    path = state_dir() / "controller-id"
    here = LocalTransport()
    found = here.read(path)
    if found is None:
        here.make_directory(path.parent)
        with here.lock(path.with_name(".controller-id.lock")):
            found = here.read(path) or uuid4().hex.encode()
            here.write(path, found)
    return found.decode()


def _give_back(claim: claims.Claim) -> None:
    """Undo a claim that nothing was staged under."""
    with suppress(OSError):
        claim.path.rmdir()
        claims.record_of(claim.path).unlink()


def _check_notebook(request: RunRequest, notebook: bytes) -> None:
    if hashlib.sha256(notebook).hexdigest() != request.notebook_sha256:
        raise IntegrityFailure(
            f"{request.notebook} was changed while the run was being prepared",
            hint="save it and start the run again",
        )
