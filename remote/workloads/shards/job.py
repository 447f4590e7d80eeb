"""The work of a build: tasks to row groups to shards, and what is written when all are there."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote.workloads.durable import (
    canonical_digest,
    json_bytes,
    write_atomic,
)
from remote.workloads.progress import notice
from remote.workloads.shards import counts as counting
from remote.workloads.shards.clean import clean
from remote.workloads.shards.execution.crew import crew
from remote.workloads.shards.inputs.carried import carried_types
from remote.workloads.shards.inputs.damage import records, summary
from remote.workloads.shards.inputs.source import Source
from remote.workloads.shards.links import linked
from remote.workloads.shards.meter import Meter, Watch
from remote.workloads.shards.output.dataset import dataset_manifest
from remote.workloads.shards.output.encode import Encoder
from remote.workloads.shards.output.hashing import hashing
from remote.workloads.shards.output.journal import GroupLine
from remote.workloads.shards.output.key import config_record, input_fingerprint, run_key
from remote.workloads.shards.output.leakage import SplitsFound, find_shared
from remote.workloads.shards.output.manifest import (
    DATASET_MANIFEST,
    Identity,
    ShardNames,
    manifest_path,
    read_manifest,
)
from remote.workloads.shards.output.totals import checked, tally
from remote.workloads.shards.output.workspace import (
    COMPLETE,
    RUNNING,
    Workspace,
    begin,
)
from remote.workloads.shards.output.writer import OrderedWriter, Output
from remote.workloads.shards.pipeline import Work, remaining, stops
from remote.workloads.shards.plan import Task
from remote.workloads.shards.quality.files import read_report, write_report
from remote.workloads.shards.ranking.scores import COLUMN as SCORES
from remote.workloads.shards.ranking.scores import Scored
from remote.workloads.shards.repeats import count_repeats
from remote.workloads.shards.report import judged_again, lsh_neighbours, quality_report
from remote.workloads.shards.request import Request
from remote.workloads.shards.result import BuildResult, known_result, spectra_by_split
from remote.workloads.shards.sampling import chosen
from remote.workloads.shards.schema import Layout, common_lsh
from remote.workloads.shards.settings import preprocessing_record
from remote.workloads.shards.splits import Dealer, check_keys
from remote.workloads.shards.tasks import in_order

if TYPE_CHECKING:
    from remote.workloads.shards.ranking.step import Ranked

log = logging.getLogger("workhorse.shards")


@dataclass(frozen=True, slots=True)
class Job:
    """A build whose inputs are open, and whose output is locked where it is run.

    Attributes:
        layout, tasks: what is written, and in which steps; fixed before any data is read.
        config: the settings that bear on the bytes, as they are compared and digested.
    """

    request: Request
    sources: tuple[Source, ...]
    watch: Watch
    layout: Layout
    encoder: Encoder
    tasks: tuple[Task, ...]
    dealer: Dealer
    config: Mapping[str, Any]
    workspace: Workspace

    @classmethod
    def of(cls, request: Request, sources: tuple[Source, ...], watch: Watch) -> Job:
        """Decide everything that can be decided before data is read."""
        scores = {SCORES} if request.settings.quality.enable_ranking else set()
        layout = Layout.of(
            frozenset(name for source in sources for name in source.columns) | scores,
            lsh=common_lsh({s.name: s.lsh for s in sources if s.lsh is not None}),
            mz_precision=request.mz_precision,
            preprocessing=preprocessing_record(request.settings, request.mz_precision),
            carried=carried_types(sources),
        )
        encoder = Encoder(
            layout, tuple(s.name for s in sources), tuple(s.path.name for s in sources)
        )
        config = config_record(
            request.settings,
            request.split,
            request.mz_precision,
            request.limit,
            request.skip_damaged,
        )
        tasks = chosen(sources, request.settings, request.execution.batch_size)
        asked, seed = request.settings.splits, request.settings.random_seed
        check_keys(asked, sources)
        dealer = Dealer.of(asked, request.split, seed, linked(sources, tasks, asked.by))
        workspace = Workspace(request.output_root, request.run_id)
        return cls(request, sources, watch, layout, encoder, tasks, dealer, config, workspace)

    @property
    def work(self) -> Work:
        """What is done with each task."""
        rules = self.request.settings.preprocessing
        cleaner = partial(clean, rules=rules)
        return Work(self.sources, stops(self.tasks), cleaner, self.dealer, self.encoder)

    def run(self, began: float) -> BuildResult:
        """Do the work."""
        execution = self.request.execution
        key = self._key()
        if self.request.resume and self.workspace.finished:
            self.workspace.check_finished(key)
            self.workspace.clear()
            # Other limits make no other dataset; they judge the one that is there.
            known = read_report(self.request.output_root)
            write_report(
                self.request.output_root, judged_again(known, self.request.settings.quality.limits)
            )
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
                ranked = self._rank(begun=bool(resumed))
                self._write(writer, ranked)
                counts = checked(written.totals.merged(), self.request.inputs)
                writer.finish()
                prints = written.fingerprints
                repeats = count_repeats(prints.parts(), prints.count, self.workspace.folder)
            hashes = [digest.result() for digest in digests]
            for source in self.sources:
                source.check_size()
        return self._conclude(writer, counts, repeats.again, hashes, began, resumed, ranked)

    def _rank(self, *, begun: bool) -> Ranked | None:
        """Have the spectra scored, where that is asked for; `begun`: row groups hold scores."""
        if not self.request.settings.quality.enable_ranking:
            return None
        from remote.workloads.shards.ranking.step import Ranking  # slow to import

        ranking = Ranking(
            self.work,
            self.tasks,
            self.request.settings,
            {source.path.name: input_fingerprint(source.path) for source in self.sources},
            self.encoder.stems,
            self.workspace.scores,
            self.request.output_root,
        )
        return ranking.run(resume=self.request.resume, begun=begun)

    def _key(self) -> dict[str, Any]:
        inputs = [(source.path.name, source.path) for source in self.sources]
        return run_key(inputs, self.config, self.request.run_id, self.layout)

    def _output(self) -> Output:
        request = self.request
        return Output(
            names=tuple(
                ShardNames(request.output_root, split, request.run_id)
                for split in self.dealer.splits
            ),
            identity=Identity(
                dataset=request.settings.dataset_name,
                run_id=request.run_id,
                config_digest=f"sha256:{canonical_digest(self.config)}",
                created_at=request.created_at,
                inputs=tuple(source.path.name for source in self.sources),
            ),
            footer=self.encoder.footer,
            limit=request.limit,
            dropped=_dropped,
        )

    def _write(self, writer: OrderedWriter, ranked: Ranked | None) -> None:
        """Run the tasks that are left, and write what comes of them."""
        work = self.work
        if ranked is not None:
            work = replace(work, clean=Scored(work.clean, ranked.scores))
        left = remaining(self.tasks, writer.written.reached)
        meter = Meter(sum(map(len, self.tasks)), self.watch, writer.written.totals.merged())
        inputs = [source.path for source in self.sources]
        execution = self.request.execution
        with crew(execution, work, work.describe, inputs) as workers, writer.saved():
            for parts in work.groups(in_order(workers.submit, left, workers.ahead)):
                writer.append(parts)
                meter.add(parts[0].stats, writer.shards_begun)

    def _conclude(
        self,
        writer: OrderedWriter,
        counts: Mapping[str, Any],
        duplicates: int,
        hashes: Sequence[str],
        began: float,
        resumed: int,
        ranked: Ranked | None,
    ) -> BuildResult:
        """Write report and dataset manifest, and remove what only a resume needs."""
        root, written = self.request.output_root, writer.written
        by_split = {
            names.split: [names.shard(one.shard) for one in series.closed]
            for names, series in zip(self._output().names, written.series, strict=True)
        }
        paths = tuple(path for split in by_split.values() for path in split)
        shards = [read_manifest(manifest_path(path)) for path in paths]
        splits = self._splits(by_split, counts["written"])
        rules = preprocessing_record(self.request.settings, self.request.mz_precision)
        damaged = records(counts["damaged_ranges"], self._output().identity.inputs)
        quality = quality_report(
            counts,
            duplicates=duplicates,
            shards=shards,
            lsh_neighbours=lsh_neighbours(paths, counts["written"], self.workspace.folder),
            max_shard_size_bytes=self.request.limit,
            preprocessing=rules,
            splits=splits.record() if splits else None,
            split_checks=splits.checks() if splits else (),
            dataset=self.request.settings.dataset_name,
            inputs=self._output().identity.inputs,
            limits=self.request.settings.quality.limits,
            ranking=None if ranked is None else ranked.of(counts["written"]),
        )
        write_report(root, quality)
        manifest = dataset_manifest(
            self.request,
            self.layout,
            canonical_digest(self.config),
            rules,
            self.sources,
            hashes,
            shards,
            tally(counts),
            damaged,
        )
        if ranked is not None:
            manifest["ranking"] = ranked.of(counts["written"])
            manifest["run"]["ranking"] = dict(ranked.took)
        write_atomic(root / DATASET_MANIFEST, json_bytes(manifest))
        self.workspace.summarise(writer.position(), COMPLETE, self._key())
        self.workspace.clear()
        if damaged:
            notice(summary(counting.damaged(counts), damaged))
        log.info("%s: %d spectra in %d shards", root, counts["written"], len(paths))
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
            damaged_ranges=tuple(damaged),
            splits=spectra_by_split(manifest),
        )

    def _splits(self, shards: Mapping[str, Sequence[Path]], rows: int) -> SplitsFound | None:
        asked, seed = self.request.settings.splits, self.request.settings.random_seed
        if not asked.by:
            return None
        return find_shared(shards, asked, seed, rows, self.workspace.folder)


def _dropped(lines: Sequence[GroupLine]) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    for line in lines:
        total.update(line.stats["dropped"])
    return dict(sorted(total.items()))
