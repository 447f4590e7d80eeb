"""How far a build is, told to the run's events and to whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from remote.workloads.progress import progress
from remote.workloads.shards import counts as counting


@dataclass(frozen=True, slots=True)
class Progress:
    """Source rows done of all; spectra written, dropped by the rules, dropped as broken."""

    done: int
    total: int
    written: int
    dropped: int
    errors: int
    shards: int


Watch = Callable[[Progress], None]


class Meter:
    """Adds up what row groups counted."""

    def __init__(self, total: int, watch: Watch, before: Mapping[str, Any]) -> None:
        """Begin with the counts of an earlier attempt."""
        self._watch = watch
        self._now = Progress(0, total, 0, 0, 0, 0)
        self._count(before, 0)
        self._tell()

    def add(self, stats: Mapping[str, Any], shards: int) -> None:
        """One more row group; `shards` are begun by now."""
        self._count(stats, shards)
        self._tell()

    def _count(self, stats: Mapping[str, Any], shards: int) -> None:
        now = self._now
        self._now = Progress(
            done=now.done + stats["read"],
            total=now.total,
            written=now.written + stats["written"],
            dropped=now.dropped + counting.attrition(stats),
            errors=now.errors + counting.integrity(stats) + counting.damaged(stats),
            shards=shards,
        )

    def _tell(self) -> None:
        now = self._now
        progress(
            "shards",
            now.done,
            now.total,
            unit="spectra",
            written=now.written,
            dropped=now.dropped,
            errors=now.errors,
            shards=now.shards,
        )
        self._watch(now)
