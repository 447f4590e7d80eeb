"""No group of any key is on both sides; the share is as near as groups allow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import InputUnusable
from remote.workloads.shards.precursor.split import (
    HELD_OUT,
    LEFT_OUT,
    TRAIN,
    Keys,
    Split,
    split_as_dealt,
    split_by_groups,
)

Words = npt.NDArray[np.uint64]


def key(words: list[int], known: list[bool] | None = None) -> tuple[Words, npt.NDArray[np.bool_]]:
    return np.array(words, np.uint64), np.array(known or [True] * len(words))


def assert_apart(split: Split, keys: Keys) -> None:
    for words, known in keys.values():
        trained = set(words[known & (split.sides == TRAIN)].tolist())
        assert not trained & set(words[known & (split.sides == HELD_OUT)].tolist())


@given(st.data(), st.integers(0, 5))
def test_no_group_is_on_both_sides(data: st.DataObject, seed: int) -> None:
    rows = data.draw(st.integers(2, 60))
    column = st.lists(st.integers(0, 12), min_size=rows, max_size=rows)
    some = st.lists(st.booleans(), min_size=rows, max_size=rows)
    keys: Keys = {
        "source_file": key(data.draw(column), data.draw(some)),
        "lsh": key([n + 100 for n in data.draw(column)], data.draw(some)),
    }
    try:
        split = split_by_groups(keys, rows, 0.3, seed)
    except InputUnusable:
        return
    assert_apart(split, keys)
    words, known = keys["source_file"]
    for word in set(words[known].tolist()):
        assert len(set(split.sides[known & (words == word)].tolist()) - {LEFT_OUT}) <= 1
    assert split.record()["spectra"] == {
        "trained_on": int((split.sides == TRAIN).sum()),
        "held_out": int((split.sides == HELD_OUT).sum()),
        "left_out": int((split.sides == LEFT_OUT).sum()),
    }


@pytest.mark.parametrize("seed", range(4))
def test_the_share_is_as_asked_for_many_groups(seed: int) -> None:
    keys: Keys = {"source_file": key(np.repeat(np.arange(200), 50).tolist())}
    split = split_by_groups(keys, 10_000, 0.2, seed)
    assert (split.sides == HELD_OUT).mean() == pytest.approx(0.2, abs=0.005)
    others = split_by_groups(keys, 10_000, 0.2, seed + 1)
    assert not np.array_equal(split.sides, others.sides)


@pytest.mark.parametrize("seed", range(6))
def test_of_a_few_groups_of_unlike_size_one_is_held_out_that_fits(seed: int) -> None:
    keys: Keys = {"source_file": key([1] * 76 + [2] * 30 + [3] * 5)}
    split = split_by_groups(keys, 111, 0.2, seed)
    assert (split.sides == HELD_OUT).sum() in (30, 35)


def test_what_shares_another_key_with_those_trained_on_is_left_out() -> None:
    keys: Keys = {"source_file": key([1] * 8 + [2] * 2), "lsh": key([*range(8), 7, 8])}
    split = split_by_groups(keys, 10, 0.2, 0)
    assert split.sides.tolist() == [TRAIN] * 8 + [LEFT_OUT, HELD_OUT]
    assert split.record()["spectra"] == {"trained_on": 8, "held_out": 1, "left_out": 1}


def test_a_dataset_s_own_split_is_kept_but_for_what_leaks() -> None:
    keys: Keys = {"lsh": key([1, 2, 3, 3, 4])}
    split = split_as_dealt(3, 2, keys, "test")
    assert split.sides.tolist() == [TRAIN, TRAIN, TRAIN, LEFT_OUT, HELD_OUT]
    assert split.how == "the dataset's own split test"


def test_one_group_cannot_be_divided() -> None:
    with pytest.raises(InputUnusable, match=r"source_file on both sides; there is 1 of") as refused:
        split_by_groups({"source_file": key([1] * 10)}, 10, 0.2, 0)
    assert "group_by" in refused.value.hint


def test_without_a_key_single_spectra_are_held_out() -> None:
    split = split_by_groups({}, 1_000, 0.2, 0)
    assert (split.sides == HELD_OUT).sum() == 200
    assert split.how == "groups of single spectra"
