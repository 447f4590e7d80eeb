"""`manifest-sha256.txt`: every other file of a result folder, in the form of `sha256sum`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from remote.errors import IntegrityFailure
from remote.results.admit import path_fault
from remote.results.names import MANIFEST

_LINE = re.compile(r"(?P<escaped>\\?)(?P<digest>[0-9a-f]{64})  (?P<path>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed folder by what its manifest says, unread.

    Attributes:
        folder: where it lies.
        digests: SHA-256 of every file but the manifest.
        sha256: of the manifest, and so of all.
    """

    folder: Path
    digests: Mapping[str, str]
    sha256: str


def read(folder: Path) -> Sealed:
    """What a sealed folder is to hold.

    Raises:
        IntegrityFailure: its manifest is missing, was changed into something else, or names
            what does not lie in the folder.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
        digests = decode(content)
        for path in digests:
            if fault := path_fault(path):
                raise ValueError(f"{path!r}: {fault}")
        return Sealed(folder, digests, hashlib.sha256(content).hexdigest())
    except (OSError, ValueError) as error:
        raise IntegrityFailure(
            f"{folder / MANIFEST} cannot be read: {error}",
            hint=f"see what else changed: remote results verify {folder}",
        ) from error


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
