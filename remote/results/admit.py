"""Decide which of a run's entries become files of its result folder: pure, from the listing.

Nothing that a host lists is trusted. What is not admitted is named with the reason, and the rest
is collected.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from remote.findings import printable
from remote.results.files import OUTPUT, SYSTEM_FILES, Entry, Kind
from remote.results.names import CRATE, MANIFEST, OUTCOME, RUN_JSON

# Names at the folder's root that the system writes itself.
RESERVED = (*SYSTEM_FILES, RUN_JSON, MANIFEST, CRATE, OUTCOME)

LONGEST_NAME = 255
LONGEST_PATH = 900


@dataclass(frozen=True, slots=True)
class Caps:
    """How much one run may bring. What goes past is left out and named."""

    total_bytes: int = 1 << 40
    files: int = 1_000_000


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that was not collected. `path` is printable, relative to the result folder."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Admitted:
    """An entry and the path it gets, relative to the result folder."""

    entry: Entry
    target: str


def admit(entries: Iterable[Entry], caps: Caps) -> tuple[tuple[Admitted, ...], tuple[LeftOut, ...]]:
    """Sort entries into those that are taken and those that are left out.

    Of twins (names that some file systems take for one: other case, other Unicode form) the
    first in order of their bytes is taken. A file with several names is taken, once per name,
    where all of its names are in the listing; otherwise another of its names lies outside of the
    run, and it is left out.
    """
    listed = sorted(entries, key=_order)
    names = Counter(entry.identity for entry in listed if entry.identity)
    room = _Room(caps)
    spelled = {_key(name): name for name in RESERVED}
    targets: set[str] = set()
    taken: list[Admitted] = []
    left_out: list[LeftOut] = []
    for entry in listed:
        target = _target(entry)
        reason = (
            _kind_fault(entry)
            or path_fault(target)
            or _twin_fault(target, spelled, own=not _in_output(entry))
            or ("it is listed twice" if target in targets else "")
            or _link_fault(entry, names)
            or room.fault(entry)
        )
        if reason:
            left_out.append(LeftOut(printable(target), reason))
        else:
            taken.append(Admitted(entry, target))
            targets.add(target)
    return tuple(taken), tuple(left_out)


def path_fault(path: str) -> str:
    """Why a relative path may not become one of ours; empty where it may."""
    if len(path.encode("utf-8", "surrogateescape")) > LONGEST_PATH:
        return f"the path is longer than {LONGEST_PATH} bytes"
    return next((fault for name in path.split("/") if (fault := _name_fault(name))), "")


def _name_fault(name: str) -> str:
    if name in ("", ".", ".."):
        return f"the name {name!r} is refused"
    if any(unicodedata.category(character) == "Cs" for character in name):
        return "the name is not UTF-8"
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name):
        return "the name holds control characters"
    if len(name.encode()) > LONGEST_NAME:
        return f"the name is longer than {LONGEST_NAME} bytes"
    return ""


def _order(entry: Entry) -> tuple[bool, str, str, int, int, str, int, int]:
    """Every field counts: a host may list a path twice, in any order."""
    return (
        _in_output(entry),
        entry.path,
        entry.kind.name,
        entry.size_bytes,
        entry.links,
        str(entry.identity),
        entry.changed,
        entry.listed,
    )


def _in_output(entry: Entry) -> bool:
    return entry.path not in SYSTEM_FILES


def _target(entry: Entry) -> str:
    return entry.path.removeprefix(f"{OUTPUT}/")


def _kind_fault(entry: Entry) -> str:
    if _in_output(entry) and not entry.path.startswith(f"{OUTPUT}/"):
        return "is no file of the run's output" if entry.path != OUTPUT else f"is {entry.kind}"
    return "" if entry.kind is Kind.FILE else f"is {entry.kind}"


def _twin_fault(target: str, spelled: dict[str, str], *, own: bool) -> str:
    """Note each leading part of the path; say so where one was spelled otherwise before."""
    if own:
        return ""
    first = target.split("/", 1)[0]
    if spelled.get(_key(first)) in RESERVED:
        return f"the name is kept for the system's own {spelled[_key(first)]}"
    parts = target.split("/")
    leading = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    for path in leading:
        before = spelled.setdefault(_key(path), path)
        if before != path:
            return f"some file systems take it for the same name as {before}"
    return ""


def _key(path: str) -> str:
    """Equal for paths that a file system which ignores case or Unicode form takes for one."""
    folded = unicodedata.normalize("NFC", path).casefold()
    return unicodedata.normalize("NFC", folded)


def _link_fault(entry: Entry, names: Counter[tuple[int, int]]) -> str:
    outside = entry.links - names[entry.identity] if entry.identity else 0
    return f"{outside} more name(s) of the same file lie outside of the output" if outside else ""


class _Room:
    """What is left of the caps."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._bytes = 0
        self._files = 0

    def fault(self, entry: Entry) -> str:
        if self._files + 1 > self._caps.files:
            return f"the run has more than {self._caps.files:,} files"
        if self._bytes + entry.size_bytes > self._caps.total_bytes:
            return f"the run's files go past {self._caps.total_bytes:,} bytes"
        self._files += 1
        self._bytes += entry.size_bytes
        return ""
