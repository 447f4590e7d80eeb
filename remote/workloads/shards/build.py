"""One build, start to end: inputs to shards, manifests and report.

from remote.workloads.shards import build_shards
build_shards(input_hdf5="GeMS_C.9.hdf5", output_root=OUTPUT_DIR)
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Unpack

from remote.workloads.durable import (
    exclusive,
    writing_errors,
)
from remote.workloads.memory import available_memory
from remote.workloads.progress import notice, progress
from remote.workloads.shards import preflight
from remote.workloads.shards.blocks import ROW_GROUP_ROWS
from remote.workloads.shards.forecast import forecast
from remote.workloads.shards.inputs.opening import open_inputs
from remote.workloads.shards.inputs.source import Source
from remote.workloads.shards.job import Job
from remote.workloads.shards.memory_plan import Blocks, MemoryPlan, default_limit, within
from remote.workloads.shards.meter import Watch
from remote.workloads.shards.output.workspace import (
    Workspace,
    find_run_id,
    refuse_newer_dataset,
    refuse_occupied,
)
from remote.workloads.shards.pipeline import stops
from remote.workloads.shards.plan import plan
from remote.workloads.shards.ranking.outlook import outlook
from remote.workloads.shards.ranking.ready import check_key, check_reachable
from remote.workloads.shards.request import Inputs, Options, Request, make_request
from remote.workloads.shards.result import BuildResult, Preview
from remote.workloads.shards.sample import write_sample
from remote.workloads.shards.settings import GIB, BuildSettings

_SAMPLE_PREFIX = ".sample-"


def build_shards(
    settings: BuildSettings | None = None,
    *,
    input_hdf5: Inputs = None,
    output_root: str | os.PathLike[str] | None = None,
    watch: Watch | None = None,
    **options: Unpack[Options],
) -> BuildResult:
    """Build a dataset of shards.

    Args:
        settings: the config's keys; defaults where None.
        input_hdf5: one file or several, HDF5, MGF or mzML; empty for the config's, and without
            those for a generated sample.
        output_root: where the dataset goes; must not hold one. None for the config's.
        watch: is told how far the build is, often.
        options: see `request.Options`.

    Raises:
        WorkhorseError: a subclass for each thing that can be wrong; whatever was written stays,
            and `resume=True` goes on with it.
    """
    began = time.monotonic()
    request = make_request(settings or BuildSettings(), input_hdf5, output_root, options)
    with ExitStack() as stack:
        stack.enter_context(exclusive(request.output_root))
        if request.resume:
            refuse_newer_dataset(request.output_root)
        else:
            refuse_occupied(request.output_root)
        request = _of_run(request, options)
        asking = _to_be_asked(request)
        if asking:
            check_key(request.settings.quality)
        if not request.inputs:
            sample = stack.enter_context(_sample(request, request.output_root))
            request = replace(request, inputs=(sample,))
        _preflight(request)
        if asking and not request.skip_preflight:
            check_reachable(request.settings.quality)
        sources = stack.enter_context(_opened(request))
        memory = _memory_plan(request, sources)
        if memory.lowered:
            notice(memory.lowered)
        request = replace(request, execution=memory.execution)
        return Job.of(request, sources, watch or _unwatched).run(began)


def preview(
    settings: BuildSettings | None = None,
    *,
    input_hdf5: Inputs = None,
    output_root: str | os.PathLike[str] | None = None,
    **options: Unpack[Options],
) -> Preview:
    """What `build_shards` would do with the same arguments, and what it would take.

    Some of the work is tried, on the disk of the shards; nothing of it stays.

    Without an input the sample is generated for it, in a temporary directory.

    Raises:
        WorkhorseError: the same refusals as those of a real run.
    """
    request = make_request(settings or BuildSettings(), input_hdf5, output_root, options)
    with ExitStack() as stack:
        named = bool(request.inputs)
        if request.resume:
            refuse_newer_dataset(request.output_root)
        else:
            refuse_occupied(request.output_root)
        request = _of_run(request, options)
        if _to_be_asked(request):
            check_key(request.settings.quality)
        if not named:
            request = replace(request, inputs=(stack.enter_context(_sample(request, None)),))
        _preflight(request)
        sources = stack.enter_context(_opened(request))
        memory = _memory_plan(request, sources)
        job = Job.of(replace(request, execution=memory.execution), sources, _unwatched)
        return Preview(
            inputs={source.path.name: source.rows for source in sources} if named else {},
            rows=sum(map(len, job.tasks)),
            tasks=len(job.tasks),
            row_groups=sum(-(-stop // ROW_GROUP_ROWS) for stop in stops(job.tasks).values()),
            columns=job.layout.names,
            left_out=job.layout.left_out,
            output_root=str(request.output_root),
            run_id=request.run_id,
            max_shard_size_bytes=request.limit,
            workers=memory.execution.workers,
            memory=memory.peak,
            lowered=memory.lowered,
            forecast=forecast(
                job.work,
                job.tasks,
                memory.execution,
                job.encoder,
                request.output_root,
                request.limit,
            ),
            ranking=outlook(job.work, job.tasks, request.settings)
            if request.settings.quality.enable_ranking
            else None,
        )


def _unwatched(_: object) -> None:
    """Nobody asked to be told."""


@contextmanager
def _sample(request: Request, folder: Path | None) -> Iterator[Path]:
    """A generated input in a temporary directory, which is removed again.

    It lies in `folder`, for that is where there is room; the caller holds the folder's lock, so
    that what a killed build left there is nobody's. None for the system's temporary directory.
    """
    rows = request.sample_spectra
    notice(f"No input was named: generating a sample of {rows:,} spectra (it is not kept).")
    for stale in folder.glob(f"{_SAMPLE_PREFIX}*") if folder else ():
        with writing_errors(stale):
            shutil.rmtree(stale)
    with writing_errors(folder or Path(tempfile.gettempdir())):
        made = tempfile.TemporaryDirectory(prefix=_SAMPLE_PREFIX, dir=folder)
    with made as temporary:
        path = Path(temporary) / "sample.hdf5"
        tell = partial(progress, "sample", unit="spectra")
        with writing_errors(path):
            write_sample(path, rows, request.settings.random_seed, progress=tell)
        yield path


def _preflight(request: Request) -> None:
    if request.skip_preflight:
        return
    preflight.check(
        request.inputs,
        request.output_root,
        min_memory_gb=request.min_memory_gb,
        min_disk_gb=request.min_disk_gb,
        max_spectra=request.settings.max_spectra,
        skip_damaged=request.skip_damaged,
        rules=request.settings.input,
    )


def _of_run(request: Request, options: Options) -> Request:
    """The same, of the run that is gone on with where that is not said."""
    if not request.resume or options.get("run_id"):
        return request
    return replace(request, run_id=find_run_id(request.output_root) or request.run_id)


def _to_be_asked(request: Request) -> bool:
    """Whether the ranker has anything left to answer."""
    if not request.settings.quality.enable_ranking:
        return False
    from remote.workloads.shards.ranking.store import is_done  # slow to import

    workspace = Workspace(request.output_root, request.run_id)
    return not (request.resume and (workspace.finished or is_done(workspace.scores)))


def _memory_plan(request: Request, sources: Sequence[Source]) -> MemoryPlan:
    """How the build is run within the memory that it may take."""
    execution = request.execution
    tasks = plan(sources, request.settings.max_spectra, task_rows=execution.batch_size)
    # A worker without a task would only take its time to start.
    execution = replace(execution, workers=min(execution.workers, max(len(tasks), 1)))
    blocks = Blocks.of(sources, tasks, preflight.bytes_per_spectrum(sources))
    quality = request.settings.quality
    if quality.enable_ranking:
        rows = sum(map(len, tasks))
        blocks = replace(blocks, ranked=min(rows, quality.ranker.max_spectra or rows))
    if request.max_memory_gb is None:
        return within(execution, blocks, default_limit(execution, available_memory()))
    return within(execution, blocks, int(request.max_memory_gb * GIB))


@contextmanager
def _opened(request: Request) -> Iterator[tuple[Source, ...]]:
    with ExitStack() as stack:
        sources = open_inputs(
            request.inputs, skip_damaged=request.skip_damaged, rules=request.settings.input
        )
        for source in sources:
            stack.callback(source.close)
        yield sources
