"""From what a killed build left behind to the state in which its writer goes on.

Complete shards stay as they are. The open ones are believed as far as their bytes, the
fingerprints and the journal agree, and cut there; the row groups after that are made again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remote.errors import IntegrityFailure, ResumeRefused
from remote.workloads.durable import closed_on_error, sha256_file, writing_errors
from remote.workloads.shards.output.append import (
    CheckedPrefix,
    ShardFile,
    longest_prefix,
    partial_path,
)
from remote.workloads.shards.output.differences import differences
from remote.workloads.shards.output.fingerprints import Fingerprints, crc, stored
from remote.workloads.shards.output.journal import CloseLine, GroupLine, Journal, Journalled, Line
from remote.workloads.shards.output.manifest import Appended
from remote.workloads.shards.output.totals import Totals
from remote.workloads.shards.output.writer import Output, Series, Written

BUILD_ANEW = "Build into another output directory, or empty this one first."


def check_key(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with other input, settings, code or software.

    Raises:
        ResumeRefused: names every part that differs.
    """
    if then != now:
        listing = "\n".join(f"  {line}" for line in differences(then, now))
        raise ResumeRefused(
            f"The build that is there was made from something else:\n{listing}",
            hint=f"Give the same input and options again to go on with it. {BUILD_ANEW}",
        )


@dataclass(slots=True)
class _Found:
    """What the journal tells of one split.

    Attributes:
        closed: its shards that were closed.
        held: what its open shard holds, with the place of each group among all of them.
    """

    closed: list[CloseLine] = field(default_factory=list)
    held: list[tuple[int, Appended]] = field(default_factory=list)


@dataclass(slots=True)
class _Told:
    """What the journal tells.

    Attributes:
        groups: all groups, in order.
        splits: by split.
        safe: so many groups were on disk, in all shards, when the last shard was closed.
    """

    groups: list[GroupLine]
    splits: tuple[_Found, ...]
    safe: int


def _told(lines: Sequence[Line], splits: int) -> _Told:
    told = _Told([], tuple(_Found() for _ in range(splits)), 0)
    for line in lines:
        if isinstance(line, CloseLine):
            found = told.splits[line.split]
            found.closed.append(line)
            found.held = []
            told.safe = len(told.groups)
            continue
        for found, part in zip(told.splits, line.parts, strict=True):
            found.held.append((len(told.groups), Appended(line, part)))
        told.groups.append(line)
    return told


def restore(output: Output, journalled: Journalled, journal: Path, hashes: Path) -> Written:
    """The state that the journal and the files agree on; both are cut to it.

    Raises:
        IntegrityFailure: a complete shard is gone or has another size, or an open one is not
            what it was when another was completed.
    """
    lines, ends = journalled.lines, journalled.ends
    closed = _after_rename(output, _told(lines, len(output.names)))
    if closed is not None:
        lines, ends = _recorded(journalled, closed, journal)
    told = _told(lines, len(output.names))
    for found in told.splits:
        for one in found.closed:
            _check_closed(output, one)
    believed = [_believed(output, split, found) for split, found in enumerate(told.splits)]
    good = min(_with_hashes(told, hashes), *(count for count, _ in believed))
    if good < told.safe:
        raise IntegrityFailure(
            f"The unfinished shards in {output.names[0].root} are not what the journal says: "
            "they were changed or damaged.",
            hint=BUILD_ANEW,
        )
    _cut(journal, ends[len(ends) - 1 - (len(told.groups) - good)])
    return _written(output, told, good, [prefixes for _, prefixes in believed], hashes)


