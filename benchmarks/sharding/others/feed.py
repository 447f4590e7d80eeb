"""What every other pipeline gets: one dictionary a spectrum, read through h5py.

Blocks of whole chunk rows are read, the kindest way for the library; padding is cut off.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Spectrum = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What is asked of a pipeline: the first `rows` of `source`, into the directory `target`."""

    source: Path
    rows: int
    target: Path
    workers: int

    def bounds(self) -> list[tuple[str, int, int]]:
        """(file, first row, row after the last) of blocks of whole chunk rows."""
        with h5py.File(self.source) as file:
            step = file["spectrum"].chunks[0]
        starts = range(0, self.rows, step)
        return [(str(self.source), start, min(start + step, self.rows)) for start in starts]


def spectra(bounds: Sequence[tuple[str, int, int]]) -> Iterator[Spectrum]:
    """The spectra of these blocks, one after the other."""
    for path, start, stop in bounds:
        with h5py.File(path) as file:
            peaks = file["spectrum"][start:stop]
            precursors = file["precursor_mz"][start:stop]
            charges = file["charge"][start:stop]
            times = file["RT"][start:stop]
            names = file["name"].asstr()[start:stop]
        stem = Path(path).stem
        for row in range(stop - start):
            count = np.count_nonzero(peaks[row, 0])
            yield {
                "sample_id": f"{stem}:{start + row}",
                "mzs": peaks[row, 0, :count].copy(),
                "ints": peaks[row, 1, :count].astype(np.float32),
                "precursor_mz": float(precursors[row]),
                "charge": int(charges[row]),
                "rt": float(times[row]),
                "source_file": names[row],
            }


def run(pipeline: Callable[[Asked], None]) -> None:
    """Time a pipeline on what the command line asks; the last line of stdout is the result."""
    source, rows, target, workers = sys.argv[1:]
    asked = Asked(Path(source), int(rows), Path(target), int(workers))
    began, began_cpu = time.perf_counter(), _cpu()
    pipeline(asked)
    result = {
        "rows": asked.rows,
        "seconds": time.perf_counter() - began,
        "cpu": _cpu() - began_cpu,
        "size": sum(x.stat().st_size for x in asked.target.rglob("*") if x.is_file()),
    }
    print(json.dumps(result))


def _cpu() -> float:
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(x.ru_utime + x.ru_stime for x in map(resource.getrusage, both))
