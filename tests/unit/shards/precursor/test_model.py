"""The model's file: plain arrays that give what scikit-learn gave, and nothing else is read."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from remote.errors import InputUnusable, IntegrityFailure, ResultsUnusable
from remote.workloads.shards.precursor.features import (
    Task,
    features,
    largest,
    without_precursor,
)
from remote.workloads.shards.precursor.model import MODEL, Model, read_model, write_model
from tests.unit.shards.precursor.made import PeakLists, peaks_from

TASK = Task(bin_width=100.0, limit=800.0)


def some_spectra(rows: int = 60) -> tuple[PeakLists, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    random = np.random.default_rng(1)
    spectra = [
        sorted(zip(random.uniform(60, 700, 9), random.uniform(0.01, 1, 9), strict=True))
        for _ in range(rows)
    ]
    return spectra, random.uniform(100, 790, rows)


@pytest.fixture(scope="module")
def network() -> MLPClassifier:
    spectra, precursors = some_spectra()
    left = without_precursor(peaks_from(spectra), precursors, TASK.window)
    target = TASK.bin_of(precursors) - TASK.bin_of(largest(left.mz, left.offsets)) + TASK.bins - 1
    made = MLPClassifier((5,), random_state=0, batch_size=20)
    for _ in range(30):
        made.partial_fit(features(left, TASK), target, classes=np.arange(TASK.classes))
    return made


@pytest.fixture
def model(network: MLPClassifier) -> Model:
    return Model(TASK, tuple(zip(network.coefs_, network.intercepts_, strict=True)))


def test_it_tells_what_the_network_told(model: Model, network: MLPClassifier) -> None:
    spectra, precursors = some_spectra()
    peaks = peaks_from(spectra)
    left = without_precursor(peaks, precursors, TASK.window)
    away = network.predict_proba(features(left, TASK))
    found = model.probabilities(peaks, precursors)
    assert found.shape == (60, TASK.bins)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)
    for row, highest in enumerate(TASK.bin_of(largest(left.mz, left.offsets))):
        shares = [away[row, TASK.bins - 1 - highest + bin_] for bin_ in range(TASK.bins)]
        assert found[row] == pytest.approx(np.array(shares) / sum(shares), abs=1e-5)
    assert np.array_equal(model.predict(peaks, precursors), found.argmax(axis=1))


def test_reading_gives_what_was_written(model: Model, tmp_path: Path) -> None:
    path = write_model(model, tmp_path)
    again = read_model(tmp_path)
    assert again.task == model.task
    peaks, precursors = peaks_from(some_spectra()[0]), some_spectra()[1]
    assert np.array_equal(
        again.probabilities(peaks, precursors), model.probabilities(peaks, precursors)
    )
    with zipfile.ZipFile(path) as file:
        entries = file.infolist()
    assert {(x.extract_version, x.extra, x.date_time[0]) for x in entries} == {(20, b"", 1980)}
    before = path.read_bytes()
    assert write_model(again, tmp_path).read_bytes() == before


def test_a_spectrum_without_peaks_has_an_answer(model: Model) -> None:
    found = model.probabilities(peaks_from([[], [(300.0, 1.0)]]), np.array([400.0, 300.5]))
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(found[0], found[1])


def test_no_object_is_ever_unpickled(model: Model, tmp_path: Path) -> None:
    write_model(model, tmp_path)
    with np.load(tmp_path / MODEL) as file:
        arrays = dict(file)
    arrays["weight_0"] = np.array([{"not": "numbers"}], object)
    np.savez(tmp_path / MODEL, **arrays)
    with pytest.raises(IntegrityFailure, match="is no model, or damaged"):
        read_model(tmp_path)


@pytest.mark.parametrize("cut", [0, 10, 1_000])
def test_a_file_cut_short_is_named(model: Model, tmp_path: Path, cut: int) -> None:
    path = write_model(model, tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(IntegrityFailure, match=r"model\.npz is no model, or damaged"):
        read_model(tmp_path)


def test_a_model_of_other_features_is_refused(model: Model, tmp_path: Path) -> None:
    write_model(model, tmp_path)
    with np.load(tmp_path / MODEL) as file:
        arrays = dict(file)
    settings = json.loads(str(arrays["settings"])) | {"features": 99}
    buffer = io.BytesIO()
    np.savez(buffer, **{**arrays, "settings": np.array(json.dumps(settings))})
    (tmp_path / MODEL).write_bytes(buffer.getvalue())
    with pytest.raises(InputUnusable, match="other features"):
        read_model(tmp_path)


def test_without_a_model_it_is_said_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ResultsUnusable) as refused:
        read_model(tmp_path)
    assert "23_train_model.ipynb" in refused.value.hint