def _written(
    output: Output,
    told: _Told,
    good: int,
    prefixes: Sequence[Sequence[CheckedPrefix]],
    hashes: Path,
) -> Written:
    """The state after the first `good` groups."""
    groups = told.groups[:good]
    rows = sum(group.rows for group in groups)
    written = Written(
        series=tuple(Series(closed=found.closed) for found in told.splits),
        totals=Totals(group.stats for group in groups),
        fingerprints=Fingerprints.reopen(hashes, rows),
        rows=rows,
        reached=(groups[-1].input_index, groups[-1].row_stop) if groups else (0, 0),
    )
    with closed_on_error(written):
        for split, (series, found) in enumerate(zip(written.series, told.splits, strict=True)):
            series.held = [held for place, held in found.held if place < good]
            parts = [(held.part.metadata, held.part.rows) for held in series.held if held.part.rows]
            if parts:
                path = output.names[split].shard(len(series.closed))
                checked = prefixes[split][len(series.held) - 1]
                series.shard = ShardFile.reopen(path, output.footer, parts, checked)
    return written


def _believed(output: Output, split: int, found: _Found) -> tuple[int, list[CheckedPrefix]]:
    """How many groups the bytes of a split's open shard bear out, and its prefixes."""
    held = [one.part for _, one in found.held]
    everything = sys.maxsize
    if not any(part.rows for part in held):
        return everything, []
    partial = partial_path(output.names[split].shard(len(found.closed)))
    prefixes = longest_prefix(partial, [(part.end, part.prefix_sha256) for part in held])
    if len(prefixes) == len(held):
        return everything, prefixes
    return found.held[len(prefixes)][0], prefixes


def _with_hashes(told: _Told, hashes: Path) -> int:
    """How many groups the stored fingerprints bear out; those of complete shards are believed."""
    before = sum(group.rows for group in told.groups[: told.safe])
    rest = told.groups[told.safe :]
    good = told.safe
    for group, part in zip(rest, stored(hashes, before, [x.rows for x in rest]), strict=True):
        if len(part) != group.rows or crc(part) != group.fingerprints_crc:
            break
        good += 1
    return good


def _check_closed(output: Output, closed: CloseLine) -> None:
    path = output.names[closed.split].shard(closed.shard)
    if not path.exists() or path.stat().st_size != closed.size:
        found = f"it has {path.stat().st_size} bytes" if path.exists() else "it is gone"
        raise IntegrityFailure(
            f"{path} was complete with {closed.size} bytes, and now {found}.", hint=BUILD_ANEW
        )


def _after_rename(output: Output, told: _Told) -> CloseLine | None:
    """A shard got its name, and the kill came before its close line: finish the close.

    Raises:
        IntegrityFailure: the shard is not the one that the journal tells of.
    """
    for split, found in enumerate(told.splits):
        path = output.names[split].shard(len(found.closed))
        if found.held and path.exists():
            return _closed(output, split, len(found.closed), [held for _, held in found.held])
    return None


def _closed(output: Output, split: int, index: int, held: Sequence[Appended]) -> CloseLine:
    path = output.names[split].shard(index)
    parts = [one.part for one in held]
    ends = [(part.end, part.prefix_sha256) for part in parts]
    prefixes = longest_prefix(path, ends)
    if len(prefixes) != len(ends):
        raise IntegrityFailure(
            f"{path} is not what the journal says: it was changed or damaged.", hint=BUILD_ANEW
        )
    rows = sum(part.rows for part in parts)
    digest = prefixes[-1].digest.copy()
    digest.update(output.footer.assemble(rows, [part.metadata for part in parts if part.rows]))
    sha256 = digest.hexdigest()
    if sha256_file(path) != sha256:
        raise IntegrityFailure(
            f"{path} is not what the journal says: its footer differs.", hint=BUILD_ANEW
        )
    output.write_manifest(split, index, held, sha256)
    return CloseLine(split, index, path.stat().st_size, sha256, rows)


def _recorded(
    journalled: Journalled, closed: CloseLine, journal: Path
) -> tuple[tuple[Line, ...], tuple[int, ...]]:
    """The journal with one more line: its lines, and where they end."""
    _cut(journal, journalled.ends[-1])
    with Journal.reopen(journal) as sink:
        sink.append(closed)
        sink.sync()
    return (*journalled.lines, closed), (*journalled.ends, journal.stat().st_size)


def _cut(journal: Path, size: int) -> None:
    with writing_errors(journal), journal.open("r+b") as file:
        file.truncate(size)
