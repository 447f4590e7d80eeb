"""A project in a temporary directory, and notebooks to put into it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from remote.model import Project

WriteNotebook = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project; the working directory is its root."""
    root = tmp_path / "project"
    (root / "notebooks").mkdir(parents=True)
    (root / "results").mkdir()
    monkeypatch.chdir(root)
    return Project(root)


@pytest.fixture
def write_notebook(project: Project) -> WriteNotebook:
    """`write(name, *sources, parameters=None)`: a notebook of code cells in the project."""

    def write(name: str, *sources: str, parameters: str | None = None) -> Path:
        cells = [_cell(source, []) for source in sources]
        if parameters is not None:
            cells.insert(0, _cell(parameters, ["parameters"]))
        document = {
            "cells": cells,
            "metadata": {"kernelspec": {"name": "python3", "language": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        path = project.notebooks / f"{name}.ipynb"
        path.write_text(json.dumps(document))
        return path

    return write


def _cell(source: str, tags: list[str]) -> dict[str, object]:
    return {
        "cell_type": "code",
        "metadata": {"tags": tags},
        "source": source.splitlines(keepends=True),
        "outputs": [],
        "execution_count": None,
    }
