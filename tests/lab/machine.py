"""Whether this machine can hold lab hosts, and where it keeps them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from ipaddress import IPv4Network
from pathlib import Path

from remote.hosts.command import run

TOOLS = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "tc": "iproute2",
    "iptables": "iptables",
    "useradd": "passwd",
    "mkfs.ext4": "e2fsprogs",
    "pgrep": "procps",
    "dockerd": "docker.io",
    "docker": "docker.io",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
}
_SECONDS = 20


def lab_directory() -> Path:
    """Where hosts keep what outlives them: the images of their engines."""
    return Path(os.environ.get("WORKHORSE_LAB", "/var/tmp/workhorse-lab"))


def refusal(base_image: str) -> str | None:
    """Why no lab host can be started here, and what would help; None where one can."""
    if sys.platform != "linux":
        return f"a lab host is made of Linux namespaces, and this is {sys.platform}"
    if os.geteuid() != 0:
        return "a lab host needs root: run the tests as root"
    missing = sorted({package for tool, package in TOOLS.items() if not _found(tool)})
    if missing:
        return f"a lab host needs {', '.join(missing)}: apt-get install {' '.join(missing)}"
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "true"]
    forbidden = run(unshare, timeout=_SECONDS, check=False)
    if forbidden.returncode != 0:
        return f"this machine allows no namespaces of one's own: {forbidden.text}"
    inspect = ["docker", "image", "inspect", base_image]
    if run(inspect, timeout=_SECONDS, check=False).returncode != 0:
        return f"the engine of this machine has no {base_image}: bash tests/lab/engine.sh up"
    return None


def routes() -> tuple[IPv4Network, ...]:
    """Every network that this machine has a way to, but for the whole world."""
    argv = ["ip", "-json", "-4", "route"]
    listed = json.loads(run(argv, timeout=_SECONDS, extra_env=search_path()).stdout)
    targets = (str(route["dst"]) for route in listed)
    return tuple(IPv4Network(target) for target in targets if target != "default")


def search_path() -> dict[str, str]:
    """PATH with the directories of administrators' programs, which not every root has."""
    return {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}


def _found(tool: str) -> bool:
    return shutil.which(tool, path=search_path()["PATH"]) is not None
