"""The inputs' SHA-256, taken while the build goes on."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

# Much at a time: after each read and each update the interpreter's lock is asked for.
_BLOCK_BYTES = 1 << 22


class _Abandoned(Exception):
    """The build is over without having asked for the digests."""


@contextmanager
def hashing(paths: Sequence[Path]) -> Iterator[list[Future[str]]]:
    """Futures of the files' digests (hex), in order; leaving gives up those still under way."""
    stop = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="shards-hash") as pool:
        try:
            yield [pool.submit(_sha256, path, stop) for path in paths]
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _sha256(path: Path, stop: threading.Event) -> str:
    digest = hashlib.sha256()
    block = memoryview(bytearray(_BLOCK_BYTES))
    with path.open("rb", buffering=0) as source:
        while count := source.readinto(block):
            if stop.is_set():
                raise _Abandoned
            digest.update(block[:count])
    return digest.hexdigest()
