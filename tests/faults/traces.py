"""What a build asked of the system, as strace saw it, and the rules that it has to keep.

A rule yields a line for each call that breaks it. What ends before something else begins is on
disk before it, whatever thread did it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

# Arguments are cut after this; a summary's numbers of row groups come before it.
TEXT = 200
CALLS = (
    "openat,write,writev,pwrite64,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,"
    "ftruncate,truncate"
)
STRACE = (
    "strace",
    "-f",
    "-y",
    "-s",
    str(TEXT),
    "--seccomp-bpf",
    "-e",
    f"trace=?{',?'.join(CALLS.split(','))}",
)

_LINE = re.compile(r"(\d+)\s+(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)")
_DESCRIPTOR = re.compile(r"\d+<([^>]*)>, ?|\d+<([^>]*)>")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_SAME = {
    "pwrite64": "write",
    "writev": "write",
    "fdatasync": "fsync",
    "renameat": "rename",
    "renameat2": "rename",
    "mkdirat": "mkdir",
    "unlinkat": "unlink",
    "ftruncate": "truncate",
    "openat": "open",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that succeeded.

    Attributes:
        begin, end: places in the trace.
        path: the file; the old name of a rename.
        target: the new name of a rename.
        text: the arguments as strace shows them.
    """

    thread: int
    name: str
    begin: int
    end: int
    path: str
    target: str
    text: str

    @property
    def folder(self) -> str:
        """Where the file that was made or renamed lies."""
        return str(PurePosixPath(self.target or self.path).parent)


def parse(lines: Sequence[str]) -> list[Call]:
    """The calls of a trace, in the order of their begins."""
    calls: list[Call] = []
    begun: dict[int, tuple[int, str]] = {}
    for at, line in enumerate(lines):
        match = _LINE.match(line)
        if match is None:
            continue
        thread, name, rest = int(match[1]), match[2], match[3]
        if rest.endswith("<unfinished ...>"):
            begun[thread] = (at, rest.removesuffix("<unfinished ...>"))
            continue
        begin, before = begun.pop(thread, (at, "")) if " resumed>" in line else (at, "")
        text = before + rest
        if ") = -1 " in re.sub(r"\s+", " ", text) or " = " not in text:
            continue
        calls.append(_call(thread, name, begin, at, text))
    return sorted(calls, key=lambda call: call.begin)


def _call(thread: int, name: str, begin: int, end: int, text: str) -> Call:
    name = _SAME.get(name, name)
    quoted = [match[1] for match in _QUOTED.finditer(text)]
    if name in ("write", "fsync") or (name == "truncate" and not quoted):
        path = text[text.index("<") + 1 : text.index(">")]
    else:
        path = quoted[0]
    target = quoted[1] if name == "rename" else ""
    return Call(thread, name, begin, end, path, target, text)


@dataclass(frozen=True, slots=True)
class Trace:
    """The calls that have to do with one output directory."""

    root: str
    calls: tuple[Call, ...]

    @classmethod
    def of(cls, root: str, lines: Sequence[str]) -> Trace:
        """Leave out all that lies elsewhere; the directory's parent is where it is made."""
        parent = str(PurePosixPath(root).parent)
        calls = [c for c in parse(lines) if c.path == parent or f"{c.path}/".startswith(f"{root}/")]
        return cls(root, tuple(calls))

    def named(self, name: str, part: str = "") -> list[Call]:
        """Calls of a name, to files with `part` in their path."""
        return [call for call in self.calls if call.name == name and part in call.path]

    def synced(self, path: str, after: int, before: int) -> bool:
        """True where a file or directory was synced between two places."""
        return any(
            call.path == path and call.begin > after and call.end < before
            for call in self.named("fsync")
        )

    def without(self, *left_out: Call) -> Trace:
        """As if these had not been made."""
        return Trace(self.root, tuple(call for call in self.calls if call not in left_out))

    def problems(self) -> list[str]:
        """Everything that breaks a rule."""
        return [problem for rule in RULES for problem in rule(self)]


def synced_before_rename(trace: Trace) -> Iterator[str]:
    """A file is synced after its last write and before it gets its name."""
    for rename in trace.named("rename"):
        changes = [
            call
            for name in ("write", "truncate", "open")
            for call in trace.named(name)
            if call.path == rename.path and call.begin < rename.begin
        ]
        if not trace.synced(rename.path, max(call.end for call in changes), rename.begin):
            yield f"{rename.path} was not synced before it was renamed"


