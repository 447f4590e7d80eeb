"""Datasets with scores, made without a service: the answers lie there before the build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from remote.workloads.shards.build import build_shards
from remote.workloads.shards.output.key import input_fingerprint
from remote.workloads.shards.output.workspace import Workspace
from remote.workloads.shards.ranking.ask import Asked
from remote.workloads.shards.ranking.budget import Spent
from remote.workloads.shards.ranking.service import service_of
from remote.workloads.shards.ranking.step import asked_of
from remote.workloads.shards.ranking.store import Store
from remote.workloads.shards.result import BuildResult
from remote.workloads.shards.settings import BuildSettings
from tests.unit.shards.making import RUN_ID

Answers = Mapping[tuple[int, int], float | str]


def answer(root: Path, inputs: Sequence[Path], asked: BuildSettings, answers: Answers) -> None:
    """Leave answers by (input, row) as a build that was ended after the last one does."""
    service = service_of(asked.quality.ranker, asked.quality.ranker_model)
    prints = {path.name: input_fingerprint(path) for path in inputs}
    with Store.create(Workspace(root, RUN_ID).scores, asked_of(service, asked, prints)) as store:
        store.add(Asked(answers, Spent(requests=1)))
        store.finish("")


def ranked(
    root: Path, inputs: Sequence[Path], asked: BuildSettings, answers: Answers, **options: Any
) -> BuildResult:
    """A build that has all its answers, and asks nobody."""
    answer(root, inputs, asked, answers)
    given: dict[str, Any] = {"num_workers": 1, "min_disk_gb": 0.1, "min_memory_gb": 0.1, **options}
    return build_shards(
        asked, input_hdf5=list(inputs), output_root=root, run_id=RUN_ID, resume=True, **given
    )
