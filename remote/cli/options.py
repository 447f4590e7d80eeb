"""Arguments that several verbs share."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from remote.model import Project

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def project() -> Project:
    """The checkout that this package belongs to."""
    return Project(Path(__file__).absolute().parents[2])


def command() -> str:
    """How to call `remote` from here: by name where it is on PATH, else the checkout's script."""
    found = shutil.which("remote")
    if found and Path(found).parent == Path(sys.executable).parent:
        return "remote"
    return shlex.quote(os.path.relpath(project().root / "scripts" / "remote"))


def _complete_run(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from remote.config import state_dir

    runs = state_dir() / "runs"
    names = sorted(path.name for path in runs.iterdir()) if runs.is_dir() else []
    return [CompletionItem(name) for name in reversed(names) if name.startswith(incomplete)]


run_argument: Decorator = click.argument("run", shell_complete=_complete_run)
optional_run_argument: Decorator = click.argument(
    "run", required=False, shell_complete=_complete_run
)


class Size(click.ParamType[int]):
    """A size such as 12GiB or 500MB, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from remote.schema import parse_size

        if isinstance(value, int):
            return value
        try:
            return parse_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