def directory_synced_after(trace: Trace) -> Iterator[str]:
    """A name is durable before the thread that gave or took it does anything else."""
    for done in (*trace.named("rename"), *trace.named("unlink")):
        same = [c for c in trace.calls if c.thread == done.thread and c.begin > done.end]
        others = {"write", "rename", "unlink"} - {done.name}
        later = [c.begin for c in same if c.name in others or c.name == "rename"]
        synced = [c.begin for c in same if c.name == "fsync" and c.path == done.folder]
        if not synced or min(later, default=synced[0]) < synced[0]:
            yield f"{done.folder} was not synced after {done.name} of {done.path}"


def directories_durable(trace: Trace) -> Iterator[str]:
    """A directory is durable before anything in it has a name, or another one is made."""
    for made in trace.named("mkdir"):
        later = [
            call.begin
            for call in (*trace.named("mkdir"), *trace.named("rename"))
            if call.begin > made.end
        ]
        if not trace.synced(made.folder, made.end, min(later)):
            yield f"{made.folder} was not synced after {made.path} was made in it"


def journal_begins_first(trace: Trace) -> Iterator[str]:
    """What is run is on disk before the first byte of a shard."""
    first = trace.named("write", "journal_")[0]
    shard = trace.named("write", ".parquet.partial")[0]
    for path in (first.path, first.folder):
        if not trace.synced(path, first.end, shard.begin):
            yield f"{path} was not synced before the first shard was begun"


def journal_knows_of_shards(trace: Trace) -> Iterator[str]:
    """No shard gets its name before the journal can tell how it came to be."""
    for rename in trace.named("rename", ".parquet.partial"):
        lines = [c for c in trace.named("write", "journal_") if c.begin < rename.begin]
        if not trace.synced(lines[-1].path, lines[-1].end, rename.begin):
            yield f"the journal was not synced before {rename.target} had its name"


def summary_vouches(trace: Trace) -> Iterator[str]:
    """Data is synced, then the journal, then the summary that counts them is written."""
    lines = [c for c in trace.named("write", "journal_") if r"\"kind\":\"group\"" in c.text]
    writes = [
        *trace.named("write", ".parquet.partial"),
        *trace.named("write", "fingerprints_"),
    ]
    for rename in trace.named("rename", ".checkpoint_"):
        text = [c.text for c in trace.named("write", ".checkpoint_") if c.end < rename.begin][-1]
        counted = re.search(r'row_groups\\": (\d+)', text)
        assert counted, text
        last = lines[int(counted[1]) - 1]
        data = [call for call in writes if call.end < last.begin]
        journals = [
            call.begin
            for call in trace.named("fsync", "journal_")
            if call.begin > last.end and call.end < rename.begin
        ]
        vouched = [at for at in journals if all(trace.synced(c.path, c.end, at) for c in data)]
        if not vouched:
            yield f"the summary counts {counted[1]} row groups that were not synced in order"


def last_comes_last(trace: Trace) -> Iterator[str]:
    """Shards, each before its manifest; the dataset's manifest; only then the journal goes."""
    renames = {call.target.removeprefix(f"{trace.root}/"): call for call in trace.named("rename")}
    order = sorted(renames, key=lambda name: renames[name].begin)
    shards = [name for name in order if name.endswith(".parquet")]
    for shard in shards:
        if order.index(shard) > order.index(f"{shard.removesuffix('.parquet')}.manifest.json"):
            yield f"{shard} came after its manifest"
    parts = [name for name in order if name.startswith("train/") or "quality_report" in name]
    if max(map(order.index, parts)) > order.index("dataset_manifest.json"):
        yield "the dataset manifest was not the last one"
    if trace.named("unlink", "journal_")[0].begin < trace.named("rename", ".checkpoint_")[-1].end:
        yield "the journal was removed before the summary said that all is complete"


RULES: tuple[Callable[[Trace], Iterator[str]], ...] = (
    synced_before_rename,
    directory_synced_after,
    directories_durable,
    journal_begins_first,
    journal_knows_of_shards,
    summary_vouches,
    last_comes_last,
)
