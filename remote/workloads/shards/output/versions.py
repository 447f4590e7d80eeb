"""What a newer Workhorse wrote is refused, before anything of it is taken for something else."""

from __future__ import annotations

from remote.errors import ResultsUnusable
from remote.workloads.shards.settings import SCHEMA_VERSION


def refuse_newer(version: object, where: str) -> None:
    """Refuse what a newer Workhorse wrote.

    Raises:
        ResultsUnusable: the version is above the one known here.
    """
    if isinstance(version, int) and not isinstance(version, bool) and version > SCHEMA_VERSION:
        raise ResultsUnusable(
            f"{where} is of schema version {version}; this Workhorse knows versions up to "
            f"{SCHEMA_VERSION}.",
            hint="Update Workhorse (git pull in its checkout) and try again.",
        )
