"""Repeats are counted the same, however many values there are room for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote.workloads.shards import repeats
from remote.workloads.shards.repeats import Repeats, count_repeats

VALUES = st.lists(st.one_of(st.integers(0, 9), st.integers(0, 2**64 - 1)), max_size=200)


@settings(max_examples=60)
@given(values=VALUES, cut=st.integers(0, 200), room=st.sampled_from([3, 50, 1_000]))
def test_equals_plain_counting(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], cut: int, room: int
) -> None:
    folder = tmp_path_factory.mktemp("repeats")
    parts = [np.array(part, np.uint64) for part in (values[:cut], values[cut:])]
    counts = Counter(values).values()
    expected = Repeats(sum(n - 1 for n in counts), sum(n for n in counts if n > 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "AT_ONCE", room)
        assert count_repeats(parts, len(values), folder) == expected
    assert list(folder.iterdir()) == []


def test_no_values_at_all(tmp_path: Path) -> None:
    assert count_repeats([], 0, tmp_path) == Repeats()
