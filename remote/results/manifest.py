"""`manifest-sha256.txt`: every other file of a result folder, in the form of `sha256sum`."""

from __future__ import annotations

import re
from collections.abc import Mapping

_LINE = re.compile(r"(?P<escaped>\\?)(?P<digest>[0-9a-f]{64})  (?P<path>.+)", re.DOTALL)


def encode(digests: Mapping[str, str]) -> bytes:
    """The manifest of `{relative path: SHA-256}`, sorted by path.

    Paths hold no control characters; a backslash is escaped as `sha256sum` does.
    """
    return "".join(_line(path, digests[path]) for path in sorted(digests)).encode()


def decode(content: bytes) -> dict[str, str]:
    """`{relative path: SHA-256}`.

    Raises:
        ValueError: the content is not what `encode` makes for any mapping.
    """
    digests = dict(_parse(line) for line in content.decode("utf-8").split("\n")[:-1])
    if encode(digests) != content:
        raise ValueError("it is not in the form in which it was written")
    return digests


def _line(path: str, digest: str) -> str:
    named = "./-" if path == "-" else path  # A plain `-` would mean standard input.
    if "\\" in named:
        return "\\{}  {}\n".format(digest, named.replace("\\", "\\\\"))
    return f"{digest}  {named}\n"


def _parse(line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"a line is broken: {line[:80]!r}")
    path = match["path"].replace("\\\\", "\\") if match["escaped"] else match["path"]
    return "-" if path == "./-" else path, match["digest"]
