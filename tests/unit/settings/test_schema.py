"""Settings files are read strictly, and every fault is told at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import ConfigInvalid
from remote.schema import dump_yaml, from_mapping, load_yaml, parse_size, read_yaml


@dataclass(frozen=True)
class Inner:
    memory: int | None = field(default=None, metadata={"bytes": True, "min": 1000})
    cpus: float = field(default=1.0, metadata={"min": 0.5, "max": 8})


@dataclass(frozen=True)
class Outer:
    name: str
    kind: Literal["a", "b"] = "a"
    live: bool = True
    where: Path = Path("/")
    items: tuple[int, ...] = ()
    inner: Inner = field(default_factory=Inner)
    many: Mapping[str, Inner] = field(default_factory=dict)


def refused(raw: object) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        from_mapping(raw, Outer, "file.yaml")
    return caught.value.problem.splitlines()


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "name: n\nkind: b\nlive: false\nwhere: /data\nitems: [1, 2]\n"
        "inner: {memory: 12 GiB, cpus: 2}\nmany:\n  x: {cpus: 5e-1}\n"
    )
    assert read_yaml(path, Outer) == Outer(
        "n", "b", False, Path("/data"), (1, 2), Inner(12 << 30, 2.0), {"x": Inner(cpus=0.5)}
    )


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("# nothing\n")
    assert read_yaml(path, Inner) == Inner()


def test_every_problem_at_once_with_its_path() -> None:
    lines = refused(
        {
            "nam": "n",
            "kind": "c",
            "live": "yes",
            "items": [1, "2"],
            "inner": {"memory": "lots", "cpus": 99},
            "many": {"x": {"cpu": 1}, "y": 3},
        }
    )
    assert lines == [
        "file.yaml: 9 problems",
        '  nam: unknown key; did you mean "name"?',
        "  name: is missing",
        "  kind: expected one of a, b, got 'c'",
        "  live: expected true or false, got 'yes'",
        "  items/1: expected a whole number, got '2'",
        '  inner/memory: "lots" is not a size such as "12 GiB" or "500 MB"',
        "  inner/cpus: must be at most 8, got 99.0",
        '  many/x/cpu: unknown key; did you mean "cpus"?',
        "  many/y: expected keys and values, got 3",
    ]


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ([], "  (top level): expected keys and values, got a list"),
        ({"name": None}, "  name: expected text, got nothing"),
        ({"name": "n", "inner": {"cpus": True}}, "  inner/cpus: expected a number, got True"),
        (
            {"name": "n", "inner": {"memory": 1.5}},
            "  inner/memory: expected a whole number, got 1.5",
        ),
        ({"name": "n", "inner": {"memory": 1}}, "  inner/memory: must be at least 1000, got 1"),
        (
            {"name": "n", "inner": {"cpus": float("nan")}},
            "  inner/cpus: must be a finite number, got nan",
        ),
        (
            {"name": "n", "inner": {"cpus": float("inf")}},
            "  inner/cpus: must be a finite number, got inf",
        ),
        ({"name": "n", 7: 1}, "  7: unknown key"),
        ({"name": "n", "cpus": 2}, '  cpus: unknown key; it belongs under "inner"'),
    ],
)
def test_one_problem(raw: object, line: str) -> None:
    assert refused(raw)[1:] == [line]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: [1,", "line 1, column 10"),
        ("name: a\nname: b\n", 'line 2, column 1: the key "name" is given twice'),
        ("inner:\n  cpus: 1\n  cpus: 2\n", 'line 3, column 3: the key "cpus" is given twice'),
        ("name: !!python/object:os.system x", "could not determine a constructor"),
    ],
)
def test_broken_yaml_names_the_spot(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigInvalid) as caught:
        read_yaml(path, Outer)
    assert str(path) in caught.value.problem
    assert says in caught.value.problem


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml", Outer)
    (tmp_path / "bytes.yaml").write_bytes(b"name: \xff")
    with pytest.raises(ConfigInvalid, match="not UTF-8 text"):
        read_yaml(tmp_path / "bytes.yaml", Outer)


@given(st.integers(0, 2**50), st.sampled_from(["", "B", "kB", "KiB", "MiB", "GB", "GiB", "TB"]))
def test_sizes_are_exact_for_whole_numbers(number: int, unit: str) -> None:
    factor = {"": 1, "B": 1, "kB": 10**3, "KiB": 2**10, "MiB": 2**20}.get(unit)
    factor = factor or {"GB": 10**9, "GiB": 2**30, "TB": 10**12}[unit]
    assert parse_size(f"{number} {unit}") == number * factor


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "kind", "inner", "many", "cpus", "memory", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_input_is_taken_or_refused(raw: object) -> None:
    try:
        taken = from_mapping(raw, Outer, "x")
    except ConfigInvalid as refused:
        lines = refused.problem.splitlines()
    else:
        lines = [taken.name, taken.kind]
    assert len(lines) > 1


LEAVES = (
    st.text() | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)
    | st.sampled_from(["1e3", "yes", "2025-04-23", "0x10", "1_000", "null", "~", "=", "<<"])
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(VALUES)
def test_yaml_is_read_as_it_was_written(value: object) -> None:
    assert load_yaml(dump_yaml(value), "here") == value
