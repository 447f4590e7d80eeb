"""`to_matchms`: spectra as matchms has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from remote.workloads.shards.reading.find import Source
from remote.workloads.shards.reading.names import refuse_twins, renamed_name
from remote.workloads.shards.reading.packages import needed
from remote.workloads.shards.reading.peaks import PEAKS, peaks_of
from remote.workloads.shards.reading.shards import Shards, read_shards, shards_of

_MODES = {1: "positive", -1: "negative"}


def to_matchms(source: Source | Shards) -> Iterator[Any]:
    """`matchms.Spectrum` one after the other, with every column as metadata.

    Keys are those of matchms after its harmonisation: spectrum_id, precursor_mz, charge,
    retention_time (s), file_name, ionmode, ms_level (text), and our own names for the rest. What
    is null is left out. m/z and intensity are float64, copies of their own.

    Args:
        source: see `read_shards`, or what it returned; with a view, its columns and rows.

    Raises:
        PackageMissing: matchms is not installed.
        UsageError: a view lacks the peaks, or two columns would have one key.
        ResultsUnusable, IntegrityFailure: see `read_shards`.
    """
    spectrum = needed("matchms", "matchms", "to_matchms").Spectrum
    shards = source if isinstance(source, Shards) else read_shards(source)
    refuse_twins(shards.columns, _key)
    return _spectra(shards_of(shards, PEAKS, ()), spectrum)


def _spectra(shards: Shards, spectrum: Any) -> Iterator[Any]:
    plain = [name for name in shards.columns if name not in PEAKS]
    for batch in shards.batches():
        peaks = peaks_of(batch, *map(shards.name, PEAKS))
        mz, intensity = peaks.mz.astype(np.float64), peaks.intensity.astype(np.float64)
        columns = [batch[shards.name(name)].to_pylist() for name in plain]
        ends = peaks.offsets.tolist()
        for row, (start, stop) in enumerate(pairwise(ends)):
            yield spectrum(
                mz=mz[start:stop].copy(),
                intensities=intensity[start:stop].copy(),
                metadata=metadata(plain, [column[row] for column in columns]),
                metadata_harmonization=False,  # it is harmonised already
            )


def metadata(columns: Sequence[str], values: Sequence[Any]) -> Mapping[str, Any]:
    """What matchms calls the values of a row, those that are not null.

    Args:
        columns: names in the shards.
        values: Python values.
    """
    found: dict[str, Any] = {}
    for name, value in zip(columns, values, strict=True):
        if value is None:
            continue
        if name == "polarity":
            if value in _MODES:
                found[_key(name)] = _MODES[value]
        else:
            found[_key(name)] = str(value) if name == "ms_level" else value
    return found


def _key(column: str) -> str:
    return "ionmode" if column == "polarity" else renamed_name(column, "matchms")
