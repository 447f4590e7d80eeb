"""Where the entries of an MGF file lie, found in one pass over it.

Nothing in the file is passed over in silence: an entry without its end, and text outside of
entries that is neither a parameter of the header nor a comment, are entries that cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from remote.errors import InputUnusable
from remote.workloads.shards.inputs.textfile import BOM, Identity, TextFile

SOUND, NO_END, OUTSIDE = 0, 1, 2

_BEGIN, _END = b"BEGIN IONS", b"END IONS"
_MOST_OUTSIDE = 1 << 24
_NOTHING = rb"[ \t]*(?:n/?a|none|null|nan|unknown)?[ \t\r]*$"
# A parameter that says something.
_PARAMETER = re.compile(
    rb"^[ \t]*([A-Za-z_][^=\n]*?)[ \t]*=(?!" + _NOTHING + rb")", re.MULTILINE | re.IGNORECASE
)
_PEAK = re.compile(rb"^[ \t]*[0-9.+-]", re.MULTILINE)
_ALLOWED_OUTSIDE = re.compile(rb"[ \t\r]*(?:[#;!/].*)?", re.DOTALL)
_ALLOWED_IN_HEADER = re.compile(rb"[ \t\r]*(?:[#;!/].*|[A-Za-z_][^=]*=.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MgfIndex:
    """The entries of a file, in order.

    Attributes:
        start, stop: (n,) int64, the bytes of each, with its first and last line.
        line: (n,) int64, the number of its first line, from 1 on.
        lines: (n,) int64, how many lines it has between the first and the last one.
        fault: (n,) uint8, SOUND, NO_END or OUTSIDE.
        header: the text before the first entry: parameters of all entries.
        keys: names of parameters that say something somewhere, as they are first written.
        has_peaks: whether there is a line that begins as a peak does.
    """

    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]
    line: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    fault: npt.NDArray[np.uint8]
    header: bytes
    keys: tuple[str, ...]
    has_peaks: bool


def indexed(file: TextFile) -> MgfIndex:
    """The entries of an open file.

    Raises:
        InputUnusable: there are none, or a line is longer than any could be.
        Unreadable, OSError: it cannot be read.
    """
    return _indexed(file.identity)


@lru_cache(maxsize=64)  # a build opens its inputs twice: to check them, and to read them
def _indexed(identity: Identity) -> MgfIndex:
    file = TextFile(Path(identity[0]))
    try:
        return _Scan(file).index()
    finally:
        file.close()


@dataclass(slots=True)
class _Scan:
    """One pass over the lines that begin and end entries."""

    file: TextFile
    found: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    keys: dict[bytes, bytes] = field(default_factory=dict)
    header: bytes | None = None
    # The first line of the entry that is open: its place and number.
    opened: tuple[int, int] | None = None
    # Where the text after the last entry begins: its place and number of line.
    outside: tuple[int, int] = (0, 1)
    last_line: int = 0
    has_peaks: bool = False

    def index(self) -> MgfIndex:
        for place, end, number, word in self._marks():
            if word == _BEGIN:
                self._close(place, number, NO_END)
                self._look_outside(place)
                self.opened = place, number
            elif self.opened:
                self._close(end, number, SOUND)
                self.outside = end + 1, number + 1
        self._finish()
        if not self.found:
            raise InputUnusable(
                f"{self.file.path} has no entry: no line in it is BEGIN IONS",
                hint="An MGF file has entries from BEGIN IONS to END IONS; look into this one.",
            )
        start, stop, line, lines, fault = np.array(self.found, np.int64).T
        return MgfIndex(
            start.copy(),
            stop.copy(),
            line.copy(),
            lines.copy(),
            fault.astype(np.uint8),
            self.header or b"",
            tuple(key.decode("utf-8", "replace") for key in self.keys.values()),
            self.has_peaks,
        )

    def _marks(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Each line BEGIN IONS and END IONS: its place, its end, its number and the words."""
        lines_before = 0
        for base, text in _whole_lines(self.file):
            for key in _PARAMETER.findall(text):
                self.keys.setdefault(key.lower(), key)
            self.has_peaks = self.has_peaks or _PEAK.search(text) is not None
            at = seen = 0
            while (at := text.find(b" IONS", at)) >= 0:
                begin = text.rfind(b"\n", 0, at) + 1
                end = text.find(b"\n", at)
                end = len(text) if end < 0 else end
                word = text[begin:end].removeprefix(BOM).strip()
                if word in (_BEGIN, _END):
                    lines_before += text.count(b"\n", seen, begin)
                    seen = begin
                    yield base + begin, base + end, lines_before + 1, word
                at = end
            lines_before += text.count(b"\n", seen)
        self.last_line = lines_before

    def _close(self, stop: int, number: int, fault: int) -> None:
        if self.opened:
            place, first = self.opened
            self.found.append((place, stop, first, number - first, fault))
            self.opened = None
            self.outside = stop, number

    def _look_outside(self, stop: int) -> None:
        """What lies between entries."""
        start, number = self.outside
        if stop - start <= 2 and self.header is not None:
            return
        text = self.file.read(start, min(stop, start + _MOST_OUTSIDE))
        first = self.header is None
        self.header = text if first else self.header
        allowed = _ALLOWED_IN_HEADER if first else _ALLOWED_OUTSIDE
        for offset, line in enumerate(text.removeprefix(BOM).split(b"\n")):
            if not allowed.fullmatch(line):
                self.found.append((start, stop, number + offset, 0, OUTSIDE))
                self.header = b"" if first else self.header
                return

    def _finish(self) -> None:
        if self.opened:
            self._close(self.file.size, self.last_line + 1, NO_END)
        elif self.found:
            self._look_outside(self.file.size)


def _whole_lines(file: TextFile) -> Iterator[tuple[int, bytes]]:
    """The file in pieces that end with a line, each with its place."""
    rest, base = b"", 0
    for _, block in file.blocks():
        text = rest + block
        end = text.rfind(b"\n") + 1
        if not end and len(text) > _MOST_OUTSIDE:
            raise InputUnusable(
                f"{file.path} has a line of more than {_MOST_OUTSIDE} bytes",
                hint="This is no MGF file; look into it.",
            )
        yield base, text[:end]
        rest, base = text[end:], base + end
    if rest:
        yield base, rest
