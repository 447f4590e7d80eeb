"""MS/MS spectra from HDF5 to Parquet shards: `build_shards(input_hdf5=..., output_root=...)`.

And from shards to what is made of them: `read_shards(folder)`, `to_torch`, `to_matchms`, ...

The names below load what they need when they are first used, so that `msms --help` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remote.workloads.shards.build import build_shards
    from remote.workloads.shards.ranking.options import Ranker
    from remote.workloads.shards.reading.batches import numpy_batches
    from remote.workloads.shards.reading.dreams_file import to_dreams
    from remote.workloads.shards.reading.matchms_spectra import to_matchms
    from remote.workloads.shards.reading.shards import read_shards
    from remote.workloads.shards.reading.torch_batches import to_torch
    from remote.workloads.shards.result import BuildResult
    from remote.workloads.shards.settings import BuildSettings, Preprocessing, Quality

__all__ = [
    "BuildResult",
    "BuildSettings",
    "Preprocessing",
    "Quality",
    "Ranker",
    "build_shards",
    "numpy_batches",
    "read_shards",
    "to_dreams",
    "to_matchms",
    "to_torch",
]

_HOMES = {
    "BuildResult": "result",
    "BuildSettings": "settings",
    "Preprocessing": "settings",
    "Quality": "settings",
    "Ranker": "ranking.options",
    "build_shards": "build",
    "numpy_batches": "reading.batches",
    "read_shards": "reading.shards",
    "to_dreams": "reading.dreams_file",
    "to_matchms": "reading.matchms_spectra",
    "to_torch": "reading.torch_batches",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
