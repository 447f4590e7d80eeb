"""Whether results can come from the workers themselves, or have to go through the scheduler.

A client of Dask tries a worker that it cannot reach for 30 seconds, for every few results anew,
before it asks the scheduler for them. So all workers are tried once, before the work.
"""

from __future__ import annotations

import asyncio

from distributed import Client
from distributed.comm.core import connect

from remote.workloads.progress import notice

SECONDS_TO_REACH = 5


def see_who_answers(client: Client) -> None:
    """Where a worker cannot be reached from here, have the scheduler pass all results on."""
    addresses = list(client.nthreads())
    answers = client.sync(_tried, addresses, client.connection_args)
    silent = [at for at, answered in zip(addresses, answers, strict=True) if not answered]
    if silent:
        client.direct_to_workers = False
        notice(
            f"{len(silent)} Dask worker(s) cannot be reached from here ({', '.join(silent[:3])}): "
            "results go through the scheduler, which takes its machine's time and link."
        )


async def _tried(addresses: list[str], arguments: dict[str, object]) -> list[bool]:
    return await asyncio.gather(*(_answers(at, arguments) for at in addresses))


async def _answers(address: str, arguments: dict[str, object]) -> bool:
    try:
        link = await connect(address, timeout=SECONDS_TO_REACH, **arguments)
    except OSError:
        return False
    await link.close()
    return True
