"""Groups by several keys at once: those that share a spectrum belong together.

Every value of every key is a node; a spectrum joins the nodes of its values. What is connected
is one group. This takes a reading of the keys before the build: 8 bytes of memory for each value,
and 16 for each pair of values that share a spectrum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from remote.workloads.shards.inputs.source import Source
from remote.workloads.shards.plan import Task
from remote.workloads.shards.settings import SplitKey
from remote.workloads.shards.splits import COLUMNS, Links, Words, key_words


def linked(sources: Sequence[Source], tasks: Iterable[Task], by: Sequence[SplitKey]) -> Links:
    """Read the keys of all rows of the build, and link the groups that share one.

    Raises:
        InputUnusable: rows cannot be read.
    """
    if len(by) < 2:
        return Links.none()
    parts = list(_pairs(sources, tasks, by))
    pairs = np.concatenate([np.zeros((0, 2), np.uint64), *parts])
    return connected(np.unique(pairs, axis=0))


def _pairs(
    sources: Sequence[Source], tasks: Iterable[Task], by: Sequence[SplitKey]
) -> Iterator[npt.NDArray[np.uint64]]:
    wanted = [COLUMNS[key] for key in by]
    for task in tasks:
        source = sources[task.input_index]
        columns, sound = source.read_columns(task.row_start, task.row_stop, wanted)
        found = [key_words(key, columns, len(task)) for key in by]
        for (one, has_one), (other, has_other) in combinations(found, 2):
            both = has_one & has_other & sound
            yield np.unique(np.stack([one[both], other[both]], axis=1), axis=0)


def connected(pairs: npt.NDArray[Any]) -> Links:
    """What is connected is taken for its least word."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    words: Words
    words, places = np.unique(pairs, return_inverse=True)
    one, other = places.reshape(pairs.shape).T
    edges = coo_array((np.ones(len(one), bool), (one, other)), shape=(len(words), len(words)))
    _, labels = connected_components(edges, directed=False)
    # `words` are sorted: the first of each label is its least.
    _, firsts = np.unique(labels, return_index=True)
    first = words[firsts][labels]
    moved = first != words
    return Links(words[moved], first[moved])
