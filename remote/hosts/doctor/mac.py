"""What only a Mac does: it sleeps, and its engine starts with its user's login."""

from __future__ import annotations

import re

from remote.hosts.doctor.check import Finding, ok, warn
from remote.hosts.doctor.visit import Visit
from remote.hosts.doctor.way import SECONDS

_SLEEP = """
[ "$(uname)" = Darwin ] || exit 0
pmset -g
"""
_AUTOSTART = """
[ "$(uname)" = Darwin ] || exit 0
cd "$HOME/Library/Group Containers/group.com.docker" 2>/dev/null || exit 0
for f in settings-store.json settings.json; do
  if [ -f "$f" ]; then exec cat "$f"; fi
done
"""


def sleep(visit: Visit) -> Finding | None:
    return of_sleep(_told(visit, _SLEEP))


def of_sleep(told: str) -> Finding | None:
    """A verdict on what `pmset -g` said; None where nothing is said of sleep."""
    match = re.search(r"(?m)^\s*sleep\s+(\d+)", told)
    if match is None:
        return None
    minutes = int(match[1])
    if minutes == 0:
        return ok("this Mac does not go to sleep")
    return warn(
        f"this Mac sleeps after {minutes} min without somebody at it, and its containers with it",
        "sudo pmset -a sleep 0; or System Settings, Energy: prevent automatic sleeping",
    )


def autostart(visit: Visit) -> Finding | None:
    return of_autostart(_told(visit, _AUTOSTART))


def of_autostart(told: str) -> Finding | None:
    """A verdict on Docker Desktop's settings; None where they do not say."""
    match = re.search(r'"autostart"\s*:\s*(true|false)', told, re.IGNORECASE)
    if match is None:
        return None
    if match[1].lower() == "true":
        return ok("Docker Desktop starts when its user logs in")
    return warn(
        "Docker Desktop does not start by itself",
        "its settings, General: start Docker Desktop when you sign in; after a reboot it needs "
        "that login",
    )


def _told(visit: Visit, script: str) -> str:
    argv = ["/bin/sh", "-c", script.strip()]
    return visit.transport.run(argv, timeout=SECONDS, check=False).stdout
