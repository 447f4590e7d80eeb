"""One small input of each kind, with columns to carry, and the settings to build them together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from remote.workloads.shards.settings import BuildSettings, InputRules, Preprocessing, Splits
from tests.unit.shards.raws import Peaks, write_input
from tests.unit.shards.texts import Spectrum, entry, mgf, mzml, older, param

# More than a row group, which two tasks share.
MGF_ROWS, MZML_ROWS, GEMS_ROWS, OLDER_ROWS = 5_300, 90, 600, 40
CARRY = ("SCANS", "id", "note", "purity", "source_id")
MOST_PEAKS = 12
SETTINGS = BuildSettings(
    dataset_name="mixture",
    max_shard_size_bytes=200_000,
    splits=Splits(by=("source_file", "inchikey14"), fractions=(0.6, 0.2, 0.2)),
    preprocessing=Preprocessing(max_peaks=MOST_PEAKS),
    input=InputRules(carry=CARRY),
)


def peaks_of(seed: int, count: int) -> Peaks:
    """Random ones, ascending."""
    random = np.random.default_rng(seed)
    mz = np.sort(random.uniform(50, 900, count))
    return list(zip(mz.tolist(), random.uniform(1, 1e5, count).tolist(), strict=True))


def inchikey(number: int) -> str:
    """The key of one of some compounds."""
    letters = "".join(chr(65 + number // 26**place % 26) for place in range(14))
    return f"{letters}-UHFFFAOYSA-N"


def mixture(folder: Path) -> list[Path]:
    """The inputs, in order. Of three spectra of the mzML file two are of another MS level."""
    return [_mgf(folder), _mzml(folder), _gems(folder), _older(folder)]


def _mgf(folder: Path) -> Path:
    """Now and then a spectrum without peaks, one with many, one without charge or compound."""
    rows = range(MGF_ROWS)
    return mgf(
        folder / "library.mgf",
        *(
            entry(
                peaks_of(row, 500 if row % 2_000 == 7 else row % 9),
                CHARGE="" if row % 7 == 0 else f"{1 + row % 3}+",
                INCHIKEY="N/A" if row % 5 == 0 else inchikey(row % 300),
                SCANS=row,
            )
            for row in rows
        ),
    )


def _mzml(folder: Path) -> Path:
    scan = param("MS:1000130", "positive scan")
    return mzml(
        folder / "run.mzML",
        *(
            Spectrum(peaks_of(row, 5), level=1 + row % 3, time=(row / 10, "minute"), more=scan)
            for row in range(MZML_ROWS)
        ),
    )


def _gems(folder: Path) -> Path:
    values = np.zeros((GEMS_ROWS, 2, 16))
    for row in range(GEMS_ROWS):
        peaks = peaks_of(10_000 + row, 1 + row % 16)
        values[row, :, : len(peaks)] = np.array(peaks).T
    purity = np.linspace(0, 1, GEMS_ROWS)
    purity[3] = np.nan
    names = [f"file{row // 20}.mzML".encode() for row in range(GEMS_ROWS)]
    return write_input(
        folder / "GeMS.hdf5",
        values,
        precursor=np.full(GEMS_ROWS, 500.0),
        options={"chunks": (128, 2, 16), "compression": "gzip"},
        RT=np.arange(GEMS_ROWS, dtype=np.float32),
        lsh=np.arange(GEMS_ROWS) % 50,
        name=np.array(names),
        note=np.array([f"note {row}".encode() for row in range(GEMS_ROWS)]),
        purity=purity,
    )


def _older(folder: Path) -> Path:
    groups: dict[str, dict[str, Any]] = {}
    for row in range(OLDER_ROWS):
        mz, intensity = np.array(peaks_of(20_000 + row, 4)).T
        groups[f"s{row:03}"] = {
            "mzs": mz,
            "intensities": intensity,
            "precursor_mz": 500.0 + row,
            "charge": 1,
            "@inchikey": inchikey(row),
            "@smiles": "CCO",
            **({"@lsh": row % 50} if row % 2 else {}),
        }
    return older(folder / "older.h5", groups)
