"""Parameters that name files and earlier runs: found before anything is built."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from remote.errors import InputUnusable, ResultsUnusable
from remote.hosts.stores.data import mapped
from remote.model import DataFolder, Parameter
from remote.results.read import find
from remote.schema import nearest

# results/ lies beside a run's working directory, notebooks/.
_RESULTS_SEEN = "../results"


def locate(
    parameters: tuple[Parameter, ...],
    *,
    here: Path,
    notebooks: Path,
    results_root: Path,
    data: tuple[DataFolder, ...] = (),
) -> tuple[Parameter, ...]:
    """`parameters` with files made absolute and runs made the folders that the run will see.

    A path given on the command line counts from `here`, one that is a default in the notebook
    from `notebooks`, the run's working directory. Empty values stay: the notebook decides.
    A file that is not here and below a folder of `data` may be on a host: `refuse_missing` tells.

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
            if not _may_be_elsewhere(parameter, data):
                problems += _faults(parameter)
        elif parameter.kind == "input_run" and given:
            parameter = replace(parameter, value=_run(str(given), results_root), seen=given)
        located.append(parameter)
    if problems:
        raise InputUnusable("\n".join(problems), hint=_hint(here))
    return tuple(located)


def refuse_missing(parameters: tuple[Parameter, ...], data: tuple[DataFolder, ...]) -> None:
    """Once the host is known: what is not here must be below a folder that this host sees.

    Raises:
        InputUnusable: files are missing; all of them are named.
    """
    files = [one for one in parameters if one.kind == "input_path" and one.value]
    elsewhere = [one for one in files if not Path(one.value).exists()]
    problems = [f for one in elsewhere if not _may_be_elsewhere(one, data) for f in _faults(one)]
    if problems:
        raise InputUnusable("\n".join(problems), hint="another host sees its folder; see --host")


def _may_be_elsewhere(parameter: Parameter, data: tuple[DataFolder, ...]) -> bool:
    path = Path(parameter.value)
    return not path.exists() and mapped(path, data) is not None


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
    """The folder as the run sees it."""
    folder = find(given, results_root)
    for root in (results_root.absolute(), results_root.resolve()):
        if folder.path.is_relative_to(root):
            return f"{_RESULTS_SEEN}/{folder.path.relative_to(root).as_posix()}"
    raise ResultsUnusable(
        f"{folder.path} does not lie in {results_root}", hint="name a run of this checkout"
    )


def folder_of(parameter: Parameter) -> Path:
    """The folder of an InputRun parameter, relative to the results directory."""
    return Path(str(parameter.value).removeprefix(f"{_RESULTS_SEEN}/"))
