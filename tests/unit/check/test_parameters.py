"""Parameters: what a cell declares, and what the command line may make of it."""

from __future__ import annotations

import ast
import base64
import json
from pathlib import Path
from typing import Any

import papermill
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from remote.errors import NotebookUnusable, ParametersRefused
from remote.model import Parameter
from remote.run.declared import Declared, declarations
from remote.run.notebook import Cell, Notebook
from remote.run.parameters import Given, declared, resolve

CELL = """
from typing import Literal
from remote.workloads import InputPath
input_hdf5: InputPath = ""
max_spectra: int | None = None
name = "x"   # a name
ratio: float = 0.5
deep: bool = False
sizes: list[int] = [1, 2]
limits: dict[str, float] = {}
split: Literal["train", "val"] = "train"
workers: "Optional[int]" = None
either: int | str = 0
count = 3
"""


def of_cell(source: str) -> tuple[Declared, ...]:
    cell = Cell(1, True, source, frozenset({"parameters"}))
    return declarations(Notebook(Path("n.ipynb"), "", (cell,)))


DECLARED = of_cell(CELL)


def value_of(given: Given, name: str) -> Any:
    return {p.name: p for p in resolve(DECLARED, given)}[name].value


def p(name: str, value: str) -> Given:
    return Given(parameters=((name, value),))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("name", "007", "007"),
        ("name", "2024_01", "2024_01"),
        ("name", "1e3", "1e3"),
        ("name", "true", "true"),
        ("name", "", ""),
        ("max_spectra", "None", None),
        ("max_spectra", "007", 7),
        ("max_spectra", "1e3", 1000),
        ("max_spectra", "10_000", 10_000),
        ("max_spectra", "-5", -5),
        ("ratio", "1", 1.0),
        ("ratio", "1e-3", 1e-3),
        ("deep", "true", True),
        ("deep", "False", False),
        ("sizes", "[3]", [3]),
        ("limits", "{a: 1}", {"a": 1.0}),
        ("split", "val", "val"),
        ("workers", "4", 4),
        ("either", "4", 4),
        ("either", "four", "four"),
        ("count", "4", 4),
        ("input_hdf5", "data/x.hdf5", "data/x.hdf5"),
    ],
)
def test_text_converts_by_the_declared_type(name: str, text: str, value: object) -> None:
    got = value_of(p(name, text), name)
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("max_spectra", "1.5"),
        ("max_spectra", "2024_01"),
        ("max_spectra", "1e999999999"),
        ("max_spectra", "ten"),
        ("max_spectra", ""),
        ("max_spectra", "nan"),
        ("max_spectra", "true"),
        ("ratio", "nan"),
        ("ratio", "1_0"),
        ("ratio", "None"),
        ("deep", "2"),
        ("sizes", "3"),
        ("sizes", "[a]"),
        ("sizes", "[1"),
        ("limits", "{a: b}"),
        ("split", "trian"),
        ("count", "1.5"),
    ],
)
def test_text_that_does_not_fit_is_refused(name: str, text: str) -> None:
    with pytest.raises(ParametersRefused) as refused:
        resolve(DECLARED, p(name, text))
    assert refused.value.problem.splitlines()[0] == "1 problem with the parameters"
    assert refused.value.problem.splitlines()[1].startswith(f"  {name}: ")
    assert refused.value.exit_code == 11


def test_every_problem_at_once_with_the_nearest_name_and_what_there_is() -> None:
    given = Given(
        parameters=(("max_spectr", "5"), ("ratio", "x")),
        raw=(("count", "5"),),
        yaml=("{deep: 1}", "[1]", "{a"),
        base64=("%%%",),
        files=(Path("/nonexistent/p.yaml"),),
    )
    with pytest.raises(ParametersRefused) as refused:
        resolve(DECLARED, given)
    text = refused.value.problem
    assert text.startswith("8 problems with the parameters\n")
    assert 'max_spectr: the notebook has no such parameter; did you mean "max_spectra"?' in text
    assert 'ratio: "x" is not a number (declared: ratio: float = 0.5)' in text
    assert 'count: "5" is not a whole number (declared: count = 3)' in text
    assert "deep: 1 is not true or false" in text
    assert "-y: expected names and values" in text
    assert "-y: not valid YAML: line 1" in text
    assert "-b: is not base64" in text
    assert "-f /nonexistent/p.yaml: cannot be read: No such file" in text
    assert "  max_spectra: int | None = None" in refused.value.hint


def test_a_value_without_default_must_be_given() -> None:
    wanted = of_cell("rows: int\nname: str = 'x'")
    with pytest.raises(ParametersRefused, match="rows: has no default"):
        resolve(wanted, Given())
    assert resolve(wanted, p("rows", "3"))[0] == Parameter("rows", 3, "-p")


