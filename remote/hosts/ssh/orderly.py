"""paramiko's transport, with nothing sent on a channel after its close.

paramiko makes a channel's message under one lock and sends it under another, so that of two
threads one can send data or an end of input after the other has closed the channel, as when a
command ends early. Servers take that for a broken peer and hang up, which ends everything on the
connection; a defect that paramiko's own tracker knows.
"""

from __future__ import annotations

import struct
from typing import Any

from paramiko import Transport
from paramiko.common import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
)
from paramiko.message import Message

_LATE = frozenset({MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA, MSG_CHANNEL_EOF})
# The kind of a message, and the channel of the other side that it is for (RFC 4254).
_HEAD = struct.Struct(">BI")


class OrderlyTransport(Transport):
    """Messages of channels are sent one at a time; here is where their order is settled."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self._closed_there: set[int] = set()

    def opened(self, remote_channel: int) -> None:
        """A number that the server gives again is that of a new channel."""
        self._closed_there.discard(remote_channel)

    def _send_message(self, data: Message) -> None:
        head = bytes(data.packet.getbuffer()[: _HEAD.size])
        if len(head) == _HEAD.size:
            kind, channel = _HEAD.unpack(head)
            if kind in _LATE and channel in self._closed_there:
                return
            if kind == MSG_CHANNEL_CLOSE:
                self._closed_there.add(channel)
        super()._send_message(data)  # type: ignore[misc]  # not in the stubs
