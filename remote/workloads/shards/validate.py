"""Is a dataset what its manifests say? Every difference is found and named; nothing is changed.

By itself: what the manifests say, digests, footers, and the checksum of every page; nothing is
unpacked. In full: every value as well. Row groups are looked at by several threads, a few at a
time, so that memory does not grow with the dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from remote.workloads.hostfacts import cores
from remote.workloads.progress import progress
from remote.workloads.shards.output.manifest import DATASET_MANIFEST
from remote.workloads.shards.tasks import executor
from remote.workloads.shards.validation.agreement import disagreements
from remote.workloads.shards.validation.problems import Problem, Problems
from remote.workloads.shards.validation.records import Records, manifest_name, read_records
from remote.workloads.shards.validation.scores import Told, read_scores
from remote.workloads.shards.validation.shard import Checker


@dataclass(frozen=True, slots=True)
class Findings:
    """What was checked, and everything that is not as recorded.

    Attributes:
        full: whether values were looked at.
        num_shards, num_samples: as the dataset manifest says.
        problems: of very many of one sort the first, and a number.
        count: how many there are all together.
        damaged: spectra that the build left out, because its input was damaged; no problem of
            this dataset, which says so itself.
    """

    full: bool
    num_shards: int
    num_samples: int
    problems: tuple[Problem, ...]
    count: int
    damaged: int = 0

    def to_json(self) -> dict[str, Any]:
        """The findings as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Looked:
    """How far the checking is: spectra of all, shards begun, and problems."""

    done: int
    total: int
    shards: int
    problems: int


Watch = Callable[[Looked], None]


def validate(
    root: Path, *, full: bool = False, workers: int | None = None, watch: Watch | None = None
) -> Findings:
    """Check the dataset in `root`.

    Args:
        full: look at every value.
        workers: threads; as many as there are cores where None.
        watch: is told how far it is, after each row group.

    Raises:
        ResultsUnusable: there is no dataset, or one of a newer schema version.
    """
    records = read_records(root)
    problems = Problems()
    problems.add(records.problems)
    if records.dataset is None:
        return Findings(full, 0, 0, problems.listed(), problems.count)
    problems.add(disagreements(records))
    told, found = read_scores(root, records.dataset)
    problems.add(found)
    before = problems.count
    _shards(records, told, full, workers or cores(), problems, watch)
    if full and told is not None and problems.count == before:  # else some were not looked at
        problems.add(told.unmet())
    problems.add(_unlisted(root, {shard.file for shard in records.shards}))
    return Findings(
        full,
        records.dataset["num_shards"],
        records.dataset["num_samples"],
        problems.listed(),
        problems.count,
        damaged=records.dataset["counts"]["damaged"],
    )


def _shards(
    records: Records,
    told: Told | None,
    full: bool,
    workers: int,
    problems: Problems,
    watch: Watch | None,
) -> None:
    """Check the shards, and tell how far it is."""
    assert records.dataset is not None
    total, done, begun = records.dataset["num_samples"], 0, 0

    def passed(spectra: int) -> None:
        nonlocal done
        done += spectra
        progress("validate", done, total, unit="spectra", errors=problems.count)
        if watch is not None:
            watch(Looked(done, total, begun, problems.count))

    with executor(workers) as pool:
        check = Checker(records.dataset, full, pool, workers + 1, passed, told)
        for shard in records.shards:
            begun += 1
            problems.add(check(shard))


def _unlisted(root: Path, known: set[str]) -> Iterator[Problem]:
    """Shards and manifests that a reader would take for a part of the dataset."""
    manifests = {manifest_name(file) for file in known}
    for path in sorted((*root.glob("*/*.parquet"), *root.glob("*/*.manifest.json"))):
        name = path.relative_to(root).as_posix()
        if name not in known and name not in manifests and not path.name.startswith("."):
            yield Problem(name, f"not in {DATASET_MANIFEST}")
