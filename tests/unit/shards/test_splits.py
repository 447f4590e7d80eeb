"""Splits: a function of group and seed alone, and no group in two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import UsageError
from remote.workloads.shards.blocks import ROW_GROUP_ROWS, join
from remote.workloads.shards.links import connected
from remote.workloads.shards.plan import Task, plan
from remote.workloads.shards.repeats import count_shared
from remote.workloads.shards.request import make_request
from remote.workloads.shards.sampling import chosen_groups, within
from remote.workloads.shards.settings import BuildSettings, SplitKey, Splits
from remote.workloads.shards.splits import Dealer, Links, key_words
from tests.unit.shards.making import clean_rows
from tests.unit.shards.test_plan import Stored


def dealer(*by: SplitKey, fractions: tuple[float, ...] = (0.8, 0.1, 0.1), seed: int = 1) -> Dealer:
    return Dealer.of(Splits(by, fractions), "train", seed, Links.none())


def columns(count: int) -> Mapping[str, Any]:
    return {"lsh": np.arange(count, dtype=np.int64)}


def test_shares_come_out_as_asked_for_many_groups() -> None:
    places = dealer("lsh").places(columns(100_000), 100_000)
    shares = np.bincount(places) / 100_000
    assert np.abs(shares - [0.8, 0.1, 0.1]).max() < 0.005


def test_another_seed_splits_otherwise() -> None:
    found = [dealer("lsh", seed=seed).places(columns(1_000), 1_000) for seed in (1, 1, 2)]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_a_split_without_a_share_is_not_there() -> None:
    assert dealer("lsh", fractions=(0.5, 0.0, 0.5)).splits == ("train", "test")


def test_without_a_key_all_goes_to_the_named_split() -> None:
    rows = clean_rows(10)
    found = Dealer.of(Splits(), "val", 1, Links.none())
    assert found.splits == ("val",)
    assert found(rows) == (rows,)


def test_parts_hold_every_spectrum_once_and_the_first_all_counts() -> None:
    rows = clean_rows(500)
    parts = dealer("source_file", fractions=(0.4, 0.3, 0.3))(rows)
    assert sorted(np.concatenate([part.source_row for part in parts])) == list(range(500))
    assert [part.stats["read"] for part in parts] == [500, 0, 0]
    for part in parts:
        assert part.offsets[-1] == len(part.mzs) == len(part.ints)
        for at, row in enumerate(part.source_row):
            mine = part.mzs[part.offsets[at] : part.offsets[at + 1]]
            assert np.array_equal(mine, rows.mzs[rows.offsets[row] : rows.offsets[row + 1]])
            assert part.fingerprints[at] == rows.fingerprints[row]
            assert part.columns["charge"][at] == rows.columns["charge"][row]
    files = [set(pa.array(part.columns["source_file"]).to_pylist()) for part in parts]
    assert sum(map(len, files)) == len(set().union(*files)) == 3


def test_parts_of_a_group_are_dealt_out_as_the_whole() -> None:
    pieces = [clean_rows(40, row_start=0), clean_rows(60, row_start=40)]
    deal = dealer("lsh")
    whole = deal(join(pieces))
    apart = [deal(piece) for piece in pieces]
    for place in range(3):
        rows = np.concatenate([parts[place].source_row for parts in apart])
        assert np.array_equal(whole[place].source_row, rows)


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["AAAAAAAAAAAAAA-X-N", "AAAAAAAAAAAAAA-Y-N", None, "", "short"]),
        pa.array(
            ["AAAAAAAAAAAAAA-X-N", "AAAAAAAAAAAAAA-Y-N", None, "", "short"]
        ).dictionary_encode(),
    ],
)
def test_a_compound_is_the_first_fourteen_letters(values: pa.Array) -> None:
    words, known = key_words("inchikey14", {"inchikey": values}, 5)
    assert known.tolist() == [True, True, False, False, False]
    assert words[0] == words[1]


def test_names_are_equal_however_they_are_stored() -> None:
    names = ["a.mzML", "ä.mzML", "a.mzML", ""]
    plain = pa.array(names)
    found = [
        key_words("source_file", {"source_file": x}, 4) for x in (plain, plain.dictionary_encode())
    ]
    assert np.array_equal(found[0][0], found[1][0])
    assert found[0][1].tolist() == [True, True, True, False]
    fixed = np.array([name.encode() for name in names], "S8")
    assert np.array_equal(
        key_words("lsh", {"lsh": fixed}, 4)[0], key_words("lsh", {"lsh": plain}, 4)[0]
    )


def test_numbers_are_equal_however_they_are_stored() -> None:
    """As arrays of one kind of input, and as columns of another one, or of shards, with nulls."""
    plain, _ = key_words("lsh", {"lsh": np.array([7, -1, 2**62])}, 3)
    words, known = key_words("lsh", {"lsh": pa.array([7, None, -1, 2**62])}, 4)
    assert known.tolist() == [True, False, True, True]
    assert np.array_equal(words[known], plain)


def test_spectra_without_a_group_are_in_the_first_split() -> None:
    names = pa.array([None] * 1_000, pa.string())
    places = dealer("inchikey14", fractions=(0.1, 0.1, 0.8)).places({"inchikey": names}, 1_000)
    assert not places.any()


pairs = st.lists(st.tuples(st.integers(0, 30), st.integers(100, 130)), max_size=40)


@given(pairs)
def test_what_shares_a_spectrum_is_one_group(found: list[tuple[int, int]]) -> None:
    links = connected(np.array(found, np.uint64).reshape(-1, 2))
    group = {word: {word} for pair in found for word in pair}
    for one, other in found:
        together = group[one] | group[other]
        for word in together:
            group[word] = together
    words = np.array(sorted(group), np.uint64)
    assert links(words).tolist() == [min(group[word]) for word in words.tolist()]


tagged = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20)), max_size=60)


@pytest.mark.parametrize("at_once", [1 << 23, 8])
@given(found=tagged)
def test_what_splits_share_is_counted(
    found: list[tuple[int, int]], at_once: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("remote.workloads.shards.repeats.AT_ONCE", at_once)
        parts = ((split, np.array([value << 2], np.uint64)) for split, value in found)
        shared = count_shared(parts, len(found), folder)
    splits = {value: {s for s, v in found if v == value} for _, value in found}
    several = {value for value, where in splits.items() if len(where) > 1}
    assert (shared.groups, shared.several) == (len(splits), len(several))
    concerned = [sum(s == split and v in several for s, v in found) for split in range(3)]
    assert list(shared.values[:3]) == concerned
    sizes = [sum(v == value for _, v in found) for value in splits]
    assert shared.largest == max(sizes, default=0)


@given(
    st.lists(st.tuples(st.integers(1, 40_000), st.integers(1, 9_000)), min_size=1, max_size=3),
    st.integers(1, 120_000),
    st.integers(0, 5),
)
def test_a_random_sample_is_whole_row_groups(
    shapes: Sequence[tuple[int, int]], rows: int, seed: int
) -> None:
    sources = [Stored(*shape) for shape in shapes]
    ranges = chosen_groups(sources, rows, seed)
    total = sum(source.rows for source in sources)
    taken = [stop - start for of_input in ranges for start, stop in of_input]
    assert sum(taken) == min(rows, total)
    flat = [(index, *range_) for index, found in enumerate(ranges) for range_ in found]
    for index, start, stop in flat[:-1]:
        assert start % ROW_GROUP_ROWS == 0
        assert stop == min(start + ROW_GROUP_ROWS, sources[index].rows)
    tasks = within(plan(sources), ranges)
    assert [task.index for task in tasks] == list(range(len(tasks)))
    assert rows_of(tasks) == [(i, row) for i, a, b in flat for row in range(a, b)]


def rows_of(tasks: Sequence[Task]) -> list[tuple[int, int]]:
    return [(x.input_index, row) for x in tasks for row in range(x.row_start, x.row_stop)]


@pytest.mark.parametrize(
    ("settings", "options", "said"),
    [
        (BuildSettings(sample="random"), {}, "needs its size"),
        (BuildSettings(splits=Splits(("lsh",))), {"split": "val"}, "--split or --split-by"),
        (BuildSettings(splits=Splits(("lsh", "lsh"))), {}, "given twice"),
        (BuildSettings(splits=Splits(("lsh",), (0.5, 0.5))), {}, "add up to 1"),
        (BuildSettings(splits=Splits(("lsh",), (0.9, 0.2, -0.1))), {}, "add up to 1"),
        (BuildSettings(splits=Splits(("lsh",), (float("nan"), 0.5, 0.5))), {}, "add up to 1"),
    ],
)
def test_what_cannot_be_is_refused(
    settings: BuildSettings, options: Any, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        make_request(settings, None, tmp_path, options)
    assert said in f"{refused.value.problem} {refused.value.hint}"
