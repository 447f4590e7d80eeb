"""The inputs: one set of generated spectra in each storage layout, made once and kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import h5py
import numpy as np
from uv import find_uv_bin

from remote.workloads.shards.sample import BLOCK_ROWS, WIDTH, write_sample
from remote.workloads.shards.sample import Layout as Written

Layout = Written | Literal["blosc-zstd", "lzf"]
LAYOUTS: tuple[Layout, ...] = (*get_args(Written), "blosc-zstd", "lzf")
SAID: Mapping[Layout, str] = {
    "column-chunks": f"gzip ({BLOCK_ROWS:,}, 1, 1)",
    "narrow-chunks": "gzip (7,813, 1, 2)",
    "row-chunks": f"gzip (512, 2, {WIDTH})",
    "contiguous": "contiguous",
    "blosc-zstd": f"blosc-zstd (512, 2, {WIDTH})",
    "lzf": f"lzf (512, 2, {WIDTH})",
}
_ROW_CHUNK = 512
_READ_ROWS = 64 * _ROW_CHUNK
_PLUGIN = "hdf5plugin==7.1.0"


@dataclass(frozen=True)
class Inputs:
    """Where generated files are kept, and of which seed they are."""

    cache: Path
    seed: int

    def file(self, layout: Layout, rows: int) -> Path:
        """The file of this layout. Its first rows are those of any other with more of them."""
        if layout == "blosc-zstd":
            self._add_plugin()
        return self._made(f"{layout}_{rows}", lambda path: self._write(path, layout, rows))

    def repeated(self, rows: int) -> Path:
        """A file of column chunks in which the same spectra come again and again."""
        block = self.file("column-chunks", BLOCK_ROWS)
        return self._made(f"repeated_{rows}", lambda path: _repeat(block, path, rows))

    def _made(self, name: str, write: Callable[[Path], None]) -> Path:
        path = self.cache / f"{name}_{self.seed}.hdf5"
        if not path.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            began = time.perf_counter()
            unfinished = path.with_suffix(".partial")
            write(unfinished)
            unfinished.rename(path)
            print(f"generated {path} in {time.perf_counter() - began:.1f} s", file=sys.stderr)
        return path

    def _write(self, path: Path, layout: Layout, rows: int) -> None:
        if layout in get_args(Written):
            write_sample(path, rows, self.seed, cast(Written, layout))
            return
        filters = _blosc_zstd() if layout == "blosc-zstd" else {"compression": "lzf"}
        _pack(self.file("contiguous", rows), path, filters)

    def _add_plugin(self) -> None:
        """Make hdf5plugin importable, here and in child processes."""
        folder = self.cache / "plugins"
        if not folder.exists():
            unfinished = folder.with_suffix(".partial")
            install = [find_uv_bin(), "pip", "install", "--quiet", "--no-deps"]
            subprocess.run([*install, "--target", unfinished, _PLUGIN], check=True)
            unfinished.rename(folder)
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
            others = os.environ.get("PYTHONPATH")
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (others, str(folder))))


def _blosc_zstd() -> Mapping[str, Any]:
    import hdf5plugin

    return dict(hdf5plugin.Blosc("zstd", clevel=5, shuffle=hdf5plugin.Blosc.SHUFFLE))


def _pack(source: Path, target: Path, filters: Mapping[str, Any]) -> None:
    """The same datasets, `spectrum` in chunks of whole rows with these filters."""
    with h5py.File(source, locking=False) as old, h5py.File(target, "w") as new:
        for name in old:
            if name != "spectrum":
                old.copy(name, new)
        spectrum = old["spectrum"]
        rows = len(spectrum)
        chunks = (min(rows, _ROW_CHUNK), *spectrum.shape[1:])
        packed = new.create_dataset(
            "spectrum", spectrum.shape, spectrum.dtype, chunks=chunks, **filters
        )
        for start in range(0, rows, _READ_ROWS):
            packed[start : start + _READ_ROWS] = spectrum[start : start + _READ_ROWS]


def _repeat(block: Path, target: Path, rows: int) -> None:
    """The stored chunks of a file of BLOCK_ROWS spectra, written over and over."""
    with h5py.File(block, locking=False) as old, h5py.File(target, "w") as new:
        spectrum = old["spectrum"]
        packed = new.create_dataset(
            "spectrum",
            (rows, *spectrum.shape[1:]),
            spectrum.dtype,
            chunks=spectrum.chunks,
            compression="gzip",
        )
        streams = {
            place: spectrum.id.read_direct_chunk((0, *place))[1]
            for place in np.ndindex(spectrum.shape[1:])
        }
        columns = {name: old[name][:] for name in old if name != "spectrum"}
        targets = {
            name: new.create_dataset(
                name, (rows,), old[name].dtype, chunks=(BLOCK_ROWS,), compression="gzip"
            )
            for name in columns
        }
        for start in range(0, rows, BLOCK_ROWS):
            for place, stream in streams.items():
                packed.id.write_direct_chunk((start, *place), stream)
            for name, values in columns.items():
                targets[name][start : start + BLOCK_ROWS] = values[: rows - start]


def tasks_of(rows: int, step: int) -> Iterator[tuple[int, int]]:
    """Bounds of pieces of `step` rows."""
    for start in range(0, rows, step):
        yield start, min(start + step, rows)
