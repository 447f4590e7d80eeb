"""The lines of an MGF entry, each looked at by itself: what is wrong is named by its line.

What comes of an entry here is text in which every reader finds the same: nothing but parameters
that say something and peaks of two numbers.
"""

from __future__ import annotations

import re

from remote.workloads.shards.inputs.entries import BadEntry
from remote.workloads.shards.inputs.mgf_values import CHARGE_KEYS, charge_of, value_of
from remote.workloads.shards.inputs.textfile import BOM

_NUMBER = r"[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|nan|inf(?:inity)?)"
_PEAK = re.compile(rf"({_NUMBER})[ \t]+({_NUMBER})(?:[ \t].*)?", re.ASCII | re.IGNORECASE)
_PARAMETER = re.compile(r"([A-Za-z_][^=]*?)[ \t]*=[ \t]*(.*)", re.DOTALL)
_NOTHING = re.compile(r"(?:n/?a|none|null|nan|unknown)?", re.IGNORECASE)
_COMMENTS = "#;!/"


def checked(stored: bytes, first_line: int) -> list[str]:
    """The lines of an entry that are kept, those of its begin and end left out.

    Args:
        first_line: the number of the first of them in the file.

    Raises:
        BadEntry: names the first line that is wrong.
    """
    kept: list[str] = []
    for number, raw in enumerate(stored.removeprefix(BOM).split(b"\n"), first_line):
        try:
            line = raw.decode().strip()
        except UnicodeDecodeError:
            raise BadEntry(f"this is not UTF-8 text: {raw[:40]!r}", number) from None
        try:
            kept.append(_kept(line))
        except ValueError:
            raise BadEntry(f"{line[:60]!r} {_wrong(line)}", number) from None
    return [line for line in kept if line]


def _kept(line: str) -> str:
    """What is kept of a line; raises ValueError where it cannot be understood."""
    if not line or line[0] in _COMMENTS or line in ("BEGIN IONS", "END IONS"):
        return ""
    peak = _PEAK.fullmatch(line)
    if peak:
        return f"{peak[1]} {peak[2]}"  # what follows is the peak's own, and no parameter
    return _parameter(line)


def _parameter(line: str) -> str:
    found = _PARAMETER.fullmatch(line)
    if found is None:
        raise ValueError(line)
    key, said = found[1], found[2].strip()
    if _NOTHING.fullmatch(said):
        return ""
    value_of(key.lower(), said)
    if key.lower() in CHARGE_KEYS:
        said = str(charge_of(said))
    return f"{key}={said}"


def _wrong(line: str) -> str:
    if _PARAMETER.fullmatch(line):
        return "has a value that is not understood"
    return "is no peak of two numbers, and no parameter"
