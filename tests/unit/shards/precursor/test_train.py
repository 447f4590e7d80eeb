"""From shards to a model: it learns what there is, nothing else, and the same twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from remote.errors import ResultsUnusable, UsageError
from remote.workloads.shards.precursor.examples import examples
from remote.workloads.shards.precursor.features import Task
from remote.workloads.shards.precursor.fit import Fitting, fit
from remote.workloads.shards.precursor.notebook import METADATA, METRICS, train
from remote.workloads.shards.precursor.score import HIGHEST, MODEL, PRIOR, score
from remote.workloads.shards.precursor.split import HELD_OUT, TRAIN
from remote.workloads.shards.sample import write_sample
from remote.workloads.shards.settings import Splits
from tests.unit.shards.making import tree
from tests.unit.shards.precursor.conftest import build
from tests.unit.shards.precursor.made import write_shard

VIEWS = 60_000


@pytest.fixture(scope="module")
def trained(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(generated, folder, task=Task(), views=VIEWS)
    return folder


def metrics(folder: Path) -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = json.loads((folder / METRICS).read_text())
    return found


def test_generated_spectra_can_be_learned_from(trained: Path) -> None:
    found = metrics(trained)
    assert found["against"][PRIOR]["model"] == "better"
    assert found["against"][HIGHEST]["model"] == "better"
    spectra = found["split"]["spectra"]
    assert spectra == {"trained_on": 9_600, "held_out": 2_400, "left_out": 0}
    assert found["split"]["groups"] == {"trained_on": 16, "held_out": 4}


def test_all_that_is_promised_is_written(trained: Path) -> None:
    assert sorted(tree(trained)) == [
        "figures/accuracy.svg",
        "figures/bins_off.svg",
        "figures/told_and_actual.svg",
        "metadata.json",
        "metrics.json",
        "model.npz",
    ]
    record = json.loads((trained / METADATA).read_text())
    assert record["trained_on"]["dataset_hash"].startswith("sha256:")
    assert record["row_groups"] == {"read": 3, "there": 3}


def test_the_same_seed_gives_the_same_bytes(trained: Path, generated: Path, tmp_path: Path) -> None:
    train(generated, tmp_path / "again", task=Task(), views=VIEWS)
    assert tree(tmp_path / "again", strict=True) == tree(trained, strict=True)
    train(generated, tmp_path / "other", task=Task(), views=10_000, seed=1)
    other, first = metrics(tmp_path / "other"), metrics(trained)
    assert other["model"] != first["model"]


def test_what_only_the_precursor_s_own_peak_tells_is_not_learned(tmp_path: Path) -> None:
    """Peaks that say nothing, and one at the precursor that says all: to be left out."""
    random = np.random.default_rng(3)
    precursors = random.uniform(200, 600, 3_000)
    spectra = [
        sorted([*((mz, 0.5) for mz in random.uniform(60, 190, 10)), (mass + shift, 1.0)])
        for mass, shift in zip(precursors, random.uniform(-1.4, 1.4, 3_000), strict=True)
    ]
    write_shard(tmp_path / "train" / "shard_a.parquet", spectra, precursors)
    chosen = examples(tmp_path)
    blind, seeing = (
        score(fit(chosen, task, Fitting(views=20_000), 0), chosen)
        for task in (Task(), Task(window=0.0))
    )
    assert seeing.right(MODEL).value > 0.9
    assert blind.right(MODEL).value < 0.2
    assert blind.right(HIGHEST).value == 0


def test_a_dataset_s_own_splits_are_taken(tmp_path: Path) -> None:
    source = write_sample(tmp_path / "sample.hdf5", 12_000, 5)
    splits = Splits(("source_file",), (0.6, 0.2, 0.2))
    root = build(source, tmp_path / "shards", splits=splits)
    chosen = examples(root)
    manifest = json.loads((root / "dataset_manifest.json").read_text())
    assert chosen.split.how == "the dataset's own split test"
    rows = {name: split["num_samples"] for name, split in manifest["splits"].items()}
    assert sum(map(len, chosen.read(TRAIN))) == rows["train"]
    assert sum(map(len, chosen.read(HELD_OUT))) == rows["test"]


def test_a_cap_draws_row_groups(generated: Path) -> None:
    chosen = examples(generated, max_spectra=5_000, seed=1)
    assert (len(chosen.drawn), chosen.row_groups) in {(1, 3), (2, 3)}
    assert sum(group.rows for group in chosen.drawn) >= 5_000
    assert chosen.drawn == examples(generated, max_spectra=5_000, seed=1).drawn
    seeds = {examples(generated, max_spectra=5_000, seed=seed).drawn for seed in range(6)}
    assert len(seeds) > 1


def test_what_is_read_is_what_was_dealt(generated: Path) -> None:
    chosen = examples(generated, group_by=["lsh"])
    for side in (TRAIN, HELD_OUT):
        read = list(chosen.read(side))
        precursors = np.concatenate([batch.precursor_mz for batch in read])
        assert np.array_equal(precursors, np.concatenate(list(chosen.precursors(side))))
        assert sum(map(len, read)) == int((chosen.split.sides == side).sum())
    backwards = list(chosen.read(TRAIN, [2, 1, 0]))
    assert len(backwards[-1]) == len(next(chosen.read(TRAIN)))


def test_a_key_that_is_not_there_is_refused_with_those_that_are(generated: Path) -> None:
    with pytest.raises(UsageError) as refused:
        examples(generated, group_by=["inchikey14"])
    assert refused.value.hint == "They can by source_file, lsh."


@pytest.mark.parametrize(
    "figures", [{"held_out": 0.0}, {"held_out": 1.0}, {"max_spectra": 0}, {"seed": -1}]
)
def test_figures_that_make_no_sense_are_refused(generated: Path, figures: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(figures))} is"):
        examples(generated, **figures)


def test_a_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsUnusable) as refused:
        train(tmp_path, tmp_path / "out", task=Task())
    assert "latest:10_build_shards" in refused.value.hint
