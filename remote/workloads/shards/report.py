"""The quality report (first slice): counts of all row groups, judged."""

from __future__ import annotations

from remote.workloads.shards.counts import empty, merge

__all__ = ["empty", "merge"]
