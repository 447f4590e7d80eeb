"""The way to a host and what it finds there: link, key, login, shell, programs, files, clock."""

from __future__ import annotations

import time
from uuid import uuid4

from remote.errors import DiskTooSmall, HostKeyRefused, HostRefused, LoginRefused
from remote.hosts.doctor.check import Finding, ok, warn
from remote.hosts.doctor.visit import Visit
from remote.hosts.ssh.transport import SshTransport

SECONDS = 15
# Below the first a run is refused or soon ends; below the second it is worth a word.
FULL_BYTES = 1 << 30
TIGHT_BYTES = 10 << 30
CLOCK_WARN_SECONDS = 2
CLOCK_FAIL_SECONDS = 60
# What the transport's own programs need of perl and of the system.
_PERL = "use Fcntl; use IO::Handle; use File::Basename; use Time::HiRes; printf q(%vd), $^V"
_DIGEST = "command -v sha256sum || command -v shasum"
_NOW = "use Time::HiRes; printf q(%.3f), Time::HiRes::time()"


def reach(visit: Visit) -> Finding:
    route = visit.route
    if visit.refusal and not isinstance(visit.refusal, HostKeyRefused | LoginRefused):
        raise visit.refusal
    through = ", ".join(jump.host for jump in route.jumps) or route.proxy_command
    return ok(
        f"{route.host} port {route.port} answers" + (f", through {through}" if through else "")
    )


def host_key(visit: Visit) -> Finding:
    if isinstance(visit.refusal, HostKeyRefused):
        raise visit.refusal
    return ok(f"is the one that is known for {visit.route.key_name}")


def login(visit: Visit) -> Finding:
    return ok(f"{visit.link.route.user} is let in")


def shell(visit: Visit) -> Finding:
    """A start-up file that prints would be taken for a command's answer."""
    assert isinstance(visit.transport, SshTransport)
    user, home = visit.transport.user, visit.transport.home
    return ok(f"uid {user.uid}, home {home}; start-up files print nothing")


def programs(visit: Visit) -> Finding:
    run = visit.transport.run
    perl = run(["perl", "-e", _PERL], timeout=SECONDS, check=False)
    if perl.returncode:
        raise HostRefused(
            f"perl with its usual modules is not there: {perl.text}",
            hint="install perl on the host: apt-get install perl, or dnf install perl",
        )
    digest = run(["/bin/sh", "-c", _DIGEST], timeout=SECONDS, check=False)
    if digest.returncode:
        raise HostRefused(
            "neither sha256sum nor shasum is there", hint="install coreutils on the host"
        )
    return ok(f"sh, perl {perl.stdout}, {digest.stdout.strip().rsplit('/', 1)[-1]}")


def state(visit: Visit) -> Finding:
    root = visit.layout.root
    path = root / f".doctor-{uuid4().hex[:12]}"
    try:
        visit.transport.make_directory(root)
        visit.transport.write(path, b"")
        visit.transport.discard(path)
    except OSError as error:  # of this machine's own files
        raise HostRefused(
            f"cannot write in {root}: {error.strerror or error}",
            hint="`state_dir` of the host names the directory",
        ) from error
    return ok(f"{root} can be written")


def disk(visit: Visit) -> Finding:
    root = visit.layout.root
    return of_disk(
        visit.transport.free_bytes(root),
        str(root),
        "free some there, or set `state_dir` of the host",
    )


def of_disk(free: int, where: str, fix: str) -> Finding:
    """A verdict on free disk."""
    said = f"{free / 2**30:.1f} GiB free on {where}"
    if free < FULL_BYTES:
        raise DiskTooSmall(said, hint=fix)
    return warn(said, fix) if free < TIGHT_BYTES else ok(said)


def clock(visit: Visit) -> Finding:
    before = time.time()
    there = float(visit.transport.run(["perl", "-e", _NOW], timeout=SECONDS).stdout)
    after = time.time()
    # Somewhere between asking and hearing it was that time there.
    off = max(before - there, there - after, 0.0)
    return of_clock(off, "the host's clock and this machine's")


def of_clock(off: float, whose: str) -> Finding:
    """A verdict on how far two clocks are apart."""
    said = f"{whose} are {off:.1f} s apart" if off >= 0.05 else f"{whose} agree"
    fix = (
        "switch time synchronisation on where it is off: timedatectl set-ntp true; on a Mac System "
        "Settings, General, Date & Time, or restart Docker there"
    )
    if off > CLOCK_FAIL_SECONDS:
        raise HostRefused(said, hint=fix)
    return warn(said, fix) if off > CLOCK_WARN_SECONDS else ok(said)
