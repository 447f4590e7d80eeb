"""outcome.json: the last thing a runner writes, and the proof that it ended by itself."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from remote.runner.ending import Ending
from remote.runner.watch import MemoryWatch
from remote.workloads.hostfacts import cores


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, milliseconds, with a Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def packages() -> dict[str, str]:
    """Every installed distribution by name, from the names of its metadata folders.

    Parsing the metadata of two hundred packages would take half a second of every run.
    """
    found: dict[str, str] = {}
    for entry in filter(None, sys.path):
        for folder in sorted(Path(entry).glob("*.dist-info")):
            name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
            found.setdefault(name, version)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def outcome(
    ending: Ending, started: datetime, finished: datetime, memory: MemoryWatch
) -> Mapping[str, Any]:
    """The content of outcome.json (schema 1). Times UTC, sizes bytes, seconds wall clock."""
    return {
        "schema": 1,
        "state": ending.state.value,
        "exit_code": ending.exit_code,
        "error": ending.failure.as_json() if ending.failure else None,
        "started_at": iso(started),
        "finished_at": iso(finished),
        "seconds": round((finished - started).total_seconds(), 3),
        "cells": ending.cells,
        "cells_run": ending.cells_run,
        "peak_memory_bytes": memory.peak_bytes,
        "memory_limit_bytes": memory.limit_bytes,
        "oom_kills": memory.oom_kills,
        "signal": ending.signal,
        "packages": packages(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "hostname": platform.node(),
        "cores": cores(),
    }
