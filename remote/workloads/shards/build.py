"""One build, start to end: inputs to shards, manifests and report.

from remote.workloads.shards import build_shards
build_shards(input_hdf5="GeMS_C.9.hdf5", output_root=OUTPUT_DIR)
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from remote.workloads.durable import (
    canonical_digest,
    exclusive,
    json_bytes,
    write_atomic,
    writing_errors,
)
from remote.workloads.progress import notice, progress
from remote.workloads.shards import counts as counting
from remote.workloads.shards import preflight
from remote.workloads.shards.blocks import ROW_GROUP_ROWS
from remote.workloads.shards.clean import clean
from remote.workloads.shards.dataset import dataset_manifest
from remote.workloads.shards.encode import Encoder
from remote.workloads.shards.fingerprints import Hashes
from remote.workloads.shards.hashing import hashing
from remote.workloads.shards.journal import GroupLine
from remote.workloads.shards.key import config_record, run_key
from remote.workloads.shards.manifest import (
    DATASET_MANIFEST,
    QUALITY_REPORT,
    Identity,
    ShardNames,
    read_manifest,
)
from remote.workloads.shards.meter import Meter, Watch
from remote.workloads.shards.pipeline import Work, remaining, stops
from remote.workloads.shards.plan import Task, plan
from remote.workloads.shards.report import lsh_neighbours, quality_report
from remote.workloads.shards.request import Inputs, Options, Request, make_request
from remote.workloads.shards.result import BuildResult, Preview, known_result
from remote.workloads.shards.sample import write_sample
from remote.workloads.shards.schema import Layout, common_lsh
from remote.workloads.shards.settings import BuildSettings, preprocessing_record
from remote.workloads.shards.source import Source, open_inputs
from remote.workloads.shards.tasks import executor, in_order
from remote.workloads.shards.totals import checked, tally
from remote.workloads.shards.workspace import (
    COMPLETE,
    RUNNING,
    Workspace,
    begin,
    find_run_id,
    refuse_occupied,
)
from remote.workloads.shards.writer import OrderedWriter, Output, Position

_SAMPLE_PREFIX = ".sample-"

log = logging.getLogger("workhorse.shards")


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
        input_hdf5: one file or several; empty for the config's, and without those for a
            generated sample.
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
        if request.resume and not options.get("run_id"):
            unfinished = find_run_id(request.output_root)
            request = replace(request, run_id=unfinished or request.run_id)
        if not request.resume:
            refuse_occupied(request.output_root)
        if not request.inputs:
            sample = stack.enter_context(_sample(request, request.output_root))
            request = replace(request, inputs=(sample,))
        _preflight(request)
        sources = stack.enter_context(_opened(request.inputs))
        return _Build.of(request, sources, watch or _unwatched).run(began)


def preview(
    settings: BuildSettings | None = None,
    *,
    input_hdf5: Inputs = None,
    output_root: str | os.PathLike[str] | None = None,
    **options: Unpack[Options],
) -> Preview:
    """What `build_shards` would do with the same arguments; nothing is written.

    Without an input the sample is generated for it, in a temporary directory.

    Raises:
        WorkhorseError: the same refusals as those of a real run.
    """
    request = make_request(settings or BuildSettings(), input_hdf5, output_root, options)
    with ExitStack() as stack:
        named = bool(request.inputs)
        if not request.resume:
            refuse_occupied(request.output_root)
        if not named:
            request = replace(request, inputs=(stack.enter_context(_sample(request, None)),))
        found = _preflight(request)
        sources = stack.enter_context(_opened(request.inputs))
        build = _Build.of(request, sources, _unwatched)
        ends = stops(build.tasks)
        return Preview(
            inputs={source.path.name: source.rows for source in sources} if named else {},
            rows=sum(map(len, build.tasks)),
            tasks=len(build.tasks),
            row_groups=sum(-(-stop // ROW_GROUP_ROWS) for stop in ends.values()),
            columns=build.layout.names,
            left_out=build.layout.left_out,
            output_root=str(request.output_root),
            run_id=request.run_id,
            max_shard_size_bytes=request.limit,
            workers=request.execution.workers,
            disk_estimate=None if found is None else found.output_estimate,
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
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(prefix=_SAMPLE_PREFIX, dir=folder) as temporary:
        path = Path(temporary) / "sample.hdf5"
        tell = partial(progress, "sample", unit="spectra")
        with writing_errors(path):
            write_sample(path, rows, request.settings.random_seed, progress=tell)
        yield path


def _preflight(request: Request) -> preflight.Findings | None:
    if request.skip_preflight:
        return None
    return preflight.check(
        request.inputs,
        request.output_root,
        min_memory_gb=request.min_memory_gb,
        min_disk_gb=request.min_disk_gb,
        max_spectra=request.settings.max_spectra,
        workers=request.execution.workers,
    )


@contextmanager
def _opened(paths: Sequence[Path]) -> Iterator[tuple[Source, ...]]:
    with ExitStack() as stack:
        sources = open_inputs(paths)
        for source in sources:
            stack.callback(source.close)
        yield sources


@dataclass(frozen=True, slots=True)
class _Build:
    """A build whose inputs are open and whose output is locked."""

    request: Request
    sources: tuple[Source, ...]
    watch: Watch
    layout: Layout
    encoder: Encoder
    tasks: tuple[Task, ...]
    config: Mapping[str, Any]
    workspace: Workspace

    @classmethod
    def of(cls, request: Request, sources: tuple[Source, ...], watch: Watch) -> _Build:
        """Decide everything that can be decided before data is read."""
        layout = Layout.of(
            frozenset(name for source in sources for name in source.columns),
            lsh=common_lsh({s.name: s.lsh for s in sources if s.lsh is not None}),
            mz_precision=request.mz_precision,
            preprocessing=preprocessing_record(request.settings, request.mz_precision),
        )
        encoder = Encoder(
            layout, tuple(s.name for s in sources), tuple(s.path.name for s in sources)
        )
        config = config_record(request.settings, request.split, request.mz_precision, request.limit)
        tasks = plan(sources, request.settings.max_spectra, task_rows=request.execution.batch_size)
        workspace = Workspace(request.output_root, request.run_id)
        return cls(request, sources, watch, layout, encoder, tasks, config, workspace)

    def run(self, began: float) -> BuildResult:
        """Do the work."""
        execution = self.request.execution
        key = self._key()
        if self.request.resume and self.workspace.finished:
            self.workspace.check_finished(key)
            self.workspace.clear()
            return known_result(self.request.output_root, time.monotonic() - began)
        written, journal = begin(
            self.workspace,
            self._output(),
            key,
            resume=self.request.resume,
            keep=execution.checkpoint,
        )
        resumed = written.totals.merged()["read"]
        if resumed:
            notice(f"Going on with {self.request.run_id}: {resumed:,} source rows are done.")
        log.info("%s: %d tasks, %d rows done", self.request.run_id, len(self.tasks), resumed)
        writer = OrderedWriter(
            self._output(),
            written,
            journal,
            interval=execution.checkpoint_interval,
            summary=lambda position: self.workspace.summarise(position, RUNNING, key),
        )
        with hashing([source.path for source in self.sources]) as digests:
            with writer:
                self._write(writer)
                counts = checked(written.totals.merged())
                writer.finish()
                fingerprints = written.fingerprints.all()
            hashes = [digest.result() for digest in digests]
        return self._conclude(counts, fingerprints, hashes, began, resumed, writer.position())

    def _key(self) -> dict[str, Any]:
        inputs = [(source.path.name, source.path) for source in self.sources]
        return run_key(inputs, self.config, self.request.run_id, self.layout)

    def _output(self) -> Output:
        request = self.request
        return Output(
            names=ShardNames(request.output_root, request.split, request.run_id),
            identity=Identity(
                dataset=request.settings.dataset_name,
                split=request.split,
                run_id=request.run_id,
                config_digest=f"sha256:{canonical_digest(self.config)}",
                created_at=request.created_at,
                inputs=tuple(source.path.name for source in self.sources),
            ),
            footer=self.encoder.footer,
            limit=request.limit,
            dropped=_dropped,
        )

    def _write(self, writer: OrderedWriter) -> None:
        """Run the tasks that are left, and write what comes of them."""
        rules = self.request.settings.preprocessing
        work = Work(self.sources, stops(self.tasks), partial(clean, rules=rules), self.encoder)
        workers = self.request.execution.workers
        left = remaining(self.tasks, writer.written.reached)
        meter = Meter(sum(map(len, self.tasks)), self.watch, writer.written.totals.merged())
        with executor(workers) as pool:
            for group in work.groups(in_order(pool, work, left, workers + 1)):
                writer.append(group)
                meter.add(group.stats, writer.shards_begun)

    def _conclude(
        self,
        counts: Mapping[str, Any],
        fingerprints: Hashes,
        hashes: Sequence[str],
        began: float,
        resumed: int,
        position: Position,
    ) -> BuildResult:
        """Write report and dataset manifest, and remove what only a resume needs."""
        root = self.request.output_root
        names = self._output().names
        shards = [read_manifest(names.manifest(index)) for index in range(position.shards)]
        paths = tuple(names.shard(index) for index in range(position.shards))
        rules = preprocessing_record(self.request.settings, self.request.mz_precision)
        quality = quality_report(
            counts,
            fingerprints=fingerprints,
            shards=shards,
            lsh_neighbours=lsh_neighbours(paths),
            max_shard_size_bytes=self.request.limit,
            preprocessing=rules,
        )
        write_atomic(root / QUALITY_REPORT, json_bytes(quality))
        manifest = dataset_manifest(
            self.request,
            self.layout,
            canonical_digest(self.config),
            rules,
            self.sources,
            hashes,
            shards,
            tally(counts),
        )
        write_atomic(root / DATASET_MANIFEST, json_bytes(manifest))
        self.workspace.summarise(position, COMPLETE, self._key())
        self.workspace.clear()
        log.info("%s: %d spectra in %d shards", names.run_id, counts["written"], len(paths))
        return BuildResult(
            manifest=root / DATASET_MANIFEST,
            shards=paths,
            num_samples=counts["written"],
            read=counts["read"],
            dropped=dict(counts["dropped"]),
            total_bytes=manifest["total_bytes"],
            quality=str(quality["overall"]),
            seconds=time.monotonic() - began,
            resumed_rows=resumed,
        )


def _dropped(lines: Sequence[GroupLine]) -> Mapping[str, int]:
    dropped: dict[str, int] = counting.merge(*(line.stats for line in lines))["dropped"]
    return dict(sorted(dropped.items()))