def test_letters_win_in_papermills_order(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("count: 2\nname: file\nratio: 2\ndeep: true\n")
    given = Given(
        parameters=(("count", "4"), ("name", "p")),
        raw=(("name", "r"),),
        yaml=("{count: 3, ratio: 3}",),
        base64=(base64.b64encode(b"{count: 1, deep: false, sizes: [9]}").decode(),),
        files=(path,),
    )
    sources = {p.name: (p.value, p.source) for p in resolve(DECLARED, given)}
    assert sources["count"] == (4, "-p")
    assert sources["name"] == ("r", "-r")
    assert sources["ratio"] == (3.0, "-y")
    assert sources["deep"] == (True, str(path))
    assert sources["sizes"] == ([9], "-b")
    assert sources["split"] == ("train", "default")


def test_yaml_dates_stay_text_and_what_json_lacks_is_refused() -> None:
    assert value_of(Given(yaml=("{name: 2024-01-01}",)), "name") == "2024-01-01"
    untyped = of_cell("x = None")
    with pytest.raises(ParametersRefused, match="cannot be recorded"):
        resolve(untyped, Given(yaml=("{x: .nan}",)))
    with pytest.raises(ParametersRefused, match="cannot be recorded"):
        resolve(untyped, Given(yaml=("{x: !!set {a}}",)))


@pytest.mark.parametrize(
    ("text", "value"), [("1e3", "1e3"), ("007", "007"), ("7", 7), ("0.5", 0.5)]
)
def test_without_a_type_only_what_reads_back_the_same_is_a_number(text: str, value: object) -> None:
    assert resolve(of_cell("x = None"), p("x", text))[0].value == value


def test_an_expression_is_left_to_the_notebook() -> None:
    cell = "import os\nhome = os.environ['HOME']\nwhen: str = str(1)\npair = (1, 2)"
    assert resolve(of_cell(cell), Given()) == ()
    assert [d.default_text for d in of_cell(cell)] == ["os.environ['HOME']", "str(1)", "(1, 2)"]
    assert resolve(of_cell(cell), p("when", "now")) == (Parameter("when", "now", "-p"),)


def test_kinds() -> None:
    cell = "a: InputPath = ''\nb: workloads.InputRun = ''\nc: InputPath | None = None\nd = 1"
    assert [d.kind for d in of_cell(cell)] == ["input_path", "input_run", "input_path", "value"]


def test_magics_do_not_hide_the_names_below_them() -> None:
    assert [d.name for d in of_cell("%load_ext autoreload\n!ls\nx: int = 1")] == ["x"]


def test_a_broken_cell_is_named_with_its_line() -> None:
    with pytest.raises(NotebookUnusable, match=r"parameters cell \(cell 1\).*line 2"):
        of_cell("x = 1\ny = = 2")


names = st.sampled_from(["alpha", "b_1", "Gamma", "x"])
written_types = st.sampled_from(["", "int", "float", "str", "list[int]", "dict", "bool"])
literals = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1000, 1000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text("abc xyz_/.", max_size=6),
    st.lists(st.integers(0, 9), max_size=3),
)
comments = st.sampled_from(["", "  # how many", "  # a note, with 3 words"])


@given(st.lists(st.tuples(names, written_types, literals, comments), max_size=4))
@example([("x", "int", None, "")])
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
def test_agrees_with_papermill_where_it_sees_a_name(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str, object, str]]
) -> None:
    text = [f"{n}{f': {a}' if a else ''} = {v!r}{c}" for n, a, v, c in lines]
    path = tmp_path_factory.mktemp("n") / "n.ipynb"
    source = "\n".join(["import os", *text, "hidden: int | None = None"])
    cell: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {"tags": ["parameters"]},
        "source": source,
    }
    cell |= {"outputs": [], "execution_count": None, "id": "a"}
    kernel: dict[str, Any] = {
        "kernelspec": {"name": "python3", "language": "python", "display_name": "x"}
    }
    format4: dict[str, Any] = {"nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps({"cells": [cell], "metadata": kernel, **format4}))
    theirs = papermill.inspect_notebook(path)
    ours = {item.name: item for item in declared(path)}
    assert ours.keys() == theirs.keys() | {"hidden"}
    for name, parameter in theirs.items():
        assert ours[name].annotation in (None, parameter["inferred_type_name"])
        assert ast.literal_eval(str(ours[name].default_text)) == ours[name].default
        assert ours[name].default_text == parameter["default"]


@given(st.text(max_size=12))
def test_text_parameters_take_any_text_as_it_is(text: str) -> None:
    assert value_of(p("name", text), "name") == text


@given(st.integers(-(10**30), 10**30))
def test_whole_numbers_survive(number: int) -> None:
    assert value_of(p("max_spectra", str(number)), "max_spectra") == number
    assert value_of(Given(yaml=(f"{{max_spectra: {number}}}",)), "max_spectra") == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive(number: float) -> None:
    assert value_of(p("ratio", repr(number)), "ratio") == number
