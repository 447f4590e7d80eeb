"""`to_matchms` without matchms: the metadata of a row, and the error that says what to install."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from remote.errors import PackageMissing
from remote.workloads.shards import to_matchms
from remote.workloads.shards.reading.matchms_spectra import metadata


def test_keys_are_those_of_matchms_and_null_is_left_out() -> None:
    row = {
        "sample_id": "a:3",
        "precursor_mz": 500.5,
        "charge": 0,
        "polarity": -1,
        "ms_level": 2,
        "rt": 61.5,
        "source_file": "run.mzML",
        "smiles": None,
        "lsh": 7,
    }
    assert metadata(list(row), list(row.values())) == {
        "spectrum_id": "a:3",
        "precursor_mz": 500.5,
        "charge": 0,
        "ionmode": "negative",
        "ms_level": "2",
        "retention_time": 61.5,
        "file_name": "run.mzML",
        "lsh": 7,
    }


def test_without_matchms_the_error_says_what_to_install(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matchms", None)
    with pytest.raises(PackageMissing, match=r"add-package.sh matchms"):
        to_matchms(dataset)
