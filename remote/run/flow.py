"""A run from request to sealed folder: build, push, stage, launch, watch, collect, seal."""

from __future__ import annotations

from dataclasses import replace

from remote.hosts.connect import Host, connect
from remote.image.place import place
from remote.model import Clock, Listener, Run, RunRequest, SealedRun
from remote.run.check import refuse_missing_imports
from remote.run.early import collecting
from remote.run.finish import finish
from remote.run.launch import Reserved, check_disk, launch, reserved
from remote.run.parents import stage_runs
from remote.run.provenance import git_facts
from remote.run.stage import stage
from remote.run.watch import watch, way_back
from remote.steps import Steps


def execute(request: RunRequest, listener: Listener, *, clock: Clock) -> SealedRun:
    """Run a checked request to its sealed folder.

    A run that ended badly is sealed under `.failed/`; `outcome` tells. Interrupting the
    controller once the run is launched leaves the run alive; before, nothing is left.

    Raises:
        WorkhorseError: the run was not started (nothing is left of it), or it cannot be
            watched or collected (the host keeps it).
    """
    steps = Steps(listener)
    with connect(request.host) as host:
        run = _started(host, request, steps, clock)
        with way_back(host, run.id):
            with steps.step("run", run.id), collecting(host, run.id, request.results_root):
                outcome = watch(host, run.directory, listener)
            return finish(host, run.id, outcome, request.results_root, steps, clock)


def start(host: Host, request: RunRequest, listener: Listener, clock: Clock) -> Run:
    """Launch a checked request and leave it alone; `attach` finishes it.

    Raises:
        WorkhorseError: the run was not started; nothing is left of it.
    """
    return _started(host, request, Steps(listener), clock)


def _started(host: Host, request: RunRequest, steps: Steps, clock: Clock) -> Run:
    check_disk(host, request.results_root)
    host.runtime.effective_limits(request.host.limits)
    with reserved(host, request, clock) as reservation:
        return _launched(host, request, reservation, steps)


def _launched(host: Host, request: RunRequest, reservation: Reserved, steps: Steps) -> Run:
    git = git_facts(request.project.root)
    placed = place(host, request.project, steps, try_now=False)
    refuse_missing_imports(request.notebook, placed.modules, request.project.notebooks)
    with steps.step("stage") as say:
        runs = stage_runs(host, request.parameters, request.results_root, say, steps.notice)
        staged = replace(stage(host, request.parameters, say), runs=runs)
    with way_back(host, reservation.claim.id), steps.step("launch", reservation.claim.id):
        timings = dict(steps.timings)
        return launch(host, request, reservation, placed, staged, git, timings)
