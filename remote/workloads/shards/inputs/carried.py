"""Further columns that are carried from the inputs because the config names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from remote.errors import InputUnusable, UsageError
from remote.workloads.shards.inputs.source import Source
from remote.workloads.shards.schema import COLUMNS

_SHOWN = 30


def check_names(carry: Sequence[str]) -> None:
    """Refuse names that a column has already; letters' case does not tell columns apart.

    Raises:
        UsageError: names the first of them.
    """
    taken = {column.name.casefold() for column in COLUMNS}
    for name in carry:
        if not name.strip():
            raise UsageError("A name to carry is empty.", hint="Name a dataset of the input.")
        if name.casefold() in taken:
            raise UsageError(
                f"{name!r} cannot be carried: the shards have a column of that name already.",
                hint="Leave it out of --carry (config: input/carry); `msms build-shards --dry-run` "
                "lists the columns.",
            )
        taken.add(name.casefold())


def check_carried(sources: Sequence[Source], carry: Sequence[str]) -> None:
    """Refuse what no input has, and what has another type in one input than in another.

    Raises:
        InputUnusable: names the first of them, and what there is.
    """
    for name in carry:
        holders = [source for source in sources if name in source.carried]
        if not holders:
            raise InputUnusable(
                f"No input holds {name!r}, which is to be carried. There are: {_offers(sources)}.",
                hint="Names count letter by letter; correct --carry (config: input/carry).",
            )
        first = holders[0]
        for other in holders[1:]:
            if other.carried[name] != first.carried[name]:
                raise InputUnusable(
                    f"`{name}` holds {first.carried[name]} in {first.path} and "
                    f"{other.carried[name]} in {other.path}: the two cannot share a column",
                    hint="Build them apart, into two datasets, or do without carrying it.",
                )


def carried_types(sources: Sequence[Source]) -> Mapping[str, pa.DataType]:
    """By column, its type; checked before to be the same in all inputs."""
    return {name: kind for source in sources for name, kind in source.carried.items()}


def _offers(sources: Sequence[Source]) -> str:
    names = sorted({name for source in sources for name in source.offers})
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more if names else "none"
