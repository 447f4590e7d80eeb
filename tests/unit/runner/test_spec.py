"""What is refused before a kernel is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from remote.errors import InternalError, NotebookUnusable
from remote.runner.directory import RunDirectory
from remote.runner.spec import check_notebook, read_spec

GOOD = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{ truncated", "cannot be read"),
        ("[1, 2]", "is JSON, but no notebook"),
        (json.dumps({**GOOD, "metadata": {"language_info": {"name": "R"}}}), "'r'"),
        (json.dumps({**GOOD, "metadata": {"kernelspec": {"language": "julia"}}}), "'julia'"),
    ],
)
def test_unusable_notebooks_are_refused_with_the_reason(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "notebook.ipynb"
    path.write_text(content)
    with pytest.raises(NotebookUnusable) as caught:
        check_notebook(path)
    assert said in caught.value.problem
    assert caught.value.hint


def test_a_missing_notebook_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotebookUnusable, match="No such file"):
        check_notebook(tmp_path / "notebook.ipynb")


@pytest.mark.parametrize("metadata", [{}, {"kernelspec": {"name": "python3"}}])
def test_a_notebook_that_does_not_say_is_python(tmp_path: Path, metadata: object) -> None:
    path = tmp_path / "notebook.ipynb"
    path.write_text(json.dumps({**GOOD, "metadata": metadata}))
    check_notebook(path)


def test_defaults_are_not_injected_unless_the_run_sees_another_value(tmp_path: Path) -> None:
    parameters = [
        {"name": "a", "value": 1, "source": "default", "kind": "value"},
        {"name": "b", "value": "007", "source": "-r", "kind": "value"},
        {
            "name": "c",
            "value": "/inputs/c/x",
            "seen": "x",
            "source": "default",
            "kind": "input_path",
        },
    ]
    (tmp_path / "run.json").write_text(json.dumps({"id": "i", "parameters": parameters}))
    spec = read_spec(RunDirectory(tmp_path))
    assert spec.parameters == {"b": "007", "c": "/inputs/c/x"}


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"id": "x", "parameters": [{}]}'])
def test_a_broken_run_json_is_a_defect(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(InternalError, match=r"run\.json"):
        read_spec(RunDirectory(tmp_path))
