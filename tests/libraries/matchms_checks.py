"""`to_matchms` with matchms: see `torch_checks`."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matchms import Spectrum, calculate_scores
from matchms.exporting import save_as_mgf
from matchms.filtering import default_filters, normalize_intensities
from matchms.importing import load_from_mgf
from matchms.similarity import CosineGreedy

from remote.workloads.shards import read_shards, to_matchms


def spectra(dataset: Path) -> None:
    """Every spectrum has the peaks and the metadata of its row, in order."""
    rows = read_shards(dataset).table().to_pylist()
    found = list(to_matchms(dataset))
    assert len(found) == len(rows)
    for spectrum, row in zip(found, rows, strict=True):
        assert isinstance(spectrum, Spectrum)
        assert spectrum.peaks.mz.tolist() == row["mzs"]
        assert spectrum.peaks.intensities.tolist() == row["ints"]
        assert spectrum.get("spectrum_id") == row["sample_id"]
        assert spectrum.get("precursor_mz") == row["precursor_mz"]
        assert spectrum.get("charge") == row["charge"]
        assert spectrum.get("retention_time") == row["rt"]
        assert spectrum.get("file_name") == row["source_file"]


def harmonised(dataset: Path) -> None:
    """matchms' own harmonisation would change nothing more."""
    for spectrum in to_matchms(dataset):
        again = Spectrum(spectrum.peaks.mz, spectrum.peaks.intensities, spectrum.metadata)
        assert again.metadata == spectrum.metadata
        assert set(again.metadata) == set(spectrum.metadata)


def used(dataset: Path) -> None:
    """Filters, scores and export of matchms take them."""
    view = read_shards(dataset, filters=[("num_peaks", ">", 5)])
    some = [normalize_intensities(default_filters(x)) for x in islice(to_matchms(view), 40)]
    scores = calculate_scores(some, some, CosineGreedy(tolerance=0.01))
    values = scores.scores.to_array()
    values = values["CosineGreedy_score"] if values.dtype.names else values
    assert np.allclose(np.diagonal(values), 1)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.mgf"
        save_as_mgf(some, str(path))
        for before, after in zip(some, load_from_mgf(str(path)), strict=True):
            assert np.allclose(before.peaks.mz, after.peaks.mz)
            assert after.get("spectrum_id") == before.get("spectrum_id")


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
