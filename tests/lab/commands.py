"""The command lines of the lab, as data.

A lab host N owns 198.18.N.0/24 (set aside for tests of networks, so that it meets no real one),
the machine's end of its link is `wh-lab-N`, its own end `eth0`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Argv = list[str]

INSIDE = Path(__file__).with_name("inside.sh")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MARKER = "WORKHORSE_LAB_HOST"
# Enough for a 64 KB segment at 10 Gbit/s; more lets a burst through that no link has.
_BURST = ("burst", "256k", "latency", "50ms")


@dataclass(frozen=True, slots=True)
class Link:
    """The addresses and devices of one lab host."""

    slot: int

    @property
    def device(self) -> str:
        return f"wh-lab-{self.slot}"

    @property
    def network(self) -> str:
        return f"198.18.{self.slot}.0/24"

    @property
    def gateway(self) -> str:
        return f"198.18.{self.slot}.1"

    @property
    def address(self) -> str:
        return f"198.18.{self.slot}.2"

    def reserve(self) -> list[Argv]:
        """While the host is off its address leads nowhere, least of all to the way out of here."""
        return [["ip", "route", "add", *self._nowhere]]

    def release(self) -> list[Argv]:
        """Take `reserve` back; may find nothing."""
        return [["ip", "route", "delete", *self._nowhere]]

    def connect(self, pid: int) -> list[Argv]:
        """Make the link between this machine and the namespace of process `pid`."""
        peer = ["type", "veth", "peer", "name", "eth0", "netns", str(pid)]
        return [
            ["ip", "link", "add", self.device, *peer],
            ["ip", "address", "add", f"{self.gateway}/24", "dev", self.device],
            ["ip", "link", "set", self.device, "up"],
            inside_network(pid, "ip", "link", "set", "lo", "up"),
            inside_network(pid, "ip", "address", "add", f"{self.address}/24", "dev", "eth0"),
            inside_network(pid, "ip", "link", "set", "eth0", "up"),
            inside_network(pid, "ip", "route", "add", "default", "via", self.gateway),
            ["sysctl", "-qw", "net.ipv4.ip_forward=1"],
            *(_rule("-I", rule) for rule in self._rules()),
        ]

    def disconnect(self) -> list[Argv]:
        """What takes everything of `connect` away again; each may find nothing."""
        return [
            *(_rule("-D", rule) for rule in self._rules()),
            ["ip", "link", "delete", self.device],
        ]

    def cut(self, pid: int) -> list[Argv]:
        """Packets vanish in both directions without a word; ARP answers, as behind a router."""
        return [inside_network(pid, *_rule("-I", rule)) for rule in _SILENCE]

    def restore(self, pid: int) -> list[Argv]:
        """Take `cut` back; each may find nothing."""
        return [inside_network(pid, *_rule("-D", rule)) for rule in _SILENCE]

    def shape(self, pid: int, rate: str) -> list[Argv]:
        """`rate` as tc(8) writes it ("1gbit"), in each direction."""
        outward = ["tc", "qdisc", "replace", "dev", self.device, "root", "tbf", "rate", rate]
        inward = ["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate]
        return [[*outward, *_BURST], inside_network(pid, *inward, *_BURST)]

    def unshape(self, pid: int) -> list[Argv]:
        """Take `shape` back; each may find nothing."""
        return [
            ["tc", "qdisc", "delete", "dev", self.device, "root"],
            inside_network(pid, "tc", "qdisc", "delete", "dev", "eth0", "root"),
        ]

    @property
    def _nowhere(self) -> Argv:
        return ["unreachable", self.network, "metric", "4096"]

    def _rules(self) -> list[Argv]:
        outside = ["POSTROUTING", "--source", self.network, "!", "--out-interface", self.device]
        return [
            ["nat", *outside, "--jump", "MASQUERADE"],
            ["filter", "FORWARD", "--in-interface", self.device, "--jump", "ACCEPT"],
            ["filter", "FORWARD", "--out-interface", self.device, "--jump", "ACCEPT"],
        ]


_SILENCE = (
    ["raw", "PREROUTING", "--in-interface", "eth0", "--jump", "DROP"],
    ["mangle", "POSTROUTING", "--out-interface", "eth0", "--jump", "DROP"],
)


def _rule(action: str, rule: Sequence[str]) -> Argv:
    table, chain, *rest = rule
    return ["iptables", "--wait", "--table", table, action, chain, *rest]


def boot(marker: str, arguments: Sequence[str]) -> Argv:
    """Start inside.sh in namespaces of its own, in no session and with nothing of ours around it.

    `unshare --net`, never a second engine in the machine's own network: it would take docker0
    along. Not `ip netns exec` either, which hides the control groups.
    """
    return [
        *("setsid", "--fork", "env", "-i", f"PATH={PATH}", "LANG=C.UTF-8", marker),
        *("unshare", "--net", "--mount", "--uts", "--pid", "--ipc"),
        *("--fork", "--kill-child", "--mount-proc"),
        *("bash", str(INSIDE), *arguments),
    ]


def make_disk(path: Path, size: str) -> list[Argv]:
    """A file system of `size` ("2G") in a file that takes only what is written."""
    return [
        ["truncate", "--size", size, str(path)],
        ["mkfs.ext4", "-q", "-m", "0", "-F", str(path)],
    ]


def inside_network(pid: int, *argv: str) -> Argv:
    """A command of this machine in the network of process `pid`."""
    return ["nsenter", "--target", str(pid), "--net", "--", *argv]


def inside(pid: int, *argv: str) -> Argv:
    """A command as root of the lab host whose process 1 is `pid`, without our environment."""
    spaces = ("--net", "--mount", "--uts", "--pid", "--ipc")
    clean = ("env", "-i", f"PATH={PATH}", "LANG=C.UTF-8", "HOME=/root")
    return ["nsenter", "--target", str(pid), *spaces, "--", *clean, *argv]
