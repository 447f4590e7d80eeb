"""From what a killed build left behind to the state in which its writer goes on.

Complete shards stay as they are. The open one is believed as far as its bytes, its fingerprints
and the journal agree, and cut there; the row groups after that are made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remote.errors import IntegrityFailure, ResumeRefused
from remote.workloads.durable import closed_on_error, sha256_file, writing_errors
from remote.workloads.shards.append import CheckedPrefix, ShardFile, longest_prefix, partial_path
from remote.workloads.shards.differences import differences
from remote.workloads.shards.fingerprints import Fingerprints, crc, stored
from remote.workloads.shards.journal import CloseLine, GroupLine, Journal, Journalled, Line
from remote.workloads.shards.totals import Totals
from remote.workloads.shards.writer import Output, Written

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


@dataclass(frozen=True, slots=True)
class _Split:
    """The journal's lines: those of closed shards, and those after the last close."""

    closed: list[CloseLine]
    before: list[GroupLine]
    open: list[GroupLine]


def _split(lines: Sequence[Line]) -> _Split:
    closed: list[CloseLine] = []
    before: list[GroupLine] = []
    tail: list[GroupLine] = []
    for line in lines:
        if isinstance(line, CloseLine):
            closed.append(line)
            before, tail = before + tail, []
        else:
            tail.append(line)
    return _Split(closed, before, tail)


def restore(output: Output, journalled: Journalled, journal: Path, hashes: Path) -> Written:
    """The state that the journal and the files agree on; both are cut to it.

    Raises:
        IntegrityFailure: a complete shard is gone or has another size.
    """
    split = _split(journalled.lines)
    for closed in split.closed:
        _check_closed(output, closed)
    tail = split.open
    if tail and output.names.shard(tail[-1].shard).exists():
        return _after_rename(output, journalled, split, journal, hashes)
    believed = _believed(output, split, hashes)
    kept = tail[: len(believed)]
    ends = journalled.ends[: len(journalled.ends) - len(tail) + len(kept)]
    _cut(journal, ends[-1])
    written = _written(split, split.closed, kept, hashes)
    if kept:
        with closed_on_error(written):
            path = output.names.shard(kept[-1].shard)
            groups = [(line.metadata, line.rows) for line in kept if line.rows]
            written.shard = ShardFile.reopen(path, output.footer, groups, believed[-1])
            written.lines = list(kept)
    return written


def _written(
    split: _Split, closed: list[CloseLine], kept: Sequence[GroupLine], hashes: Path
) -> Written:
    """The state without an open shard."""
    lines = [*split.before, *kept]
    return Written(
        closed=closed,
        shard=None,
        lines=[],
        totals=Totals(line.stats for line in lines),
        fingerprints=Fingerprints.reopen(hashes, sum(line.rows for line in lines)),
        rows=sum(line.rows for line in lines),
        reached=(lines[-1].input_index, lines[-1].row_stop) if lines else (0, 0),
    )


def _believed(output: Output, split: _Split, hashes: Path) -> list[CheckedPrefix]:
    """One entry for each line of the open shard that bytes and fingerprints bear out."""
    if not split.open:
        return []
    partial = partial_path(output.names.shard(split.open[0].shard))
    found = longest_prefix(partial, [(line.end, line.prefix_sha256) for line in split.open])
    before = sum(line.rows for line in split.before)
    parts = stored(hashes, before, [line.rows for line in split.open])
    good = 0
    for line, part in zip(split.open, parts, strict=True):
        if len(part) != line.rows or crc(part) != line.fingerprints_crc:
            break
        good += 1
    return found[:good]


def _check_closed(output: Output, closed: CloseLine) -> None:
    path = output.names.shard(closed.shard)
    if not path.exists() or path.stat().st_size != closed.size:
        found = f"it has {path.stat().st_size} bytes" if path.exists() else "it is gone"
        raise IntegrityFailure(
            f"{path} was complete with {closed.size} bytes, and now {found}.", hint=BUILD_ANEW
        )


def _after_rename(
    output: Output, journalled: Journalled, split: _Split, journal: Path, hashes: Path
) -> Written:
    """The shard got its name, and the kill came before its close line: finish the close.

    Raises:
        IntegrityFailure: the shard is not the one that the journal tells of.
    """
    lines = split.open
    index = lines[-1].shard
    path = output.names.shard(index)
    groups = [line.metadata for line in lines if line.rows]
    rows = sum(line.rows for line in lines)
    ends = [(line.end, line.prefix_sha256) for line in lines]
    prefixes = longest_prefix(path, ends)
    if len(prefixes) != len(ends):
        raise IntegrityFailure(
            f"{path} is not what the journal says: it was changed or damaged.", hint=BUILD_ANEW
        )
    digest = prefixes[-1].digest.copy()
    digest.update(output.footer.assemble(rows, groups))
    sha256 = digest.hexdigest()
    if sha256_file(path) != sha256:
        raise IntegrityFailure(
            f"{path} is not what the journal says: its footer differs.", hint=BUILD_ANEW
        )
    output.write_manifest(index, lines, sha256)
    closed = CloseLine(index, path.stat().st_size, sha256, rows)
    _cut(journal, journalled.ends[-1])
    with Journal.reopen(journal) as sink:
        sink.append(closed)
        sink.sync()
    return _written(split, [*split.closed, closed], lines, hashes)


def _cut(journal: Path, size: int) -> None:
    with writing_errors(journal), journal.open("r+b") as file:
        file.truncate(size)
