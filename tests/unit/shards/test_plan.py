"""Plans cover every row once, follow the chunks, and count source rows in file order."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from remote.workloads.shards.plan import plan


@dataclass(frozen=True)
class Stored:
    rows: int
    chunk_rows: int


INPUTS = st.lists(
    st.builds(Stored, st.integers(1, 300_000), st.sampled_from([1, 28, 512, 7_813, 39_302])),
    min_size=1,
    max_size=4,
)


@given(INPUTS, st.one_of(st.none(), st.integers(1, 600_000)))
def test_covers_the_first_rows_once_and_in_order(
    inputs: list[Stored], max_spectra: int | None
) -> None:
    tasks = plan(inputs, max_spectra)
    total = sum(source.rows for source in inputs)
    wanted = total if max_spectra is None else min(total, max_spectra)
    assert sum(len(task) for task in tasks) == wanted
    assert [task.index for task in tasks] == list(range(len(tasks)))
    reached = dict.fromkeys(range(len(inputs)), 0)
    for task in tasks:
        assert task.row_start == reached[task.input_index]
        assert task.row_start < task.row_stop
        reached[task.input_index] = task.row_stop
        full = [reached[i] == inputs[i].rows for i in range(task.input_index)]
        assert all(full), "a later input is begun before the ones before it are read"


@given(INPUTS, st.one_of(st.none(), st.integers(1, 600_000)))
def test_no_chunk_row_belongs_to_two_tasks(inputs: list[Stored], max_spectra: int | None) -> None:
    tasks = plan(inputs, max_spectra)
    for task in tasks:
        assert task.row_start % inputs[task.input_index].chunk_rows == 0
        assert len(task) < 20_000 + inputs[task.input_index].chunk_rows


def test_is_printable() -> None:
    (task,) = plan([Stored(100, 1)])
    assert str(task) == "task 0: input 0, rows 0 to 99"
