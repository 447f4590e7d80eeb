"""mosaicml-streaming's MDSWriter: one process, zstd 1, SHA-256 of each shard."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from benchmarks.sharding.others.feed import Asked, run, spectra

COLUMNS = {
    "sample_id": "str",
    "mzs": "ndarray:float64",
    "ints": "ndarray:float32",
    "precursor_mz": "float64",
    "charge": "int8",
    "rt": "float32",
    "source_file": "str",
}


def without_vision() -> None:
    """Let `streaming.base` be imported alone.

    The whole package imports torchvision, whose wheels fail beside a torch without CUDA.
    """
    found = importlib.util.find_spec("streaming")
    assert found is not None
    package = ModuleType("streaming")
    package.__path__ = list(found.submodule_search_locations or ())
    package.__spec__ = found
    sys.modules["streaming"] = package


def pipeline(asked: Asked) -> None:
    """One dataset of shards and an index."""
    with MDSWriter(
        out=str(asked.target),
        columns=COLUMNS,
        compression="zstd:1",
        hashes=["sha256"],
        progress_bar=False,
    ) as writer:
        for spectrum in spectra(asked.bounds()):
            writer.write(spectrum)


if __name__ == "__main__":
    without_vision()
    from streaming.base.format.mds.writer import MDSWriter

    run(pipeline)
