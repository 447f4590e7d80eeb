"""Whether a server's key is the one that known_hosts has for it. Reads only, never adds."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from remote.errors import HostKeyRefused


@dataclass(frozen=True, slots=True)
class ServerKey:
    """The key that a server shows. `shown` is what the person calls the server, `name` what its
    key is known under, `file` where it would be recorded; `key` is the public key's bytes."""

    shown: str
    name: str
    kind: str
    key: bytes
    file: Path

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.key)

    def where_it_lies(self) -> str:
        """The command that shows it on the host itself."""
        return f"ssh-keygen -lf /etc/ssh/ssh_host_{_short(self.kind)}_key.pub"


# Whether a key that is not known is the server's.
Accepts = Callable[[ServerKey], bool]


class HostKeyUnknown(HostKeyRefused):
    """Nothing is known about the server; whoever knows it may say that this is its key."""

    def __init__(self, server: ServerKey) -> None:
        self.server = server
        super().__init__(
            f"{server.shown}: its host key {server.kind} {server.fingerprint} is not known here "
            f"({server.file} has none for {server.name}); nothing was sent",
            hint=f"compare on the host: {server.where_it_lies()}; if it is right: "
            "remote hosts add NAME DESTINATION (NAME alone, if it is in configs/hosts.yaml), or "
            "connect once with ssh, and answer yes",
        )

    def __reduce__(self) -> tuple[object, ...]:
        return HostKeyUnknown, (self.server,)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A line of a known_hosts file that is about one server. `key` is the public key's bytes."""

    path: Path
    line: int
    marker: str
    kind: str
    key: bytes

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def known_keys(paths: Sequence[Path], name: str) -> tuple[KnownKey, ...]:
    """What the files say about a server, in their order; lines that are broken say nothing."""
    return tuple(known for path in paths for known in _read(path, name))


def refuse_unless_known(server: ServerKey, known: Sequence[KnownKey]) -> None:
    """Compare a server's key with what is known; nothing was sent to it yet.

    Raises:
        HostKeyUnknown: none is known.
        HostKeyRefused: the key is revoked, or not the known one.
    """
    said = f"{server.kind} {server.fingerprint}"
    for one in known:
        if one.marker == "@revoked" and one.key == server.key:
            raise HostKeyRefused(
                f"{server.shown}: its host key {said} is revoked ({one}); nothing was sent",
                hint="do not use this host until whoever runs it explains",
            )
    plain = [one for one in known if not one.marker]
    if any(one.key == server.key for one in plain):
        return
    if plain:
        raise HostKeyRefused(
            f"{server.shown}: its host key is {said}, which is not the one in "
            f"{', '.join(map(str, plain))}; nothing was sent",
            hint="the host was set up anew, or somebody else answers in its place. Compare on the "
            f"host: {server.where_it_lies()}; "
            f"if it is right: ssh-keygen -R '{server.name}', then connect once with ssh",
        )
    raise HostKeyUnknown(server)


def fingerprint(key: bytes) -> str:
    """As OpenSSH shows it."""
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def _short(kind: str) -> str:
    return "rsa" if "rsa" in kind else "ecdsa" if "ecdsa" in kind else "ed25519"


def _read(path: Path, name: str) -> Iterator[KnownKey]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for number, line in enumerate(lines, 1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or not _matches(fields[0], name):
            continue
        try:
            key = base64.b64decode(fields[2], validate=True)
        except ValueError:
            continue
        yield KnownKey(path, number, marker, fields[1], key)


def _matches(patterns: str, name: str) -> bool:
    """One hashed name, or patterns with commas of which a leading `!` excludes."""
    if patterns.startswith("|1|"):
        return _is_hash_of(patterns, name)
    found = False
    for pattern in patterns.lower().split(","):
        negated = pattern.startswith("!")
        # Brackets are part of `[host]:port` here, no set of characters.
        glob = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatchcase(name.lower(), glob):
            if negated:
                return False
            found = True
    return found


def _is_hash_of(text: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in text.split("|")[2:4])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
