"""Which source rows the shards hold, so that none is held twice.

A bit for each source row: 25 MB for 200 million. Row groups hold rows of one block of
`ROW_GROUP_ROWS` source rows, and bits are kept by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from remote.workloads.shards.blocks import ROW_GROUP_ROWS


@dataclass(frozen=True, slots=True)
class SourceRows:
    """The source rows of a row group: of one block of one input, each once, rising."""

    input: str
    rows: npt.NDArray[np.int64]

    @property
    def block(self) -> int:
        """The block that they are of."""
        return int(self.rows[0]) // ROW_GROUP_ROWS


class Seen:
    """The rows that were met so far, and where."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, int], list[tuple[str, npt.NDArray[np.uint8]]]] = {}

    def again(self, file: str, met: SourceRows) -> Iterator[tuple[int, str]]:
        """Take note of rows; those that were met before, each with the file that has it."""
        mask = np.zeros(ROW_GROUP_ROWS, bool)
        mask[met.rows - met.block * ROW_GROUP_ROWS] = True
        bits = np.packbits(mask)
        known = self._blocks.setdefault((met.input, met.block), [])
        for other, others in known:
            both = bits & others
            if both.any():
                rows = np.flatnonzero(np.unpackbits(both)) + met.block * ROW_GROUP_ROWS
                yield from ((int(row), other) for row in rows)
        known.append((file, bits))
