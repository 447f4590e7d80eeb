"""Flags that take several values."""

from __future__ import annotations

import pytest

from remote.workloads.shards.cli.several import repeated


@pytest.mark.parametrize(
    ("typed", "parsed"),
    [
        ("--input a b --resume", "--input a --input b --resume"),
        ("--input-hdf5 a --input b c", "--input-hdf5 a --input b --input c"),
        ("--input=a b", "--input=a --input b"),
        ("--seed 3 --carry x y --input a", "--seed 3 --carry x --carry y --input a"),
        ("--seed 3 stray", "--seed 3 stray"),
        ("--input", "--input"),
    ],
)
def test_each_value_gets_its_flag(typed: str, parsed: str) -> None:
    assert repeated(typed.split()) == parsed.split()
