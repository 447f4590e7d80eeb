"""Lines that tell whether they are whole: the CRC-32 of their JSON (8 hex digits), a space, it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any


def framed(record: Mapping[str, object]) -> bytes:
    """A record as a line."""
    text = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def believed(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None where it is cut short or damaged."""
    if not line.endswith(b"\n") or line[:9] != b"%08x " % zlib.crc32(line[9:-1]):
        return None
    record: dict[str, Any] = json.loads(line[9:])
    return record
