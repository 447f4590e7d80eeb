"""The runner's own records in events.jsonl."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from remote.workloads.progress import append_record

Emit = Callable[..., None]


def emitter(path: Path) -> Emit:
    """`emit(event, **fields)` for one events file; a full disk loses records, not the run."""

    def emit(event: str, **fields: Any) -> None:
        with suppress(OSError):
            append_record(path, event, fields)

    return emit
