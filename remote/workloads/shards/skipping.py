"""Row groups of which some rows are damaged: the others are cleaned, these are counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from remote.workloads.shards.blocks import CleanRows, RawRows, join, part_of
from remote.workloads.shards.counts import DAMAGED, MAX_EXAMPLES, empty
from remote.workloads.shards.inputs.damage import Damage, runs, within


def without_damaged(raw: RawRows, clean: Callable[[RawRows], CleanRows]) -> CleanRows:
    """Clean rows of one row group, of which some may be damaged: those are counted and left out."""
    if not raw.damaged:
        return clean(raw)
    return join(
        [
            _lost(raw, start, stop, found) if found else clean(part_of(raw, start, stop))
            for start, stop in runs(raw.damaged, raw.row_start, raw.row_start + len(raw))
            for found in [within(raw.damaged, start, stop)]
        ]
    )


def _lost(raw: RawRows, start: int, stop: int, found: Sequence[Damage]) -> CleanRows:
    """No spectrum of [start, stop), and what is to be said of it."""
    examples = [[raw.input_index, row] for row in range(start, min(stop, start + MAX_EXAMPLES))]
    stats = empty() | {
        "read": stop - start,
        "dropped": {DAMAGED: stop - start},
        "examples": {DAMAGED: examples},
        "damaged_ranges": [
            [raw.input_index, x.row_start, x.row_stop, x.dataset, x.reason] for x in sorted(found)
        ],
    }
    return CleanRows(
        input_index=raw.input_index,
        row_start=start,
        row_stop=stop,
        source_row=np.zeros(0, np.int64),
        offsets=np.zeros(1, np.int64),
        mzs=np.zeros(0, np.float64),
        ints=np.zeros(0, np.float32),
        columns={},
        stats=stats,
        fingerprints=np.zeros(0, np.uint64),
    )
