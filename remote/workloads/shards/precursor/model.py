"""The model as plain arrays: what it tells, and the file that it is kept in.

`model.npz` is a NumPy archive of numbers and text, without pickled objects: reading one runs
nothing. Layer i has `weight_i` (inputs, outputs) and `bias_i` (outputs,), float32; between layers
negative values are 0, after the last one softmax gives probabilities. `settings` is JSON.

    model = read_model("results/23_train_model_20250423_143022")
    model.predict(peaks, precursor_mz)      # the most probable bin of each spectrum
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from remote.errors import InputUnusable, IntegrityFailure, ResultsUnusable
from remote.workloads.durable import write_atomic
from remote.workloads.shards.precursor.features import (
    VERSION,
    Floats,
    Places,
    Rows,
    Task,
    features,
    largest,
    without_precursor,
)
from remote.workloads.shards.reading.peaks import Peaks

MODEL = "model.npz"
Layer = tuple[Rows, Rows]


@dataclass(frozen=True, slots=True)
class Model:
    """Layers of a network, and the task that they are for."""

    task: Task
    layers: tuple[Layer, ...]

    def probabilities(self, peaks: Peaks, precursor_mz: Floats) -> Rows:
        """(n, bins): how probable each bin is for n spectra.

        Args:
            precursor_mz: (n,), only to leave out the peaks near to it.
        """
        left = without_precursor(peaks, precursor_mz, self.task.window)
        away = self._away(features(left, self.task))
        # Class c is c - (bins - 1) bins above the bin of the highest peak.
        first = self.task.bins - 1 - self.task.bin_of(largest(left.mz, left.offsets))
        found = np.take_along_axis(away, first[:, None] + np.arange(self.task.bins), axis=1)
        total = found.sum(axis=1, keepdims=True)
        shares: Rows = np.divide(found, total, out=np.zeros_like(found), where=total > 0)
        return shares

    def predict(self, peaks: Peaks, precursor_mz: Floats) -> Places:
        """(n,) the most probable bin of each spectrum."""
        best: Places = np.argmax(self.probabilities(peaks, precursor_mz), axis=1)
        return best

    def _away(self, rows: Rows) -> Rows:
        """(n, classes): how probable each distance from the highest peak is."""
        *inner, (last, bias) = self.layers
        for weight, shift in inner:
            rows = np.maximum(rows @ weight + shift, 0)
        scores = rows @ last + bias
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: Rows = powers / powers.sum(axis=1, keepdims=True)
        return shares


def write_model(model: Model, folder: Path) -> Path:
    """Store it; equal models give equal bytes."""
    arrays = {
        f"{kind}_{at}": values
        for at, layer in enumerate(model.layers)
        for kind, values in zip(("weight", "bias"), layer, strict=True)
    }
    settings = json.dumps({"features": VERSION, "layers": len(model.layers), **asdict(model.task)})
    write_atomic(folder / MODEL, _archive({"settings": np.array(settings), **arrays}))
    return folder / MODEL


def _archive(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """What `numpy.savez` writes, in bytes that do not differ from one Python to another."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, values in arrays.items():
            stored = io.BytesIO()
            np.lib.format.write_array(stored, values, allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), stored.getvalue())
    return archive.getvalue()


def read_model(folder: str | PathLike[str]) -> Model:
    """The model in a folder, which a run of notebook 23 left.

    Raises:
        ResultsUnusable: there is none.
        InputUnusable: it was written for other features than this version makes.
        IntegrityFailure: it is damaged.
    """
    path = Path(folder) / MODEL
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            settings = json.loads(str(file["settings"]))
            layers = [(file[f"weight_{n}"], file[f"bias_{n}"]) for n in range(settings["layers"])]
    except FileNotFoundError as error:
        raise ResultsUnusable(
            f"{path} does not exist.",
            hint="Train one: ./scripts/run-remote.sh notebooks/23_train_model.ipynb",
        ) from error
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise IntegrityFailure(
            f"{path} is no model, or damaged: {error}",
            hint=f"`remote results verify` names what changed in {path.parent.name}.",
        ) from error
    return _model(path, settings, layers)


def _model(path: Path, settings: dict[str, object], layers: Sequence[Layer]) -> Model:
    if settings.pop("features") != VERSION:
        raise InputUnusable(
            f"{path} was made for other features than this Workhorse makes ({VERSION}).",
            hint="Train it again, or read it with the Workhorse that made it.",
        )
    del settings["layers"]
    return Model(Task(**settings), tuple(layers))  # type: ignore[arg-type]
