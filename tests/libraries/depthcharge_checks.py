"""Shards under the names of depthcharge-ms, with it: see `torch_checks`."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import torch
from depthcharge.data import SpectrumDataset, StreamingSpectrumDataset
from depthcharge.data.parsers import MgfParser

from remote.workloads.shards import read_shards

OURS = ["input_file", "sample_id", "precursor_mz", "charge", "mzs", "ints"]
MGF = """BEGIN IONS
TITLE=one
PEPMASS=500.5
CHARGE=2+
100.0 1.0
200.0 2.0
END IONS
"""


def names(dataset: Path) -> None:
    """Our columns are called as those that its parser makes, but for those we lack."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "one.mgf"
        path.write_text(MGF)
        theirs = set(MgfParser(path, progress=False).schema.names)
    ours = set(read_shards(dataset, columns=OURS, names="depthcharge").schema.names)
    assert ours == theirs - {"ms_level"}


def datasets(dataset: Path) -> None:
    """Its datasets take the view, and give the spectra back."""
    view = read_shards(dataset, columns=OURS, names="depthcharge")
    table = view.table()
    frame = pl.DataFrame(view)
    with TemporaryDirectory() as folder:
        loader = SpectrumDataset(frame, batch_size=128, path=Path(folder) / "all.lance")
        assert loader.n_spectra == len(view)
        assert set(loader.peak_files) == {"a.hdf5"}
        check(loader[17], table.slice(17, 1).to_pylist()[0])
    first = next(iter(StreamingSpectrumDataset(frame, batch_size=128)))
    assert torch.equal(
        first["precursor_charge"][:5], torch.tensor(table["precursor_charge"][:5].to_pylist())
    )


def check(batch: dict[str, Any], row: dict[str, Any]) -> None:
    """A batch of one spectrum is the row."""
    assert list(batch["scan_id"]) == [row["scan_id"]]
    assert np.allclose(batch["mz_array"][0].numpy(), row["mz_array"])
    assert np.allclose(batch["intensity_array"][0].numpy(), row["intensity_array"])
    assert abs(batch["precursor_mz"].item() - row["precursor_mz"]) < 1e-3


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
