"""The older HDF5 layout: one group a spectrum."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from remote.errors import InputUnusable
from remote.workloads.shards.inputs.opening import open_source
from remote.workloads.shards.settings import InputRules
from tests.unit.shards.test_mgf import column, rows_of
from tests.unit.shards.texts import TWO, older


def group(**values: Any) -> dict[str, Any]:
    mzs, intensities = (np.array([peak[place] for peak in TWO]) for place in (0, 1))
    return {"mzs": mzs, "intensities": intensities, "precursor_mz": 500.0, **values}


def test_groups_are_rows_in_the_order_of_their_names(tmp_path: Path) -> None:
    groups = {
        "b": group(charge=np.int32(2), rt=[12.5], smiles="C=O", lsh=7),
        "a": group(**{"@charge": 3, "@RT": 1.5, "@file_name": "run.mzML"}, weight=2.5),
        "c": group(**{"@note": b"bytes"}, weight=4),
    }
    with open_source(older(tmp_path / "x.hdf5", groups), 2) as source:
        raw = source.read(0, 3)
        assert (source.rows, source.chunks, source.name, raw.input_index) == (3, None, "x", 2)
        assert set(raw.columns) == source.columns
        assert column(source, "charge") == [3, 2, 0]
        assert column(source, "rt") == [1.5, 12.5, None]
        assert column(source, "smiles") == [None, "C=O", None]
        assert column(source, "lsh") == [None, 7, None]
        assert column(source, "source_file") == ["run.mzML", None, None]
        assert source.lsh == "int64"
        assert rows_of(source) == [TWO] * 3
        with pickle.loads(pickle.dumps(source)) as copy:
            assert copy.read(1, 2).columns["charge"].tolist() == [2]
    rules = InputRules(carry=("weight", "note", "source_id"))
    with open_source(tmp_path / "x.hdf5", rules=rules) as source:
        assert column(source, "weight") == [2.5, None, 4.0]
        assert column(source, "note") == [None, None, "bytes"]
        assert column(source, "source_id") == ["a", "b", "c"]


BROKEN = {
    "no peaks": {"precursor_mz": 1.0},
    "unequal": group(mzs=np.arange(3.0)),
    "two values": group(charge=[1, 2]),
    "beyond": group(charge=300),
    "a part of a charge": group(charge=1.5),
    "text for a number": group(RT="late"),
    "a number for text": group(smiles=5),
    "text": group(mzs=np.array([b"a", b"b"])),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_group_is_named(name: str, tmp_path: Path) -> None:
    path = older(tmp_path / "x.hdf5", {"a": group(charge=1), "b": BROKEN[name], "c": group()})
    with open_source(path) as source, pytest.raises(InputUnusable, match=r"x.hdf5, entry 1, "):
        source.read(0, 3)
    with open_source(path, 0, skip_damaged=True) as source:
        raw = source.read(0, 3)
        assert [(x.row_start, x.row_stop) for x in raw.damaged] == [(1, 2)]
        assert [len(row) for row in rows_of(source)] == [2, 0, 2]


def test_damaged_bytes_are_named(tmp_path: Path) -> None:
    path = older(tmp_path / "x.hdf5", {"a": group(), "b": group()})
    with h5py.File(path, "r+") as file:
        del file["spectra/b/mzs"]
        made = file["spectra/b"].create_dataset(
            "mzs", data=np.arange(2.0), chunks=(2,), fletcher32=True
        )
        at = made.id.get_chunk_info(0).byte_offset
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff")
    with open_source(path) as source:
        assert len(source.read(0, 1)) == 1
        with pytest.raises(InputUnusable, match=r"entry 1, group `b` cannot be read"):
            source.read(1, 2)


def test_nothing_below_spectra(tmp_path: Path) -> None:
    with pytest.raises(InputUnusable, match="holds no group with `mzs`"):
        open_source(older(tmp_path / "x.hdf5", {"a": {"other": 1}}))
