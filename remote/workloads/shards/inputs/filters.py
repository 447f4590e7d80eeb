"""Filters that h5py itself lacks: blosc, zstd and others come with the package hdf5plugin.

It is no dependency, for hardly any file needs it and it is large. Where it is installed, a file
that needs it is all that it takes.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py

from remote.errors import InputUnusable
from remote.workloads.shards.inputs.storage import name_of


def check_filters(path: Path, dataset: Any) -> None:
    """Make sure that the library can unpack a dataset, with hdf5plugin if it takes that.

    Raises:
        InputUnusable: a filter is missing; the message names it.
    """
    missing = _missing(dataset)
    if missing:
        with suppress(ImportError):
            import hdf5plugin  # noqa: F401  (brings filters)
        missing = _missing(dataset)
    if missing:
        raise InputUnusable(
            f"{path}: dataset `{name_of(dataset)}` is packed with {missing}, "
            "which h5py cannot unpack here",
            hint="Install the package hdf5plugin where the build runs "
            "(./scripts/add-package.sh hdf5plugin), or pack the file anew with gzip.",
        )


def _missing(dataset: Any) -> str | None:
    """The first filter that is not there, as its number and the name in the file."""
    settings = dataset.id.get_create_plist()
    for place in range(settings.get_nfilters()):
        number, _, _, name = settings.get_filter(place)
        if not h5py.h5z.filter_avail(number):
            return f"the HDF5 filter {number} ({ascii(name.decode(errors='replace'))[1:-1]})"
    return None
