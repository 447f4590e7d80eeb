"""Files that are packed with filters of plugins."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest

from remote.errors import InputUnusable
from remote.workloads.shards.inputs.opening import open_source
from tests.unit.shards.raws import spectra, write_input

# A plugin as hdf5plugin is one: importing it makes a filter known. This one inverts bits.
PLUGIN = """
import ctypes
import h5py

@ctypes.CFUNCTYPE(
    ctypes.c_size_t, ctypes.c_uint, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t,
    ctypes.c_void_p, ctypes.c_void_p,
)
def inverted(flags, parameters, values, size, room, data):
    address = ctypes.cast(data, ctypes.POINTER(ctypes.c_void_p))[0]
    stored = ctypes.string_at(address, size)
    ctypes.memmove(address, bytes(255 - byte for byte in stored), size)
    return size

class Filter(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int), ("number", ctypes.c_int), ("encodes", ctypes.c_uint),
        ("decodes", ctypes.c_uint), ("name", ctypes.c_char_p), ("can_apply", ctypes.c_void_p),
        ("set_local", ctypes.c_void_p), ("work", ctypes.c_void_p),
    ]

inverts = Filter(
    1, 300, 1, 1, b"inverts", None, None, ctypes.cast(inverted, ctypes.c_void_p)
)
h5py.h5z.register_filter(ctypes.addressof(inverts))
"""
WRITE = """
import sys, h5py, hdf5plugin, numpy as np
with h5py.File(sys.argv[1], "a") as file:
    values = file["plain"][:]
    file.create_dataset("spectrum", data=values, chunks=(10, *values.shape[1:]), compression=300)
    del file["plain"]
"""
READ = """
import sys
from pathlib import Path
import numpy as np
from remote.workloads.shards.inputs.opening import open_source
with open_source(Path(sys.argv[1])) as source:
    np.save(sys.argv[2], source.read(0, source.rows).mz)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A directory from which a process can import the plugin."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "hdf5plugin.py").write_text(textwrap.dedent(PLUGIN))
    return folder


@pytest.fixture
def packed(tmp_path: Path, plugin: Path) -> Path:
    """A file whose spectra only the plugin can unpack."""
    path = write_input(tmp_path / "x.h5", spectra(20))
    with h5py.File(path, "a") as file:
        file.move("spectrum", "plain")
    run(plugin, WRITE, path)
    return path


def run(plugin: Path, code: str, *arguments: Path) -> None:
    # A process of its own: a filter that is known once stays known.
    paths = f"{plugin}:{Path(__file__).parents[3]}"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    subprocess.run(command, check=True, env={"PYTHONPATH": paths})


def test_a_missing_filter_is_named_with_what_brings_it(packed: Path) -> None:
    with pytest.raises(InputUnusable, match=r"`spectrum`.*filter 300 \(inverts\)") as caught:
        open_source(packed)
    assert "hdf5plugin" in str(caught.value.hint)


def test_the_plugin_is_found_where_it_is_installed(
    packed: Path, plugin: Path, tmp_path: Path
) -> None:
    run(plugin, READ, packed, tmp_path / "mz.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "mz.npy"), spectra(20)[:, 0])
