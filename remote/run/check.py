"""Refuse early: the notebook and its parameters, before anything is built or connected to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from remote.errors import NotebookUnusable
from remote.model import DataFolder, HostConfig, Parameter, Project, RunRequest
from remote.results.claim import check_name
from remote.run.declared import declarations
from remote.run.imports import missing_imports, refuse_missing_imports
from remote.run.inputs import locate, refuse_missing
from remote.run.notebook import Notebook, code_lines, read_notebook
from remote.run.parameters import Given, resolve

__all__ = ["Checked", "check", "examine", "missing_imports", "refuse_missing_imports", "request"]


@dataclass(frozen=True, slots=True)
class Checked:
    """A notebook that can run, with parameters that fit it; the host is still open."""

    project: Project
    notebook: Notebook
    parameters: tuple[Parameter, ...]
    results_root: Path


def check(path: Path, given: Given, project: Project, host: HostConfig) -> RunRequest:
    """`examine` and `request` in one, for a host that is known."""
    return request(examine(path, given, project, host.data), host)


def examine(
    path: Path, given: Given, project: Project, data: tuple[DataFolder, ...] = ()
) -> Checked:
    """Check all that does not depend on the host; `data` are folders that a host may see.

    Raises:
        NotebookUnusable: the notebook cannot be run, or has no parameters cell to fill.
        ParametersRefused: parameters do not fit it.
        InputUnusable: a file that a parameter names cannot be read.
        ResultsUnusable: an earlier run that a parameter names is not there.
    """
    path = path.absolute()
    notebook = read_notebook(path)
    _check_place(path, project)
    results_root = project.root / "results"
    check_name(path.stem, results_root, _others(path, project))
    if given and notebook.parameters_cell is None:
        raise NotebookUnusable(
            f"{path}: parameters are given, but no cell is tagged `parameters`",
            hint="In Jupyter, give the cell that assigns the defaults the tag `parameters` "
            "(View > Cell Toolbar > Tags, or the property inspector) and save.",
        )
    parameters = locate(
        resolve(declarations(notebook), given),
        here=Path.cwd(),
        notebooks=project.notebooks,
        results_root=results_root,
        data=data,
    )
    return Checked(project, notebook, parameters, results_root)


def request(checked: Checked, host: HostConfig) -> RunRequest:
    """What is to run, where.

    Raises:
        NotebookUnusable: the notebook names container paths and the host has no container.
        InputUnusable: a file is not here, and the host is none that sees it.
    """
    refuse_missing(checked.parameters, host.data)
    if host.runtime == "process":
        _check_output_paths(checked.notebook)
    return RunRequest(
        project=checked.project,
        notebook=checked.notebook.path,
        notebook_sha256=checked.notebook.sha256,
        parameters=checked.parameters,
        host=host,
        results_root=checked.results_root,
    )


def _check_place(path: Path, project: Project) -> None:
    if path.suffix != ".ipynb":
        raise NotebookUnusable(f"{path}: a notebook's name ends in .ipynb", hint="Rename it.")
    if not path.resolve().is_relative_to(project.notebooks.resolve()):
        raise NotebookUnusable(
            f"{path} lies outside {project.notebooks}; what runs is kept there, with its code",
            hint=f"Copy it there: cp '{path}' '{project.notebooks}/'",
        )


def _others(path: Path, project: Project) -> list[str]:
    found = project.notebooks.rglob("*.ipynb")
    return sorted({p.stem for p in found if ".ipynb_checkpoints" not in p.parts} - {path.stem})


def _check_output_paths(notebook: Notebook) -> None:
    cells = [c.number for c in notebook.code_cells if any(_output_paths(code_lines(c.source)))]
    if cells:
        listed = ", ".join(map(str, cells))
        raise NotebookUnusable(
            f"{notebook.path.name} names the path /output (cell {listed}), which exists in a "
            "container only; here it runs without one",
            hint='Write OUTPUT_DIR in place of Path("/output"): it is set in every cell. '
            "Or name a host with Docker: --host NAME",
        )


def _output_paths(source: str) -> Iterator[str]:
    """String literals that are /output or below it, but for the fallback of a look-up of
    OUTPUT_DIR, which is always set."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    harmless = {
        id(argument)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and any(isinstance(a, ast.Constant) and a.value == "OUTPUT_DIR" for a in call.args)
        for argument in call.args
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in harmless:
            text = node.value
            if isinstance(text, str) and (text == "/output" or text.startswith("/output/")):
                yield text
