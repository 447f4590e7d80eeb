"""Every value in the shards, against a second, plain reading of the same input.

The real file is compared with the MGF files that it came from as well. Where the real files are
not beside the checkout, generated input with every kind of fault covers the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from remote.workloads.shards import build_shards
from remote.workloads.shards.settings import BuildSettings, Preprocessing
from tests.integration.shards.mgf import Spectrum, read_mgf
from tests.unit.shards.raws import spectra, write_input
from tests.unit.shards.reference import Kept, Rules, clean_file

pytestmark = pytest.mark.integration

RULES = {
    "default": Rules(),
    "as stored": Rules(normalize_intensities=False, sort_mz=False, filter_nonfinite=False),
    "strict": Rules(min_peaks=20, max_precursor_mz=400.0),
}


def build(path: Path, root: Path, rules: Rules) -> dict[str, Any]:
    """Shards of `path`, read back as columns by name."""
    settings = BuildSettings(preprocessing=Preprocessing(**asdict(rules)))
    result = build_shards(
        settings, input_hdf5=path, output_root=root, min_memory_gb=0, min_disk_gb=0
    )
    tables = [pq.read_table(shard, page_checksum_verification=True) for shard in result.shards]
    assert len(tables) == 1
    return {name: tables[0].column(name).to_pylist() for name in tables[0].column_names}


def check(path: Path, found: dict[str, Any], rules: Rules) -> None:
    """Compare every column with the file."""
    expected = {row: x for row, x in clean_file(path, rules).items() if isinstance(x, Kept)}
    rows = list(expected)
    assert found["source_row"] == rows
    assert found["sample_id"] == [f"{path.stem}:{row}" for row in rows]
    assert found["input_file"] == [path.name] * len(rows)
    for place, kept in enumerate(expected.values()):
        assert found["mzs"][place] == kept.mzs
        assert found["ints"][place] == kept.ints
        assert found["num_peaks"][place] == len(kept.mzs)
        assert found["base_peak_intensity"][place] == kept.base_peak
        assert found["tic"][place] == kept.tic
    with h5py.File(path) as file:
        for dataset, column in {
            "precursor_mz": "precursor_mz",
            "RT": "rt",
            "charge": "charge",
            "lsh": "lsh",
            "instrument accuracy est.": "instrument_accuracy_est",
        }.items():
            values = file[dataset][:]
            assert found[column] == [values[row].item() for row in rows], column
        names = file["name"][:]
        assert found["source_file"] == [names[row].decode() for row in rows]


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_real_input(shared_data: Path, tmp_path: Path, rules: Rules) -> None:
    path = shared_data / "msms" / "real_gems_layout.hdf5"
    check(path, build(path, tmp_path, rules), rules)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated input of more than two row groups, with every kind of fault."""
    rows = 11_000
    values = spectra(rows, width=24, seed=5)
    precursor = np.linspace(50, 2200, rows).astype(np.float32)
    random = np.random.default_rng(6)
    for fault in (np.nan, np.inf, -1.0, 0.0):
        hit = random.integers(0, rows, 60)
        values[hit, random.integers(0, 2, 60), random.integers(0, 24, 60)] = fault
    values[random.integers(0, rows, 60)] = 0
    turned = random.integers(0, rows, 300)
    values[turned, :, :3] = values[turned, :, 2::-1]
    precursor[random.integers(0, rows, 30)] = np.nan
    precursor[random.integers(0, rows, 30)] = 0
    return write_input(
        tmp_path_factory.mktemp("faulty") / "faulty.hdf5",
        values,
        precursor=precursor,
        options={"chunks": (3_301, 1, 1), "compression": "gzip"},
        RT=random.uniform(0, 900, rows).astype(np.float32),
        charge=random.integers(-2, 4, rows).astype(np.int8),
        lsh=random.integers(0, 9_000, rows),
        name=np.array([f"run_{row // 600}.mzML" for row in range(rows)], object),
        **{"instrument accuracy est.": np.full(rows, 1e-3, np.float32)},
    )


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_generated_input(faulty: Path, tmp_path: Path, rules: Rules) -> None:
    check(faulty, build(faulty, tmp_path, rules), rules)


def origins(folder: Path) -> Iterator[tuple[str, Spectrum]]:
    """The spectra that the real file was made from, in its order."""
    names = ("dreams_example_5_spectra.mgf", "pesticides.mgf", "testdata.mgf")
    return chain.from_iterable(((name, x) for x in read_mgf(folder / name)) for name in names)


def test_real_input_is_what_its_mgf_files_hold(shared_data: Path, tmp_path: Path) -> None:
    """All peaks, or the 128 most intense, of each spectrum in the MGF files."""
    folder = shared_data / "msms"
    found = build(folder / "real_gems_layout.hdf5", tmp_path, RULES["as stored"])
    assert len(found["mzs"]) == 111
    for row, (name, spectrum) in enumerate(origins(folder)):
        assert found["source_file"][row] == name
        assert found["precursor_mz"][row] == float(np.float32(spectrum.precursor))
        written = list(zip(found["mzs"][row], found["ints"][row], strict=True))
        peaks = [(mz, float(np.float32(x))) for mz, x in sorted(spectrum.peaks)]
        if len(peaks) <= 128:
            assert written == peaks
        else:  # which of equally intense peaks was cut is open
            assert len(written) == 128
            assert set(written) <= set(peaks)
            strongest = sorted((x for _, x in peaks), reverse=True)[:128]
            assert sorted((x for _, x in written), reverse=True) == strongest
