"""Reading what is to be run: run.json and the notebook, before anything heavy is imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remote.errors import InternalError, NotebookUnusable
from remote.runner.directory import RunDirectory


@dataclass(frozen=True, slots=True)
class RunSpec:
    """The part of run.json that the runner acts on.

    Attributes:
        parameters: what is injected after the parameters cell; values are typed already.
        working_directory: where the kernel runs.
    """

    id: str
    attempt: int
    parameters: Mapping[str, Any]
    working_directory: Path


def read_spec(directory: RunDirectory) -> RunSpec:
    """Raises InternalError: run.json is written by the controller, never by a person."""
    try:
        spec = json.loads(directory.spec.read_text(encoding="utf-8"))
        return RunSpec(
            id=spec["id"],
            attempt=spec.get("attempt", 1),
            parameters=_injected(spec.get("parameters", [])),
            working_directory=_working_directory(spec),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InternalError(
            f"{directory.spec}: cannot be used as a run's specification: {error!r}",
            hint="the run directory was not written by this version; start the run again",
        ) from error


def _injected(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """Defaults stay in the parameters cell, unless the run sees another value than it says."""
    return {
        p["name"]: p["value"] for p in parameters if p.get("source") != "default" or "seen" in p
    }


def _working_directory(spec: Mapping[str, Any]) -> Path:
    stated = spec.get("paths", {}).get("working_directory")
    return Path(stated) if stated and Path(stated).is_dir() else Path.cwd()


def check_notebook(path: Path) -> None:
    """Refuse early what cannot be executed: unreadable, not a notebook, another language.

    Raises:
        NotebookUnusable: with the reason.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise NotebookUnusable(
            f"{path.name}: cannot be read as a notebook: {error}",
            hint="open it in Jupyter, save it again, and start the run again",
        ) from error
    if not isinstance(notebook, dict) or not {"nbformat", "metadata"} <= notebook.keys():
        raise NotebookUnusable(
            f"{path.name}: is JSON, but no notebook: it lacks nbformat and metadata",
            hint="open it in Jupyter, save it again, and start the run again",
        )
    language = _language(notebook["metadata"])
    if language not in ("python", "ipython"):
        raise NotebookUnusable(
            f"{path.name}: its language is {language!r}; runs execute Python notebooks",
            hint="choose a Python kernel in Jupyter and save the notebook",
        )


def _language(metadata: Any) -> str:
    """As Jupyter records it; a notebook that does not say is Python."""
    if not isinstance(metadata, dict):
        return "python"
    stated = (metadata.get("language_info") or {}).get("name")
    stated = stated or (metadata.get("kernelspec") or {}).get("language")
    return str(stated or "python").lower()
