"""Sealed results on a host at the other end of a link: kept there by the run that made them, or
sent; believed once they were compared with the manifest here."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from remote.errors import HostRefused, HostUnreachable, IntegrityFailure, WorkhorseError
from remote.hosts.command import NOT_FOUND, CommandFailed
from remote.hosts.layout import StateLayout
from remote.hosts.ssh.transport import REMOVE_SECONDS, SshTransport
from remote.hosts.stores import scripts as result_scripts
from remote.hosts.stores.sending import Sent, digest_seconds, pieces, refuse_small_disk, send
from remote.model import TakenFrom
from remote.results.files import SYSTEM_FILES
from remote.results.manifest import Sealed
from remote.results.names import CRATE, MANIFEST, RUN_JSON

# Written by the controller: the run's directory on the host has others of that name, or none.
_OURS = (RUN_JSON, CRATE, MANIFEST)
_FIRST_FIELD = re.compile(r"\\?([0-9a-f]{64})\b")


@dataclass(frozen=True, slots=True)
class Copy:
    """A folder on the host that holds what a sealed folder here holds."""

    path: Path
    taken_from: TakenFrom


class ResultStore:
    """The results of a host's state directory: `results/MANIFEST_DIGEST/FOLDER`, read-only.

    A copy that has its name is complete. Before it is used, every file's SHA-256 is compared on
    the host with the manifest here; after that it is believed for as long as names, sizes, times
    and inodes stay. What is under way lies in `results/.partial/MANIFEST_DIGEST`.
    """

    def __init__(self, transport: SshTransport, layout: StateLayout) -> None:
        self._transport = transport
        self._layout = layout

    def provide(self, sealed: Sealed, on_sent: Sent, on_damage: Callable[[Path], None]) -> Copy:
        """A verified copy; what of it is missing on the host is sent.

        `on_sent` is told (bytes that the host has, bytes in all), `on_damage` the path of a copy
        that was not what it should be and is made anew.

        Raises:
            DiskTooSmall: the host lacks the room.
            HostUnreachable: the link is down; what was sent is kept.
            IntegrityFailure: the folder here does not hold what its manifest says.
        """
        final = self._layout.result(sealed.sha256, sealed.folder.name)
        with self._transport.lock(self._layout.result_lock(sealed.sha256)):
            listed = self._list(final)
            if listed and self._is_whole(final, sealed, listed):
                return Copy(final, "host")
            if listed:
                on_damage(final)
            self._transport.remove(final)
            partial = self._layout.result_partial(sealed.sha256)
            self._send(sealed, partial / final.name, on_sent)
            self._publish(partial / final.name, final, sealed)
            self._remember(final, self._list(final))
            self._transport.remove(partial)
            return Copy(final, "sent")

    def keep(self, run: Path, sealed: Sealed) -> None:
        """Make a sealed run's directory on the host into a copy; no file is copied.

        The directory has gone afterwards, also where this fails, unless it could not be moved.

        Raises:
            CommandFailed, HostRefused: no copy was made of it.
        """
        final = self._layout.result(sealed.sha256, sealed.folder.name)
        partial = self._layout.result_partial(sealed.sha256)
        with self._transport.lock(self._layout.result_lock(sealed.sha256)):
            if self._transport.status(final) is not None:
                return
            try:
                self._adopt(run, sealed, partial, partial / final.name)
                self._publish(partial / final.name, final, sealed)
            except HostUnreachable:
                raise  # what was moved is there when the copy is asked for
            except WorkhorseError:
                with suppress(HostRefused):
                    self._transport.remove(partial)
                raise
            self._transport.remove(partial)

    def _adopt(self, run: Path, sealed: Sealed, partial: Path, folder: Path) -> None:
        self._transport.make_directory(folder)
        for name in _OURS:
            self._transport.write(folder / name, (sealed.folder / name).read_bytes())
        argv = result_scripts.adopt(run, partial / "run", folder, SYSTEM_FILES)
        names = _names(path for path in sealed.digests if path not in _OURS)
        self._transport.link.run(argv, timeout=REMOVE_SECONDS, data=names)

    def _is_whole(self, final: Path, sealed: Sealed, listed: bytes) -> bool:
        """Whether a copy is what was sealed: as it was when it was last verified, or now."""
        if self._transport.read(_record(final)) == _vouching(listed):
            return True
        expected = _expected(sealed)
        sizes = _sizes(listed)
        if sizes is None or sizes.keys() != expected.keys():
            return False
        if self._differing(final, expected, sum(sizes.values())):
            return False
        self._remember(final, listed)
        return True

    def _remember(self, final: Path, listed: bytes) -> None:
        self._transport.write(_record(final), _vouching(listed))

    def _send(self, sealed: Sealed, partial: Path, on_sent: Sent) -> None:
        expected = _expected(sealed)
        sizes = {path: _size(sealed.folder, path) for path in sorted(expected)}
        total = sum(sizes.values())
        there = self._begun(partial, sizes)
        missing = total - sum(there.values())
        refuse_small_disk(self._transport, self._layout.results, missing, "the earlier run")
        self._append(sealed.folder, partial, sizes, there, on_sent)
        wrong = self._differing(partial, expected, total)
        if wrong and there:  # what was there before was no part of it
            for path in wrong:
                self._transport.discard(partial / path)
            there = {path: size for path, size in sizes.items() if path not in wrong}
            self._append(sealed.folder, partial, sizes, there, on_sent)
            wrong = self._differing(partial, expected, total)
        if wrong:
            self._transport.remove(partial)
            raise IntegrityFailure(
                f"{sealed.folder / wrong[0]} is not what was sealed; it was not sent",
                hint=f"see what else changed: remote results verify {sealed.folder}",
            )

    def _begun(self, partial: Path, sizes: Mapping[str, int]) -> dict[str, int]:
        """What of a folder was sent before; what cannot be a part of it is removed."""
        there = _sizes(self._list(partial)) or {}
        fits = all(path in sizes and size <= sizes[path] for path, size in there.items())
        if not fits or not there:
            self._transport.remove(partial)
            return {}
        return there

    def _append(
        self,
        folder: Path,
        partial: Path,
        sizes: Mapping[str, int],
        there: Mapping[str, int],
        on_sent: Sent,
    ) -> None:
        """Send what is missing as one stream."""
        done, total = sum(there.values()), sum(sizes.values())

        def stream() -> Iterator[bytes]:
            nonlocal done
            for path, size in sizes.items():
                offset = there.get(path, 0)
                if path in there and offset == size:
                    continue
                yield f"{size - offset} {path}\0".encode()
                for piece in pieces(folder / path, offset, size):
                    yield piece
                    done += len(piece)
                    on_sent(done, total)

        send(self._transport, result_scripts.receive(partial), stream(), total - done, partial)

    def _differing(self, folder: Path, expected: Mapping[str, str], size: int) -> list[str]:
        """The files whose SHA-256 on the host is not the one expected; all if it cannot tell."""
        paths = sorted(expected)
        argv, data = result_scripts.digests(folder), _names(f"./{path}" for path in paths)
        try:
            done = self._transport.link.run(
                argv, timeout=digest_seconds(size), check=False, data=data
            )
        except CommandFailed as error:
            raise HostRefused(
                error.problem, hint="its disk is very slow, or busy; try again"
            ) from error
        if done.returncode == NOT_FOUND:
            raise HostRefused(
                f"{self._transport.link.route.name}: {folder} cannot be digested: {done.text}",
                hint="sha256sum or shasum is needed on the host",
            )
        found = [_FIRST_FIELD.match(line) for line in done.stdout.splitlines()]
        if done.returncode or len(found) != len(paths):
            return paths
        return [
            path
            for path, match in zip(paths, found, strict=True)
            if match is None or match[1] != expected[path]
        ]

    def _list(self, folder: Path) -> bytes:
        """The files of a folder with what changes when they do; nothing where there is none."""
        listed: list[bytes] = []
        argv = result_scripts.listing(folder)
        code, errors = self._transport.link.exchange(argv, listed.append, timeout=REMOVE_SECONDS)
        if code:
            raise HostRefused(
                f"{self._transport.link.route.name}: {folder} cannot be listed: "
                f"{errors.decode(errors='replace').strip()}",
                hint="remove it there; it is sent again",
            )
        return b"".join(listed)

    def _publish(self, folder: Path, final: Path, sealed: Sealed) -> None:
        self._transport.make_directory(final.parent)
        seconds = digest_seconds(sum(_size(sealed.folder, path) for path in sealed.digests))
        argv = result_scripts.publish_folder(folder, final)
        try:
            self._transport.run(argv, timeout=seconds + REMOVE_SECONDS)
        except CommandFailed as error:
            raise HostRefused(
                f"{self._transport.link.route.name}: {final} cannot be made: "
                f"{error.completed.stderr.strip() or error.problem}",
                hint="free some disk there, or look at it by hand",
            ) from error


def _record(final: Path) -> Path:
    return final.parent / f".{final.name[:200]}.json"


def _expected(sealed: Sealed) -> dict[str, str]:
    """SHA-256 by path, the manifest's own among them."""
    return {**sealed.digests, MANIFEST: sealed.sha256}


def _names(paths: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def _sizes(listed: bytes) -> dict[str, int] | None:
    """Bytes by path; None where something is no regular file."""
    sizes = {}
    for record in listed.split(b"\0")[:-1]:
        kind, size, *_, path = record.split(b" ", 5)
        if kind != b"file":
            return None
        sizes[os.fsdecode(path)] = int(size)
    return sizes


def _size(folder: Path, path: str) -> int:
    try:
        return (folder / path).stat().st_size
    except OSError as error:
        raise IntegrityFailure(
            f"{folder / path}: {error.strerror}",
            hint=f"see what else changed: remote results verify {folder}",
        ) from error


def _vouching(listed: bytes) -> bytes:
    """What is written beside a copy that was verified when it was listed so."""
    return json.dumps({"listing_sha256": hashlib.sha256(listed).hexdigest()}).encode()
