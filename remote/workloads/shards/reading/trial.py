"""Reading a dataset as a training does, and all that is found wrong on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from remote.errors import IntegrityFailure
from remote.workloads.hostfacts import cores
from remote.workloads.progress import progress
from remote.workloads.shards.reading.peaks import Peaks, peaks_of
from remote.workloads.shards.reading.shards import RowGroup, Shards
from remote.workloads.shards.reading.values import bad_rows, odd_columns


@dataclass(slots=True)
class Found:
    """What was found in some row groups.

    Attributes:
        row_groups: those that were read.
        spectra: rows of them.
        peaks: peaks of them.
        longest: peaks of the longest spectrum.
        unreadable: what is wrong with row groups that cannot be read.
        values, columns, batches: spectra with something wrong, by what it is.
        examples: the first sample_id of each of these.
    """

    row_groups: int = 0
    spectra: int = 0
    peaks: int = 0
    longest: int = 0
    unreadable: list[str] = field(default_factory=list)
    values: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    batches: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        """Take in what was found in later row groups."""
        self.row_groups += other.row_groups
        self.spectra += other.spectra
        self.peaks += other.peaks
        self.longest = max(self.longest, other.longest)
        self.unreadable += other.unreadable
        self.values += other.values
        self.columns += other.columns
        self.batches += other.batches
        self.examples = {**other.examples, **self.examples}


def sampled(groups: Sequence[RowGroup], sample: int | None, seed: int) -> Sequence[RowGroup]:
    """All of them, or `sample` that the seed draws, in order."""
    if sample is None or sample >= len(groups):
        return groups
    chosen = np.random.default_rng(seed).choice(len(groups), sample, replace=False)
    return [groups[place] for place in sorted(chosen)]


def try_out(shards: Shards, groups: Sequence[RowGroup], preprocessing: Mapping[str, Any]) -> Found:
    """Read these row groups, on all cores; memory holds a few of them at a time.

    Args:
        shards: all columns, under their own names.
        preprocessing: what the dataset manifest says was done to every spectrum.
    """
    total = Found()
    rows = sum(group.rows for group in groups)

    def look(group: RowGroup) -> Found:
        return _look(shards, group, preprocessing)

    with ThreadPoolExecutor(cores()) as pool:
        for found in pool.map(look, groups):
            total.add(found)
            progress("ready", total.spectra, rows, unit="spectra")
    return total


def _look(shards: Shards, group: RowGroup, preprocessing: Mapping[str, Any]) -> Found:
    try:
        table = shards.read(group)
        peaks = peaks_of(table)
    except IntegrityFailure as error:
        return Found(unreadable=[error.problem])
    found = Found(1, len(table), len(peaks.mz), int(peaks.lengths.max(initial=0)))
    kinds = {
        "normalized": bool(preprocessing.get("normalize_intensities", True)),
        "ascending": bool(preprocessing.get("sort_mz", True)),
    }
    _note(found, found.values, table, bad_rows(table, peaks, **kinds))
    _note(found, found.columns, table, odd_columns(table))
    _note(found, found.batches, table, bad_batches(peaks))
    return found


def _note(
    found: Found,
    counter: Counter[str],
    table: pa.Table,
    wrong: Iterator[tuple[str, Any]],
) -> None:
    for kind, rows in wrong:
        counter[kind] += len(rows)
        found.examples[kind] = table["sample_id"][int(rows[0])].as_py()


def bad_batches(peaks: Peaks) -> Iterator[tuple[str, Any]]:
    """Spectra whose padded or ragged batch is not what their peaks are."""
    mz, intensity, mask = peaks.padded()
    tests = {
        "the mask has other peaks than the spectrum": mask.sum(axis=1) != peaks.lengths,
        "there are values beside the mask": ((mz != 0) | (intensity != 0)).sum(axis=1)
        != peaks.lengths,
    }
    for kind, wrong in tests.items():
        if wrong.any():
            yield kind, np.flatnonzero(wrong)
    ends = peaks.offsets
    if ends[0] != 0 or ends[-1] != len(peaks.mz) or (np.diff(ends) < 0).any():
        yield "the offsets do not cover the peaks", np.arange(len(peaks))
