"""Numbers of things for people."""

from __future__ import annotations


def several(number: int, thing: str) -> str:
    """`1 shard`, `1,200 shards`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
