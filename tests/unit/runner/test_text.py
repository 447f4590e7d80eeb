"""What the executed notebook keeps of what was printed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.runner import text as text_module
from remote.runner.text import BoundedText, CellText, overwritten


@given(st.lists(st.text(alphabet="ab \n", max_size=20)))
def test_text_within_the_bound_is_kept_as_it_was(pieces: list[str]) -> None:
    bounded = BoundedText()
    for piece in pieces:
        bounded.add(piece)
    assert str(bounded) == "".join(pieces)


@given(st.lists(st.text(alphabet="ab\r\n", max_size=10)))
def test_where_the_text_is_cut_makes_no_difference(pieces: list[str]) -> None:
    at_once, in_pieces = BoundedText(), BoundedText()
    at_once.add("".join(pieces))
    for piece in pieces:
        in_pieces.add(piece)
    assert str(in_pieces).rstrip("\r") == str(at_once).rstrip("\r")


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        ("10%\r20%\r30%\n", "30%\n"),
        ("10%\r20%\r", "20%\r"),
        ("dos\r\nlines\r\n", "dos\r\nlines\r\n"),
        ("plain\n", "plain\n"),
    ],
)
def test_a_progress_bar_leaves_its_last_state(printed: str, kept: str) -> None:
    assert overwritten(printed) == kept


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_past_the_bound_head_and_tail_are_kept_and_the_gap_is_counted(lengths: list[int]) -> None:
    bounded = BoundedText(head=100, tail=50)
    lines = [f"{n:0{length}d}\n" for n, length in enumerate(lengths)]
    for line in lines:
        bounded.add(line)
    whole, kept = "".join(lines), str(bounded)
    assert kept.startswith(whole[:100])
    assert kept.endswith(whole[-50:])
    if "left out" in kept:
        gap = int(kept.partition("[")[2].partition(" ")[0].replace(",", ""))
        said = len(f"\n[{gap:,} characters left out here; kernel.log has them all]\n")
        assert len(kept) - said + gap == len(whole)
    else:
        assert kept == whole


def test_neighbouring_texts_of_a_stream_share_an_output() -> None:
    cell, outputs = CellText(), list[Any]()
    for name, text in [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d")]:
        cell.add(outputs, name, text)
    assert [(o.name, o.text) for o in outputs] == [
        ("stdout", "ab"),
        ("stderr", "c"),
        ("stdout", "d"),
    ]


def test_a_full_cell_gets_no_further_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "HEAD_CHARACTERS", 10)
    cell, outputs = CellText(), list[Any]()
    for n in range(50):
        cell.add(outputs, ("stdout", "stderr")[n % 2], f"{n}\n")
    assert len(outputs) < 12
    assert sorted(output.text[-3:] for output in outputs[-2:]) == ["48\n", "49\n"]


def test_cleared_outputs_are_not_written_to_again() -> None:
    cell, outputs = CellText(), list[Any]()
    cell.add(outputs, "stdout", "gone")
    outputs.clear()
    cell.add(outputs, "stdout", "new")
    assert [o.text for o in outputs] == ["new"]
