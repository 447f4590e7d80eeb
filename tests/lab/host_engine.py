"""The engine of a lab host, reached by its socket."""

from __future__ import annotations

import socket
import subprocess
from contextlib import suppress

from remote.hosts.command import CommandFailed, run

_LOAD_SECONDS = 300
_STEP_SECONDS = 60
_UNIX = "unix://"


def answers(url: str) -> bool:
    """True where an engine answers a ping."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(url.removeprefix(_UNIX))
        connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return b" 200 " in connection.recv(64)
    return False


def engine_id(url: str) -> str:
    """What an engine calls itself."""
    return run(_docker(url, "info", "--format", "{{.ID}}"), timeout=_STEP_SECONDS).stdout.strip()


def has_image(url: str, image: str) -> bool:
    """True where an engine has an image of that name."""
    argv = _docker(url, "image", "inspect", "--format", "{{.Id}}", image)
    return run(argv, timeout=_STEP_SECONDS, check=False).returncode == 0


def load_base(url: str, image: str) -> None:
    """Give a host's engine an image that this machine's engine has; no registry is asked."""
    if has_image(url, image):
        return
    load = _docker(url, "load", "--quiet")
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
        loaded = subprocess.run(
            load, stdin=saving.stdout, capture_output=True, timeout=_LOAD_SECONDS, check=False
        )
    assert saving.returncode == 0, f"docker save {image} failed"
    assert loaded.returncode == 0, f"{load} failed: {loaded.stderr.decode()}"


def remove_leftovers(url: str) -> None:
    """Containers, volumes and nameless images of an earlier host with this engine."""
    for listing, removal in (
        (("ps", "--all", "--quiet"), ("rm", "--force", "--volumes")),
        (("volume", "ls", "--quiet"), ("volume", "rm", "--force")),
    ):
        found = run(_docker(url, *listing), timeout=_STEP_SECONDS).stdout.split()
        if found:
            with suppress(CommandFailed):
                run(_docker(url, *removal, *found), timeout=_STEP_SECONDS)
    run(_docker(url, "image", "prune", "--force"), timeout=_STEP_SECONDS)


def _docker(url: str, *arguments: str) -> list[str]:
    return ["docker", "--host", url, *arguments]
