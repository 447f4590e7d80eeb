"""How the rows of one dataset are read: each storage layout by the way that serves it best.

The direct ways (`direct`) are for what is sure: native byte order, filters exactly none, deflate
or shuffle and deflate, nothing special about the file. Everything else goes through h5py.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Protocol, Self

import h5py


class Unreadable(Exception):
    """Stored bytes are missing or damaged; says which.

    Attributes:
        rows: the first and the last row that it is about, where it is not about all.
    """

    def __init__(self, problem: str, rows: tuple[int, int] | None = None) -> None:
        super().__init__(problem)
        self.rows = rows


class Shrunk(Unreadable):
    """The file is shorter than when it was opened: what was read of it may be wrong anywhere."""


# What h5py raises where a file is not what it says.
BROKEN = (OSError, KeyError, RuntimeError, TypeError, ValueError, OverflowError, MemoryError)


def reason(error: BaseException) -> str:
    """What an error says; a KeyError alone would put it in quotes."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


class Reader(Protocol):
    """Rows of one dataset; safe from any number of threads."""

    @property
    def name(self) -> str: ...

    def read(self, row_start: int, row_stop: int) -> Any:
        """Rows [row_start, row_stop): NumPy, native byte order, any strides; or Arrow for text.

        Raises:
            Unreadable, OSError: as they say.
        """
        ...

    def probe(self) -> None:
        """Read what is stored first and last, to learn early whether the file is whole.

        Raises:
            Unreadable, OSError: as they say.
        """
        ...


class DataFile:
    """An HDF5 file, open twice: by h5py, and as plain bytes.

    Attributes:
        hdf5: the h5py file, opened without locking.
        size: in bytes, when it was opened.
        skip_damaged: damage that is about some rows only is told when those are read.
    """

    def __init__(self, path: Path, *, skip_damaged: bool = False) -> None:
        self.path = path
        self.skip_damaged = skip_damaged
        self.hdf5 = h5py.File(path, "r", locking=False)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Close both; a second time does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.hdf5.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def plain(self) -> bool:
        """True where addresses in the file are offsets from its first byte."""
        return bool(self.hdf5.driver == "sec2" and self.hdf5.userblock_size == 0)

    def holds(self, dataset: Any) -> bool:
        """True where a dataset lies in this file and not in one that it links to."""
        numbers = [h5py.h5o.get_info(x.id).fileno for x in (self.hdf5, dataset)]
        return bool(numbers[0] == numbers[1])

    def start_of(self, dataset: Any) -> int:
        """Where a dataset in one piece begins.

        Raises:
            Unreadable: it cannot be there.
        """
        offset, size = dataset.id.get_offset(), dataset.id.get_storage_size()
        expected = math.prod(dataset.shape) * stored_item_bytes(dataset)
        if offset is None:
            raise Unreadable("it was never written")
        if size != expected:
            raise Unreadable(f"it has {size} bytes instead of {expected}")
        if self.plain and offset + size > self.size:
            raise Unreadable(f"it would reach beyond the end of the file ({self.size} bytes)")
        return int(offset)

    def check_size(self) -> None:
        """Where the file was cut short the library reads zeros, and says nothing.

        Raises:
            Shrunk: it is shorter than when it was opened.
        """
        size = os.fstat(self._descriptor).st_size
        if size < self.size:
            raise Shrunk(f"the file had {self.size} bytes when it was opened, now {size}")

    def pread(self, size: int, offset: int) -> bytes:
        """Exactly `size` bytes.

        Raises:
            Unreadable: the file ends before.
        """
        # Both may be damaged numbers: nothing is allocated for what cannot be there.
        if offset + size > self.size:
            raise Unreadable(f"the file ends before byte {offset + size}")
        data = os.pread(self._descriptor, size, offset)
        if len(data) == size:
            return data
        buffer = bytearray(size)
        self.pread_into(memoryview(buffer), offset)
        return bytes(buffer)

    def pread_into(self, buffer: memoryview, offset: int) -> None:
        """Fill the whole buffer.

        Raises:
            Unreadable: the file ends before.
        """
        while buffer:
            got = os.preadv(self._descriptor, [buffer[: 1 << 30]], offset)
            if got == 0:
                raise Unreadable(f"the file ends before byte {offset + len(buffer)}")
            buffer = buffer[got:]
            offset += got


def stored_item_bytes(dataset: Any) -> int:
    """Bytes of one value in the file; a text of any length is a reference there."""
    if dataset.dtype.kind == "O":
        return 8 + int(dataset.file.id.get_create_plist().get_sizes()[0])
    return int(dataset.id.get_type().get_size())


def name_of(dataset: Any) -> str:
    """A dataset's name as a person types it."""
    return str(dataset.name).lstrip("/")
