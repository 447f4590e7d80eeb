"""What notebook 23 calls: train, score, and write what is to be kept."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from remote.errors import ResultsUnusable
from remote.workloads.durable import json_bytes, make_directory, sha256_file, write_atomic
from remote.workloads.shards.charts.chart import Chart
from remote.workloads.shards.output.manifest import DATASET_MANIFEST, read_manifest
from remote.workloads.shards.precursor.examples import Examples, examples
from remote.workloads.shards.precursor.features import VERSION, Task
from remote.workloads.shards.precursor.figures import charts
from remote.workloads.shards.precursor.fit import Fitting, fit
from remote.workloads.shards.precursor.model import MODEL, Model, write_model
from remote.workloads.shards.precursor.score import BASELINES, Scores, score
from remote.workloads.shards.precursor.score import MODEL as OURS
from remote.workloads.shards.precursor.split import TRAIN

METRICS, METADATA, FIGURES = "metrics.json", "metadata.json", "figures"

# Where no number is given. A pass over as many takes seconds.
_MOST_SPECTRA = 500_000
_PACKAGES = ("numpy", "scikit-learn")


@dataclass(frozen=True, slots=True, repr=False)
class Trained:
    """A model, how well it does, and charts of it."""

    model: Model
    scores: Scores
    split: Mapping[str, Any]
    charts: Mapping[str, Chart]

    def __repr__(self) -> str:
        spectra, groups = self.split["spectra"], self.split["groups"]
        head = (
            f"trained on {spectra['trained_on']:,} spectra of {groups['trained_on']:,} groups, "
            f"{spectra['held_out']:,} of {groups['held_out']:,} held out ({self.split['how']})"
        )
        names = (OURS, *BASELINES)
        told = [f"{name.replace('_', ' '):13} {self.scores.right(name)}" for name in names]
        verdicts = [
            f"beside {name.replace('_', ' ')}: {self.scores.verdict(name)}, "
            f"accuracy {self.scores.gain(name).value:+.1%}"
            for name in BASELINES
        ]
        return "\n".join([head, *told, *verdicts, f"intervals: {self.scores.intervals}"])


def train(
    source: str | PathLike[str],
    folder: Path,
    *,
    task: Task,
    group_by: Sequence[str] | None = None,
    held_out: float = 0.2,
    max_spectra: int | None = _MOST_SPECTRA,
    views: int | None = None,
    seed: int = 0,
) -> Trained:
    """Train on a dataset of shards, score what is held out, and write all of it into a folder.

    `model.npz`, `metrics.json`, `metadata.json` and `figures/`: the same bytes for the same
    shards, arguments and software.

    Args:
        source: a folder with a dataset, as a run's result folder.
        group_by, held_out, max_spectra: see `examples`.
        views: spectra that are shown to the model in all; None for the usual.

    Raises:
        UsageError, InputUnusable, ResultsUnusable, IntegrityFailure: see `examples`.
    """
    root = Path(source)
    manifest = _manifest(root)
    chosen = examples(
        root, group_by=group_by, held_out=held_out, max_spectra=max_spectra, seed=seed
    )
    how = Fitting() if views is None else Fitting(views=views)
    model = fit(chosen, task, how, seed)
    scores = score(model, chosen)
    trained = Trained(model, scores, _split(chosen), charts(scores, task))
    make_directory(folder / FIGURES)
    path = write_model(model, folder)
    for name, drawing in trained.charts.items():
        drawing.write(folder / FIGURES / f"{name}.svg")
    write_atomic(folder / METRICS, json_bytes(_metrics(trained, seed)))
    record = _metadata(chosen, model, how, path, {**_dataset(root, manifest), "seed": seed})
    write_atomic(folder / METADATA, json_bytes(record))
    return trained


def _manifest(root: Path) -> Mapping[str, Any]:
    if not (root / DATASET_MANIFEST).is_file():
        raise ResultsUnusable(
            f"{root} holds no dataset of shards.",
            hint="Name a run that built one: -p shards latest:10_build_shards",
        )
    return read_manifest(root / DATASET_MANIFEST)


def _split(chosen: Examples) -> dict[str, Any]:
    keys = list(chosen.keys)
    return {**chosen.split.record(), "no_group_on_both_sides_of": keys or ["single spectra"]}


def _metrics(trained: Trained, seed: int) -> dict[str, Any]:
    task = trained.model.task
    return {
        "task": {**asdict(task), "bins": task.bins, "tells": "the bin of the precursor's m/z"},
        **trained.scores.record(),
        "split": trained.split,
        "seed": seed,
    }


def _dataset(root: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "shards": root.name,
        "dataset": manifest["dataset"],
        "dataset_hash": manifest["dataset_hash"],
        "preprocessing": manifest["preprocessing"],
    }


def _metadata(
    chosen: Examples, model: Model, how: Fitting, path: Path, origin: Mapping[str, Any]
) -> dict[str, Any]:
    spectra = int((chosen.split.sides == TRAIN).sum())
    return {
        "model": {
            "file": MODEL,
            "sha256": sha256_file(path),
            "format": "NumPy .npz of plain arrays, no pickle",
            "read_with": "remote.workloads.shards.precursor.model.read_model(FOLDER)",
            "kind": "network with one hidden layer (ReLU), softmax over the bins that the "
            "precursor is away from the highest peak",
            "features": VERSION,
            "layers": [list(weight.shape) for weight, _ in model.layers],
            "task": asdict(model.task),
        },
        "training": {**asdict(how), "passes": how.passes(spectra)},
        "trained_on": dict(origin),
        "row_groups": {"read": len(chosen.drawn), "there": chosen.row_groups},
        "split": _split(chosen),
        "software": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }
