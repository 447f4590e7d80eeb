"""What cannot run is refused before anything starts, with what to do about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from remote.errors import InputUnusable, NotebookUnusable, ResultsUnusable
from remote.model import CodeDigests, DataFolder, HostConfig, Project, RuntimeKind
from remote.run.check import check, examine, missing_imports, refuse_missing_imports, request
from remote.run.notebook import read_notebook
from remote.run.parameters import Given
from remote.run.plan import Plan, lines

WriteNotebook = Callable[..., Path]
MODULES = frozenset({"numpy"})


def host(runtime: RuntimeKind) -> HostConfig:
    return HostConfig("here", "local", runtime, "because", Path("/state"))


def test_a_notebook_that_can_run(write_notebook: WriteNotebook, project: Project) -> None:
    path = write_notebook("10_x", "print(rows)", parameters="rows: int = 3")
    asked = check(path, Given(parameters=(("rows", "5"),)), project, host("docker"))
    assert (asked.notebook, asked.notebook_name) == (path, "10_x")
    assert [(p.name, p.value, p.source) for p in asked.parameters] == [("rows", 5, "-p")]
    assert asked.results_root == project.root / "results"
    assert asked.notebook_sha256 == read_notebook(path).sha256
    assert len(asked.notebook_sha256) == 64


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not valid JSON"),
        (b'{"cells": [', "not valid JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "not a notebook"),
        (b'{"a": 1}', "not a notebook"),
        (b'{"nbformat": 3, "worksheets": []}', "format 3"),
        (b'{"nbformat": 4, "metadata": {}, "cells": [7]}', "cell 1 is no cell"),
        (
            b'{"nbformat": 4, "cells": [], "metadata": {"kernelspec": {"language": "R"}}}',
            'language is "r"',
        ),
        (
            b'{"nbformat": 4, "cells": [], "metadata": {"language_info": {"name": "julia"}}}',
            'language is "julia"',
        ),
    ],
)
def test_no_notebook(project: Project, content: bytes, says: str) -> None:
    path = project.notebooks / "x.ipynb"
    path.write_bytes(content)
    with pytest.raises(NotebookUnusable) as refused:
        examine(path, Given(), project)
    assert says in refused.value.problem
    assert str(path) in refused.value.problem
    assert refused.value.hint


def test_missing_notebook_offers_the_nearest(
    write_notebook: WriteNotebook, project: Project
) -> None:
    write_notebook("10_build_shards")
    with pytest.raises(NotebookUnusable) as refused:
        examine(project.notebooks / "10_build_shard.ipynb", Given(), project)
    assert refused.value.hint == 'Did you mean "10_build_shards.ipynb"?'
    with pytest.raises(NotebookUnusable) as refused:
        examine(project.notebooks / "zzz.ipynb", Given(), project)
    assert "10_build_shards.ipynb" in refused.value.hint
    with pytest.raises(NotebookUnusable, match="is a directory"):
        examine(project.notebooks, Given(), project)


def test_outside_notebooks(project: Project, write_notebook: WriteNotebook) -> None:
    elsewhere = write_notebook("x").rename(project.root / "x.ipynb")
    with pytest.raises(NotebookUnusable, match="lies outside") as refused:
        examine(elsewhere, Given(), project)
    assert refused.value.hint.startswith("Copy it there: cp ")


def test_a_name_that_would_mix_with_anothers(
    write_notebook: WriteNotebook, project: Project
) -> None:
    write_notebook("23_train_model")
    path = write_notebook("23_train")
    with pytest.raises(NotebookUnusable, match="23_train_model"):
        examine(path, Given(), project)


def test_parameters_without_a_cell_for_them(
    write_notebook: WriteNotebook, project: Project
) -> None:
    path = write_notebook("x", "a = 1")
    assert examine(path, Given(), project).parameters == ()
    with pytest.raises(NotebookUnusable, match="no cell is tagged `parameters`"):
        examine(path, Given(parameters=(("a", "1"),)), project)


@pytest.mark.parametrize(
    "source",
    ['Path("/output")', 'open(f"/output/{x}")', 'x = "/output/model.pkl"', '%time\ny = "/output"'],
)
def test_a_literal_output_path_needs_a_container(
    write_notebook: WriteNotebook, project: Project, source: str
) -> None:
    checked = examine(write_notebook("x", "a = 1", source), Given(), project)
    request(checked, host("docker"))
    with pytest.raises(NotebookUnusable, match=r"/output \(cell 2\)") as refused:
        request(checked, host("process"))
    assert "OUTPUT_DIR" in refused.value.hint


@pytest.mark.parametrize(
    "source",
    [
        'os.environ.get("OUTPUT_DIR", "/output")',
        "# /output",
        'print("see /output")',
        '"/outputs"',
        "x = (",
    ],
)
def test_other_mentions_of_output_do_no_harm(
    write_notebook: WriteNotebook, project: Project, source: str
) -> None:
    request(examine(write_notebook("x", source), Given(), project), host("process"))


def given_path(value: str) -> Given:
    return Given(parameters=(("data", value),))


def test_input_paths_count_from_where_they_are_written(
    write_notebook: WriteNotebook, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "data").mkdir()
    file = project.root / "data" / "a b.hdf5"
    file.write_bytes(b"x")
    path = write_notebook("x", parameters='data: InputPath = "../data/a b.hdf5"')
    (default,) = examine(path, Given(), project).parameters
    assert (default.value, default.seen) == (str(file), "../data/a b.hdf5")
    monkeypatch.chdir(project.root / "data")
    (named,) = examine(path, given_path("./a b.hdf5"), project).parameters
    assert (named.value, named.seen, named.kind) == (str(file), "./a b.hdf5", "input_path")
    (absolute,) = examine(path, given_path(str(file)), project).parameters
    assert (absolute.value, absolute.seen) == (str(file), None)
    (empty,) = examine(path, given_path(""), project).parameters
    assert (empty.value, empty.seen) == ("", None)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("data/GeMS_C9.hdf5", '; did you mean "GeMS_C.9.hdf5"?'),
        ("dta/GeMS_C.9.hdf5", 'did you mean "data"?'),
        ("data", "is a directory"),
        ("/dev/null", "not a regular file"),
    ],
)
def test_an_input_that_is_not_there(
    write_notebook: WriteNotebook, project: Project, value: str, says: str
) -> None:
    (project.root / "data").mkdir()
    (project.root / "data" / "GeMS_C.9.hdf5").touch()
    path = write_notebook("x", parameters='data: InputPath = ""\nmore: InputPath = "none"')
    with pytest.raises(InputUnusable) as refused:
        examine(path, given_path(value), project)
    first, second = refused.value.problem.splitlines()
    assert says in first
    assert second.startswith("more: there is no file")


def test_an_earlier_run_is_found_or_said_to_be_missing(
    write_notebook: WriteNotebook, project: Project
) -> None:
    path = write_notebook("11_y", parameters='source: InputRun = "latest:10_x"')
    with pytest.raises(ResultsUnusable, match="10_x"):
        examine(path, Given(), project)
    folder = project.root / "results" / "10_x_20250423_143022"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    (source,) = examine(path, Given(), project).parameters
    assert source.value == "../results/10_x_20250423_143022"
    assert source.seen == "latest:10_x"
    by_id = Given(parameters=(("source", folder.name),))
    assert examine(path, by_id, project).parameters[0].value == source.value


def test_an_earlier_run_of_another_place(
    write_notebook: WriteNotebook, project: Project, tmp_path: Path
) -> None:
    path = write_notebook("11_y", parameters='source: InputRun = ""')
    folder = tmp_path / "elsewhere" / "10_x_20250423_143022"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    with pytest.raises(ResultsUnusable, match="does not lie in"):
        examine(path, Given(parameters=(("source", str(folder)),)), project)


def test_a_file_that_a_host_may_see(
    write_notebook: WriteNotebook, project: Project, tmp_path: Path
) -> None:
    """It is not here: whether it is there is found out where the host is asked."""
    path = write_notebook("10_x", parameters='data: InputPath = ""')
    given = Given(parameters=(("data", str(tmp_path / "share" / "x.bin")),))
    folders = (DataFolder(tmp_path / "share", Path("/mnt/share")),)
    mini = HostConfig("mini", "ssh", "docker", "", Path("/s"), destination="m", data=folders)
    asked = check(path, given, project, mini)
    assert asked.parameters[0].value == str(tmp_path / "share" / "x.bin")
    assert f"{tmp_path}/share/x.bin  not sent: /mnt/share/x.bin on mini" in "\n".join(
        lines(Plan(asked, CodeDigests("l", "c", "p", "n")))
    )
    with pytest.raises(InputUnusable, match="there is no file"):
        request(examine(path, given, project, folders), host("docker"))
    with pytest.raises(InputUnusable, match="there is no file"):
        examine(path, given, project)


IMPORTS = """
import os, numpy.linalg
import sklearn.svm as svm
from remote.results import latest
from beside import thing
from package.inner import other
from . import relative
try:
    import cupy
except ImportError:
    cupy = None
if TYPE_CHECKING:
    import pandas
def later():
    import torch
"""


def test_missing_imports_name_cell_module_and_package(
    write_notebook: WriteNotebook, project: Project
) -> None:
    (project.notebooks / "beside.py").touch()
    (project.notebooks / "package").mkdir()
    path = write_notebook("x", "%pip list\nimport json", IMPORTS, "import sklearn\nimport polars")
    found = missing_imports(read_notebook(path), MODULES, project.notebooks)
    assert [(m.cell, m.module, m.package) for m in found] == [
        (2, "sklearn", "scikit-learn"),
        (2, "torch", "torch"),
        (3, "polars", "polars"),
    ]
    with pytest.raises(NotebookUnusable) as refused:
        refuse_missing_imports(path, MODULES, project.notebooks)
    assert "  cell 2: sklearn\n" in refused.value.problem
    assert refused.value.hint.endswith("./scripts/add-package.sh scikit-learn torch polars")


def test_nothing_missing_is_no_error(write_notebook: WriteNotebook, project: Project) -> None:
    path = write_notebook("x", "import numpy", "this is not Python")
    refuse_missing_imports(path, MODULES, project.notebooks)


def test_the_shipped_notebooks_pass(project_root: Path) -> None:
    project = Project(project_root)
    for path in sorted(project.notebooks.glob("*.ipynb")):
        notebook = read_notebook(path)
        assert json.loads(path.read_text())["nbformat"] == 4
        assert notebook.cells
