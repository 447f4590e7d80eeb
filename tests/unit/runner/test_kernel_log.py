"""kernel.log: what Python code prints and what goes to the descriptor are told apart."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from remote.runner.kernel_log import KernelLog


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=9)), max_size=40))
def test_foreign_bytes_are_those_that_write_did_not_write(
    tmp_path_factory: object, pieces: list[tuple[bool, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "kernel.log"  # type: ignore[attr-defined]
    log = KernelLog(path)
    seen = b""
    with path.open("ab", buffering=0) as descriptor:
        for number, (foreign, data) in enumerate(pieces):
            if foreign:
                descriptor.write(data)
            else:
                log.write(data)
            if number % 3 == 0:
                seen += log.foreign()
    seen += log.foreign()
    assert seen == b"".join(data for foreign, data in pieces if foreign)
    assert path.read_bytes() == b"".join(data for _, data in pieces)


def test_writers_side_by_side_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kernel.log"
    log = KernelLog(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)

    def own() -> None:
        for _ in range(3000):
            log.write(b"own\n")

    def foreign() -> None:
        for _ in range(3000):
            os.write(descriptor, b"foreign\n")

    threads = [threading.Thread(target=own), threading.Thread(target=foreign)]
    for thread in threads:
        thread.start()
    seen = b""
    while any(thread.is_alive() for thread in threads):
        seen += log.foreign()
    for thread in threads:
        thread.join()
    seen += log.foreign()
    os.close(descriptor)
    assert seen == b"foreign\n" * 3000
    assert path.read_bytes().count(b"own\n") == 3000


def test_what_cannot_be_written_is_counted(tmp_path: Path) -> None:
    log = KernelLog(Path("/dev/full"))
    log.write(b"12345")
    assert log.bytes_lost == 5
