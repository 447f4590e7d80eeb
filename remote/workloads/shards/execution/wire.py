"""Objects over a stream socket: a pickle, and the large buffers beside it.

The buffers of arrays and of encoded groups go from memory to socket and from socket to memory
of their own, so that each can outlive the others. Both ends are processes of one build.

    u32 number of parts, u64 size of each; the pickle; the buffers
"""

from __future__ import annotations

import pickle
import socket
import struct
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task: a result, or an error."""

    result: Any = None
    error: Exception | None = None


def send(link: socket.socket, value: object) -> None:
    """Send one object.

    Raises:
        OSError: nobody is at the other end any more.
    """
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(head), *(buffer.raw() for buffer in buffers)]
    link.sendall(struct.pack(f"!I{len(parts)}Q", len(parts), *(part.nbytes for part in parts)))
    for part in parts:
        link.sendall(part)


def receive(link: socket.socket) -> Any:
    """The next object.

    Raises:
        EOFError, OSError: the other end is gone.
    """
    (count,) = struct.unpack("!I", _exactly(link, 4))
    sizes = struct.unpack(f"!{count}Q", _exactly(link, 8 * count))
    head, *buffers = [_exactly(link, size) for size in sizes]
    return pickle.loads(head, buffers=buffers)  # noqa: S301 - from a process of this build


def _exactly(link: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        got = link.recv_into(view, flags=socket.MSG_WAITALL)
        if not got:
            raise EOFError
        view = view[got:]
    return data
