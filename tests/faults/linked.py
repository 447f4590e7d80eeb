"""Files whose datasets lie elsewhere or nowhere, and files that are something else."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from tests.faults.damaged import ROWS, WIDTH, Case, healthy, sound, write
from tests.faults.odd import PACKED, changed
from tests.unit.shards.raws import spectra


def linked() -> Iterator[Case]:
    """All of them."""
    yield Case("a soft link", changed(_soft), "exact")
    for name in ("spectrum", "precursor_mz", "RT", "name"):
        for title, change in _BROKEN.items():
            made = changed(partial(change, name=name))
            yield Case(f"{name}: {title}", made, "error", f"dataset `{name}`")
        made = partial(_other_file, name=name)
        yield Case(f"{name}: in another file", made, "error", f"dataset `{name}`")
    for size in (0, 500, ROWS * 2 * WIDTH * 8):
        made = partial(_outside, size=size)
        yield Case(f"external storage of {size} bytes", made, "error", "dataset `spectrum`")
    for there in (True, False):
        name = f"a virtual dataset, its file {'there' if there else 'gone'}"
        yield Case(name, partial(_virtual, there=there), "error", "dataset `spectrum`")
    yield from _files()


def _soft(file: h5py.File) -> None:
    file.move("spectrum", "elsewhere")
    file["spectrum"] = h5py.SoftLink("/elsewhere")


def _dangling(file: h5py.File, name: str) -> None:
    del file[name]
    file[name] = h5py.SoftLink("/nowhere")


def _ring(file: h5py.File, name: str) -> None:
    del file[name]
    file[name] = h5py.SoftLink("/other")
    file["other"] = h5py.SoftLink(f"/{name}")


def _gone(file: h5py.File, name: str) -> None:
    del file[name]
    file[name] = h5py.ExternalLink("nowhere.hdf5", name)


def _itself(file: h5py.File, name: str) -> None:
    del file[name]
    file[name] = h5py.ExternalLink("input.hdf5", name)


_BROKEN: dict[str, Callable[..., None]] = {
    "a soft link to nowhere": _dangling,
    "soft links in a ring": _ring,
    "a link to no file": _gone,
    "a link to itself": _itself,
}


def _other_file(path: Path, name: str) -> None:
    healthy(path.with_name("other.hdf5"), "rows")
    path.write_bytes(sound("columns"))
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = h5py.ExternalLink("other.hdf5", name)


def _outside(path: Path, size: int) -> None:
    """Peaks in a file of plain bytes, of which `size` are there."""
    raw, whole = path.with_name("peaks.raw"), ROWS * 2 * WIDTH * 8
    if size:
        raw.write_bytes(spectra(ROWS, WIDTH).tobytes()[:size])
    with h5py.File(path, "w") as file:
        external = [(str(raw), 0, whole)]
        file.create_dataset("spectrum", (ROWS, 2, WIDTH), "f8", external=external)
        file["precursor_mz"] = np.full(ROWS, 400.0)


def _virtual(path: Path, there: bool) -> None:
    other = path.with_name("other.hdf5")
    if there:
        healthy(other)
    layout = h5py.VirtualLayout((ROWS, 2, WIDTH), "f8")
    layout[...] = h5py.VirtualSource(other, "spectrum", (ROWS, 2, WIDTH))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("spectrum", layout)
        file["precursor_mz"] = np.full(ROWS, 400.0)


def _userblock(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("spectrum", data=spectra(ROWS, WIDTH), **PACKED)
        file["precursor_mz"] = np.full(ROWS, 400.0)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _a_type(file: h5py.File) -> None:
    del file["spectrum"]
    file["spectrum"] = np.dtype("f8")


def _a_group(file: h5py.File) -> None:
    del file["precursor_mz"]
    file.create_group("precursor_mz")


def _files() -> Iterator[Case]:
    content = sound("columns")
    yield Case("a user block", _userblock, "exact")
    yield Case("a folder", Path.mkdir, "error")
    yield Case("a pipe", _pipe, "error")
    yield Case("a link to the same name", lambda path: path.symlink_to(path), "error")
    yield Case("a named type", changed(_a_type), "error", "`spectrum`")
    yield Case("a group", changed(_a_group), "error", "`precursor_mz`")
    yield Case("empty", write(b""), "error")
    yield Case("packed as a whole", write(gzip.compress(content)), "error")
    yield Case("more at the end", write(content + b"x" * 99), "exact")
    yield Case("signature alone", write(content[:8]), "error")
    yield Case("zeros", write(bytes(5000)), "error")
