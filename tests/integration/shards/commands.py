"""The command line in this process, and what it leaves."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from remote.workloads.shards.__main__ import main

SMALL = ("--min-memory-gb", "0.1", "--min-disk-gb", "0.1", "--num-workers", "1")


@dataclass(frozen=True)
class Heard:
    """What a command wrote."""

    stdout: str
    stderr: str


def msms(*arguments: object, code: int = 0) -> None:
    """Run the command line; it must end with `code`."""
    try:
        main([str(word) for word in arguments])
        found: object = 0
    except SystemExit as ended:
        found = ended.code
    assert found == code


def heard(*arguments: object, code: int = 0) -> Heard:
    """The same, and what it wrote."""
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        msms(*arguments, code=code)
    return Heard(out.getvalue(), err.getvalue())


def manifest(root: Path) -> dict[str, Any]:
    """The manifest of a dataset."""
    found: dict[str, Any] = json.loads((root / "dataset_manifest.json").read_text())
    return found
