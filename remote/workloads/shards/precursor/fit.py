"""Training, with scikit-learn: a small network, shown a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from remote.workloads.progress import progress
from remote.workloads.shards.precursor.examples import Examples
from remote.workloads.shards.precursor.features import (
    Places,
    Rows,
    Task,
    features,
    largest,
    without_precursor,
)
from remote.workloads.shards.precursor.model import Model
from remote.workloads.shards.precursor.split import TRAIN
from remote.workloads.shards.reading.peaks import Peaks

_MOST_PASSES = 100


@dataclass(frozen=True, slots=True)
class Fitting:
    """How a model is trained.

    Attributes:
        hidden: units of the layer between.
        views: how many spectra it is shown in all; fewer are shown several times, at most
            _MOST_PASSES, and more once.
        batch: spectra that a step is taken for.
        rate: how large a step is.
        decay: how strongly weights are kept small, as a penalty on all spectra together: a few
            spectra cannot say much against it, and then the model says what the baseline says.
    """

    hidden: int = 64
    views: int = 300_000
    batch: int = 50
    rate: float = 0.001
    decay: float = 1.0

    def decay_of_batch(self, spectra: int) -> float:
        """The part of the penalty that a batch has, which is what scikit-learn asks for."""
        return self.decay * self.batch / max(1, spectra)

    def passes(self, spectra: int) -> int:
        """How often each of the spectra is shown."""
        return max(1, min(_MOST_PASSES, round(self.views / max(1, spectra))))


def fit(examples: Examples, task: Task, how: Fitting, seed: int) -> Model:
    """Train on the spectra that are not held out. The same examples and seed give the same model.

    Spectra are read anew in every pass, in another order of row groups.
    """
    from sklearn.neural_network import MLPClassifier

    spectra = int((examples.split.sides == TRAIN).sum())
    network = MLPClassifier(
        (how.hidden,),
        alpha=how.decay_of_batch(spectra),
        batch_size=how.batch,
        learning_rate_init=how.rate,
        random_state=np.random.RandomState(seed),
    )
    classes = np.arange(task.classes)
    for rows, target in _shown(examples, task, how.passes(spectra), seed):
        network.set_params(batch_size=min(how.batch, len(rows)))
        network.partial_fit(rows, target, classes=classes)
    layers = zip(network.coefs_, network.intercepts_, strict=True)
    return Model(task, tuple((_narrow(weight), _narrow(bias)) for weight, bias in layers))


def _shown(examples: Examples, task: Task, passes: int, seed: int) -> Iterator[tuple[Rows, Places]]:
    total, done = passes * int((examples.split.sides == TRAIN).sum()), 0
    for number in range(passes):
        order = np.random.default_rng([seed, number]).permutation(len(examples.drawn))
        for batch in examples.read(TRAIN, order.tolist()):
            done += len(batch)
            progress("training", done, total, unit="spectra")
            left = without_precursor(batch.peaks, batch.precursor_mz, task.window)
            yield features(left, task), distance(left, task.bin_of(batch.precursor_mz), task)


def distance(left: Peaks, bins: Places, task: Task) -> Places:
    """(n,) the class of each spectrum: 0 is as far below the highest peak as can be.

    Args:
        left: the peaks without those near to the precursor.
        bins: (n,) of the precursors.
    """
    return bins - task.bin_of(largest(left.mz, left.offsets)) + task.bins - 1


def _narrow(values: npt.NDArray[np.floating]) -> Rows:
    return np.ascontiguousarray(values, np.float32)
