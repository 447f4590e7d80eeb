"""Where the spectra of an mzML file lie, found in one pass over its bytes.

Nothing is parsed before it is known where it begins and ends, so that a document type with
entities of its own is refused unread, and damage stays in the spectrum that it is in.
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
from remote.workloads.shards.inputs.textfile import Identity, TextFile

SOUND, NO_END, NO_CLOSE = 0, 1, 2
# Accessions of the PSI-MS vocabulary by what they stand for.
LEVEL, PROFILE = b"MS:1000511", b"MS:1000128"
# What of them fills a column, where it is anywhere.
_FILLS: dict[str, tuple[bytes, ...]] = {
    "charge": (b"MS:1000041",),
    "polarity": (b"MS:1000129", b"MS:1000130"),
    "rt": (b"MS:1000016",),
    "collision_energy": (b"MS:1000045",),
}

_MARK = re.compile(rb"<(?:(spectrum)[\s>]|(/spectrum\s*>)|(!--)|(/mzML\s*>)|(!DOCTYPE|!ENTITY))")
_OVERLAP = 64
_DETAILS_BYTES = 1 << 14
_MOST_HEADER = 1 << 26
_LENGTH = re.compile(rb"""\bdefaultArrayLength\s*=\s*["'](\d{1,18})["']""")
_LEVEL_SAID = re.compile(rb"""<cvParam\b[^>]*["']MS:1000511["'][^>]*>""")
_VALUE = re.compile(rb"""\bvalue\s*=\s*["'](\d{1,3})["']""")
# Centroids do not pack so well; a length beyond it is a damaged number.
_PEAKS_PER_BYTE = 50


@dataclass(frozen=True, slots=True)
class MzmlIndex:
    """The spectra of a file, in order.

    Attributes:
        start, stop: (n,) int64, the bytes of each, from `<spectrum` to the end of `</spectrum>`.
        peaks: (n,) int64, how many peaks each says it has.
        level: (n,) uint8, its MS level, 0 where it does not say it itself.
        fault: (n,) uint8, SOUND, NO_END, or NO_CLOSE for what stands for a missing end of all.
        profile: the first spectrum by MS level that says it is no list of centroids.
        header: everything before the first spectrum.
        fills: by MS level, 0 for the header, the columns for which there is something.
    """

    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]
    peaks: npt.NDArray[np.int64]
    level: npt.NDArray[np.uint8]
    fault: npt.NDArray[np.uint8]
    profile: dict[int, int]
    header: bytes
    fills: dict[int, frozenset[str]]


def indexed(file: TextFile) -> MzmlIndex:
    """The spectra of an open file.

    Raises:
        InputUnusable: there are none, or it declares a document type.
        Unreadable, OSError: it cannot be read.
    """
    return _indexed(file.identity)


@lru_cache(maxsize=64)  # a build opens its inputs twice: to check them, and to read them
def _indexed(identity: Identity) -> MzmlIndex:
    file = TextFile(Path(identity[0]))
    try:
        scan = _Scan(file)
        scan.run()
        return scan.index()
    finally:
        file.close()


@dataclass(slots=True)
class _Scan:
    """One pass over the tags of spectra, and a look into each of them."""

    file: TextFile
    found: list[tuple[int, int, int]] = field(default_factory=list)
    opened: int | None = None
    closed: bool = False

    def run(self) -> None:
        for place, end, mark in _marks(self.file):
            if mark == "spectrum":
                self._close(place, NO_END)
                self.opened = place
            elif mark == "/spectrum":
                self._close(end, SOUND)
            elif mark == "doctype":
                raise InputUnusable(
                    f"{self.file.path} declares a document type or an entity at byte {place}, "
                    "which mzML has none of",
                    hint="It is not read, for an entity can stand for anything. Make the file "
                    "again with msconvert.",
                )
            else:
                self.closed = True
        self._close(self.file.size, NO_END)
        if not self.closed:
            last = self.found[-1] if self.found else (0, 0, SOUND)
            if last[2] == SOUND:
                self.found.append((last[1], self.file.size, NO_CLOSE))

    def _close(self, stop: int, fault: int) -> None:
        if self.opened is not None:
            self.found.append((self.opened, stop, fault))
            self.opened = None

    def index(self) -> MzmlIndex:
        spectra = [at for at in self.found if at[2] != NO_CLOSE]
        if not spectra:
            cut = "" if self.closed else ", and it is cut short: </mzML> is missing"
            raise InputUnusable(
                f"{self.file.path} has no spectra{cut}",
                hint="Convert the raw data again, with spectra; chromatograms are not read.",
            )
        header = self.file.read(0, min(spectra[0][0], _MOST_HEADER))
        details = [self._details(*at) for at in self.found]
        levels: dict[int, set[str]] = {0: _fills(header)}
        profile: dict[int, int] = {}
        for row, (_, level, is_profile, fills) in enumerate(details):
            levels.setdefault(level, set()).update(fills)
            if is_profile:
                profile.setdefault(level, row)
        start, stop, fault = np.array(self.found, np.int64).T
        return MzmlIndex(
            start.copy(),
            stop.copy(),
            np.array([peaks for peaks, *_ in details], np.int64),
            np.array([level for _, level, *_ in details], np.uint8),
            fault.astype(np.uint8),
            profile,
            header,
            {level: frozenset(found) for level, found in levels.items()},
        )

    def _details(self, start: int, stop: int, fault: int) -> tuple[int, int, bool, set[str]]:
        """Peaks, MS level, whether it is a profile, and columns that it fills."""
        if fault != SOUND:
            return 0, 0, False, set()
        text = self.file.read(start, min(stop, start + _DETAILS_BYTES))
        if b"<binaryDataArrayList" not in text and stop - start > _DETAILS_BYTES:
            text = self.file.read(start, stop)
        text = text.partition(b"<binaryDataArrayList")[0]
        length = _LENGTH.search(text)
        peaks = min(int(length[1]) if length else 0, (stop - start) * _PEAKS_PER_BYTE)
        said = _LEVEL_SAID.search(text)
        value = _VALUE.search(said[0]) if said else None
        level = min(int(value[1]), 255) if value else 0
        return peaks, level, PROFILE in text, _fills(text)


def _fills(text: bytes) -> set[str]:
    return {name for name, terms in _FILLS.items() if any(term in text for term in terms)}


def _marks(file: TextFile) -> Iterator[tuple[int, int, str]]:
    """Place, end and kind of each tag that matters; comments are passed over."""
    seen = 0
    in_comment = False
    for base, block in file.blocks(_OVERLAP):
        at = max(0, seen - base)
        while at < len(block):
            if in_comment:
                end = block.find(b"-->", at)
                if end < 0:
                    seen = max(seen, base + len(block) - 2)
                    break
                at, in_comment = end + 3, False
                seen = base + at
                continue
            mark = _MARK.search(block, at)
            if mark is None:
                break
            at = mark.end()
            seen = base + at
            if mark[3]:
                in_comment = True
            else:
                yield base + mark.start(), seen, _kind(mark)


def _kind(mark: re.Match[bytes]) -> str:
    if mark[1]:
        return "spectrum"
    if mark[2]:
        return "/spectrum"
    return "/mzML" if mark[4] else "doctype"
