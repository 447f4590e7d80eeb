"""How well bins are told, beside two baselines that need no peaks or one peak alone.

    class_prior    always the bin that is most common among the spectra trained on
    highest_peak   the bin of the highest peak that is left

An interval is of 95 %, of the mean over spectra, by the normal approximation. Spectra of one
group are not independent, so its width comes from the sums of groups; with fewer than
`FEW_GROUPS` groups it comes from single spectra, and is too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from remote.workloads.progress import progress
from remote.workloads.shards.precursor.examples import Examples
from remote.workloads.shards.precursor.features import (
    Floats,
    Places,
    Task,
    largest,
    without_precursor,
)
from remote.workloads.shards.precursor.model import Model
from remote.workloads.shards.precursor.split import HELD_OUT, TRAIN
from remote.workloads.shards.splits import Words

FEW_GROUPS = 10
MODEL, PRIOR, HIGHEST = "model", "class_prior", "highest_peak"
BASELINES = (PRIOR, HIGHEST)
_OF_95 = 1.96


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and where it lies with 95 % confidence."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Floats, groups: Words) -> Interval:
        """Of the mean of (n,) values, those of one group not independent."""
        mean = float(values.mean())
        _, places = np.unique(groups, return_inverse=True)
        number = int(places.max()) + 1
        if number < FEW_GROUPS:
            places, number = np.arange(len(values)), len(values)
        sums = np.bincount(places, weights=values - mean, minlength=number)
        error = np.sqrt(float(sums @ sums) * number / max(1, number - 1)) / len(values)
        return cls(mean, mean - _OF_95 * float(error), mean + _OF_95 * float(error))

    def of_share(self) -> Interval:
        """The same without what no share can be."""
        return Interval(self.value, max(0.0, self.low), min(1.0, self.high))

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"

    def record(self) -> dict[str, float]:
        """As JSON values, rounded."""
        return {name: round(getattr(self, name), 6) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Scores:
    """The held-out spectra as they were told.

    Attributes:
        actual: (n,) bins of the precursors.
        told: by model and baselines, (n,) bins.
        groups: (n,).
    """

    actual: Places
    told: Mapping[str, Places]
    groups: Words

    def right(self, name: str) -> Interval:
        """The share of spectra of which the bin was told."""
        return Interval.of(self._right(name), self.groups).of_share()

    def near(self, name: str) -> Interval:
        """The same, or the bin beside it."""
        return Interval.of((self.off(name) <= 1).astype(np.float64), self.groups).of_share()

    def off(self, name: str) -> Places:
        """(n,) how many bins it was off."""
        bins: Places = np.abs(self.told[name] - self.actual)
        return bins

    def gain(self, baseline: str) -> Interval:
        """By how much more of the spectra the model tells than a baseline."""
        return Interval.of(self._right(MODEL) - self._right(baseline), self.groups)

    def verdict(self, baseline: str) -> str:
        """The model beside a baseline: better, worse, or not to be told apart."""
        gain = self.gain(baseline)
        if gain.low > 0:
            return "better"
        return "worse" if gain.high < 0 else "no difference that can be told"

    def _right(self, name: str) -> Floats:
        found: Floats = (self.told[name] == self.actual).astype(np.float64)
        return found

    @property
    def intervals(self) -> str:
        """What the intervals are, in words."""
        if len(np.unique(self.groups)) < FEW_GROUPS:
            return "95 %, over single spectra, too narrow: there are few groups"
        return "95 %, over groups"

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            **{name: self._of(name) for name in (MODEL,)},
            "baselines": {name: self._of(name) for name in BASELINES},
            "against": {
                name: {"accuracy_gained": self.gain(name).record(), "model": self.verdict(name)}
                for name in BASELINES
            },
            "intervals": self.intervals,
        }

    def _of(self, name: str) -> dict[str, Any]:
        return {
            "accuracy": self.right(name).record(),
            "within_one_bin": self.near(name).record(),
            "mean_bins_off": round(float(self.off(name).mean()), 4),
        }


def score(model: Model, examples: Examples) -> Scores:
    """Tell the bins of the held-out spectra, and what the baselines make of them."""
    task = model.task
    common = _most_common(examples, task)
    total, parts = int((examples.split.sides == HELD_OUT).sum()), []
    for batch in examples.read(HELD_OUT):
        left = without_precursor(batch.peaks, batch.precursor_mz, task.window)
        told = {
            MODEL: model.predict(batch.peaks, batch.precursor_mz),
            PRIOR: np.full(len(batch), common),
            HIGHEST: task.bin_of(largest(left.mz, left.offsets)),
        }
        parts.append((task.bin_of(batch.precursor_mz), told, batch.groups))
        progress("held out", sum(len(part[0]) for part in parts), total, unit="spectra")
    return Scores(
        np.concatenate([actual for actual, _, _ in parts]),
        {
            name: np.concatenate([told[name] for _, told, _ in parts])
            for name in (MODEL, *BASELINES)
        },
        np.concatenate([groups for _, _, groups in parts]),
    )


def _most_common(examples: Examples, task: Task) -> int:
    counts = np.zeros(task.bins, np.int64)
    for precursors in examples.precursors(TRAIN):
        counts += np.bincount(task.bin_of(precursors), minlength=task.bins)
    return int(counts.argmax())
