"""Memory for blocks of rows, used again when the block is gone.

A block of column chunks has 80 MB. Asking the system for that much and giving it back, for each
block, costs more than reading it.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt


class BufferPool:
    """Arrays whose memory returns to the pool when the last view of them is gone.

    Holds as many buffers as were in use at one time. Safe from any number of threads.
    """

    def __init__(self) -> None:
        self._free: list[npt.NDArray[np.uint8]] = []

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """An array with arbitrary content."""
        size = math.prod(shape) * dtype.itemsize
        buffer = self._taken(size)
        # Over a memoryview, so that views keep this array alive and not the pool's.
        array = np.frombuffer(buffer.data, np.uint8, count=size)
        weakref.finalize(array, self._free.append, buffer).atexit = False
        return array.view(dtype).reshape(shape)

    def _taken(self, size: int) -> npt.NDArray[np.uint8]:
        try:
            buffer = self._free.pop()
        except IndexError:
            return np.empty(max(size, 1), np.uint8)
        return buffer if buffer.nbytes >= size else np.empty(size, np.uint8)
