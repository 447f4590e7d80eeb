"""MS/MS spectra from HDF5 to Parquet shards.

    from remote.workloads.shards import build_shards
    build_shards(input_hdf5=input_hdf5, output_root=OUTPUT_DIR)
"""

from __future__ import annotations

from remote.workloads.shards.build import build_shards
from remote.workloads.shards.result import BuildResult
from remote.workloads.shards.settings import BuildSettings, Preprocessing, Quality

__all__ = ["BuildResult", "BuildSettings", "Preprocessing", "Quality", "build_shards"]
