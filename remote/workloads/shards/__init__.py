"""MS/MS spectra from HDF5 to Parquet shards: `build_shards(input_hdf5=..., output_root=...)`.

The names below load what they need when they are first used, so that `msms --help` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remote.workloads.shards.build import build_shards
    from remote.workloads.shards.ranking.options import Ranker
    from remote.workloads.shards.result import BuildResult
    from remote.workloads.shards.settings import BuildSettings, Preprocessing, Quality

__all__ = ["BuildResult", "BuildSettings", "Preprocessing", "Quality", "Ranker", "build_shards"]

_HOMES = {
    "BuildResult": "result",
    "BuildSettings": "settings",
    "Preprocessing": "settings",
    "Quality": "settings",
    "Ranker": "ranking.options",
    "build_shards": "build",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
