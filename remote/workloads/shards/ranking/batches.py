"""From source rows to batches of spectra that are still to be asked about."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from remote.workloads.shards.blocks import CleanRows
from remote.workloads.shards.pipeline import Work
from remote.workloads.shards.plan import Task
from remote.workloads.shards.ranking.choice import Choice
from remote.workloads.shards.ranking.options import Ranker
from remote.workloads.shards.ranking.prompt import Spectrum, spectra_of

Answered = Container[tuple[int, int]]


def batches(
    work: Work, tasks: Sequence[Task], choice: Choice, ranker: Ranker, answered: Answered
) -> Iterator[list[Spectrum]]:
    """Batches in source order, of spectra that cleaning keeps; tasks are read when needed."""
    batch: list[Spectrum] = []
    for spectrum in spectra(work, tasks, choice, ranker, answered):
        batch.append(spectrum)
        if len(batch) == ranker.batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def spectra(
    work: Work, tasks: Sequence[Task], choice: Choice, ranker: Ranker, answered: Answered
) -> Iterator[Spectrum]:
    """The chosen spectra without an answer, in source order."""
    for task in tasks:
        if all((task.input_index, row) in answered for row in choice.among(task).tolist()):
            continue
        for rows in work.cleaned(task):
            wanted = choice.of(rows.input_index, rows.source_row) & _open(rows, answered)
            yield from spectra_of(rows, wanted, ranker.peaks)


def _open(rows: CleanRows, answered: Answered) -> npt.NDArray[np.bool_]:
    """Which of the rows have no answer, (k,) bool."""
    known = [(rows.input_index, row) in answered for row in rows.source_row.tolist()]
    return ~np.array(known, bool)
