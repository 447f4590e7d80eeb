"""Collect while a run goes on: what looks finished is copied in the background.

Watching comes first: the copies give way on the host, and little of them is under way on the
link at a time. They are guesses (see `results.kept`), and whatever goes wrong with them is left
to the collecting at the end, which does without.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from remote.errors import WorkhorseError
from remote.hosts.connect import Host
from remote.results import disk
from remote.results.admit import Admitted, Caps, admit
from remote.results.claim import prepare
from remote.results.collect import fetch, recognise
from remote.results.copying import Hasher
from remote.results.files import OUTPUT, Entry, RunFiles
from remote.results.kept import Copy, Kept, kept_copies

# Between two looks, and how long a file is unchanged, by the host's clock, that looks finished.
ROUND_SECONDS = 5.0
UNCHANGED_SECONDS = 5
# A look may take this share of the time: a run with a million files is looked at less often.
_LOOKING_SHARE = 0.1
# How long the end of a run waits for the block that is under way.
_END_SECONDS = 2.0
# What copies leave free on this machine's disk.
KEPT_FREE_BYTES = 2 << 30
_TEMPORARY = (".tmp", ".temp", ".part", ".partial", "~")


class _Over(Exception):
    """The run has ended, or nobody watches it any more."""


@contextmanager
def collecting(host: Host, run_id: str, results_root: Path) -> Iterator[None]:
    """Copies are made for as long as this is open, of a run on another machine."""
    if host.transport.kind == "local":
        yield
        return
    over = threading.Event()
    work = threading.Thread(
        target=_collect, args=(host, run_id, results_root, over), name="early", daemon=True
    )
    work.start()
    try:
        yield
    finally:
        over.set()
        work.join(_END_SECONDS)


def _collect(host: Host, run_id: str, results_root: Path, over: threading.Event) -> None:
    if over.wait(ROUND_SECONDS):  # a short run is not worth it
        return
    try:
        prepare(results_root)
        with kept_copies(run_id, results_root) as kept:
            if kept is not None:
                files = host.transport.files(host.layout.run(run_id), gently=True)
                _rounds(Early(files, kept, over), over)
    except (WorkhorseError, OSError, _Over):
        return  # the link, the host, the disk: whoever watches or collects meets it too


def _rounds(early: Early, over: threading.Event) -> None:
    pause = 0.0
    while not over.wait(pause):
        started = time.monotonic()
        wanted = early.look()
        pause = max(ROUND_SECONDS, (time.monotonic() - started) / _LOOKING_SHARE)
        early.copy(wanted)


class Early:
    """What is known of one run's copies."""

    def __init__(self, files: RunFiles, kept: Kept, over: threading.Event) -> None:
        self._files = files
        self._kept = kept
        self._over = over
        self._known: dict[str, tuple[Entry, Copy]] = {}
        self._inherited = True

    def look(self) -> list[Admitted]:
        """The files that look finished and have no copy.

        A file that has changed since it was copied loses its copy, so that all of them together
        are no larger than what the run may bring.
        """
        admitted, _ = admit(self._files.walk(), Caps())
        listed = {one.target: one.entry for one in admitted}
        for target, (entry, copy) in list(self._known.items()):
            if not _same(entry, listed.get(target)):
                self._kept.discard(copy)
                del self._known[target]
        finished = [one for one in admitted if looks_finished(one.entry)]
        if self._inherited:
            self._inherited = False
            self._know(finished, recognise(self._files, finished, self._kept, self._report))
            self._kept.discard_offered()
        return [one for one in finished if one.target not in self._known]

    def copy(self, wanted: list[Admitted]) -> None:
        """Copy files, as far as there is room."""
        room = disk.free_bytes(self._kept.directory) - KEPT_FREE_BYTES
        fitting = []
        for one in wanted:
            room -= one.entry.size_bytes
            if room > 0:
                fitting.append(one)
        if not fitting:
            return
        with self._kept.filling(), Hasher() as hasher:
            copies, _ = fetch(
                self._files,
                fitting,
                lambda one, source: self._kept.copy(one.entry, source, hasher, self._report),
            )
        self._know(fitting, copies)

    def _know(self, admitted: list[Admitted], copies: dict[str, Copy]) -> None:
        entries = {one.target: one.entry for one in admitted}
        self._known |= {target: (entries[target], copy) for target, copy in copies.items()}

    def _report(self, _count: int) -> None:
        if self._over.is_set():
            raise _Over


def looks_finished(entry: Entry) -> bool:
    """Whether nobody seems to write the file any more: unchanged for a while, a name to keep."""
    path = PurePosixPath(entry.path)
    inside = path.parts[:1] == (OUTPUT,)
    hidden = any(part.startswith(".") for part in path.parts)
    temporary = path.name.lower().endswith(_TEMPORARY)
    unchanged = entry.listed - entry.changed >= UNCHANGED_SECONDS
    return inside and unchanged and not hidden and not temporary


def _same(entry: Entry, now: Entry | None) -> bool:
    return now is not None and (entry.size_bytes, entry.changed) == (now.size_bytes, now.changed)
