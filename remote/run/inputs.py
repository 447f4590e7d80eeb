"""Parameters that name files and earlier runs: found before anything is built."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from remote.errors import InputUnusable
from remote.model import Parameter
from remote.results.read import find, latest
from remote.schema import nearest

_LATEST = "latest:"


def locate(
    parameters: tuple[Parameter, ...], *, here: Path, notebooks: Path, results_root: Path
) -> tuple[Parameter, ...]:
    """`parameters` with files made absolute and runs made the folders that the run will see.

    A path given on the command line counts from `here`, one that is a default in the notebook
    from `notebooks`, the run's working directory. Empty values stay: the notebook decides.

    Raises:
        InputUnusable: files are missing or cannot be read; all of them are named.
        ResultsUnusable: an earlier run is not among the sealed results.
    """
    problems: list[str] = []
    located = []
    for parameter in parameters:
        given = parameter.value
        if parameter.kind == "input_path" and given:
            base = notebooks if parameter.source == "default" else here
            parameter = _file(parameter, Path(os.path.normpath(base / Path(given).expanduser())))
            problems += _faults(parameter)
        elif parameter.kind == "input_run" and given:
            parameter = replace(parameter, value=_run(str(given), results_root), seen=given)
        located.append(parameter)
    if problems:
        raise InputUnusable("\n".join(problems), hint=_hint(here))
    return tuple(located)


def _file(parameter: Parameter, path: Path) -> Parameter:
    value = str(path)
    return replace(
        parameter, value=value, seen=parameter.value if value != parameter.value else None
    )


def _faults(parameter: Parameter) -> list[str]:
    path = Path(parameter.value)
    if path.is_dir():
        return [f"{parameter.name}: {path} is a directory; name a file in it"]
    if not path.exists():
        return [f"{parameter.name}: there is no file {path}{_near(path)}"]
    if not path.is_file():
        return [f"{parameter.name}: {path} is not a regular file"]
    if not os.access(path, os.R_OK):
        return [f"{parameter.name}: {path} may not be read by you"]
    return []


def _near(path: Path) -> str:
    parent = path.parent
    while not parent.is_dir():
        path, parent = parent, parent.parent
    try:
        names = [entry.name for entry in parent.iterdir()]
    except OSError:
        return ""
    suggestion = nearest(path.name, names)
    return suggestion or (f" ({path} does not exist)" if path.suffix == "" else "")


def _hint(here: Path) -> str:
    return f"Paths on the command line are relative to {here}."


def _run(given: str, results_root: Path) -> str:
    """The folder as the run sees it: results/ lies beside its working directory, notebooks/."""
    if given.startswith(_LATEST):
        folder = latest(given.removeprefix(_LATEST), results_root)
    else:
        folder = find(given, results_root)
    return f"../results/{folder.path.relative_to(results_root.absolute()).as_posix()}"
