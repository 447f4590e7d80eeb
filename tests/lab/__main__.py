"""Lab hosts by hand: `python -m tests.lab up mini`, then ssh to it as the last lines show."""

from __future__ import annotations

import json
import sys

import click

from tests.lab import slots
from tests.lab.flavours import FLAVOURS, INSTALLED
from tests.lab.host import BASE_IMAGE, LabHost, down, up
from tests.lab.machine import refusal


@click.group(help=__doc__)
def main() -> None:
    reason = refusal(BASE_IMAGE)
    if reason is not None:
        raise click.ClickException(reason)


def _hosts() -> dict[str, LabHost]:
    """Hosts that were started by hand, by name: the others belong to test runs."""
    found = {}
    for slot in slots.taken():
        record = json.loads(slot.record.read_text())
        if record["owner"] is None:
            flavour = FLAVOURS[record["flavour"]]
            client = slot.directory / "client"
            found[record["name"]] = LabHost(record["name"], slot, client, flavour=flavour)
    return found


def _named(name: str) -> LabHost:
    hosts = _hosts()
    if name not in hosts:
        raise click.ClickException(f"no host {name} was started by hand: {', '.join(hosts) or '-'}")
    return hosts[name]


@main.command("up")
@click.argument("name", default="mini")
@click.option("--engine", type=click.Choice(list(FLAVOURS)), default=INSTALLED.name)
def up_(name: str, engine: str) -> None:
    """Start a host; it stays until `down`."""
    if name in _hosts():
        raise click.ClickException(f"{name} is there already")
    host = up(name, keep=True, flavour=FLAVOURS[engine])
    print(f"ssh -F {host.ssh_config} {host.name}")


@main.command("down")
@click.argument("name", default="mini")
def down_(name: str) -> None:
    """Take a host away; its engine's images are kept for the next one."""
    down(_named(name))


@main.command("do")
@click.argument("name")
@click.argument(
    "action",
    type=click.Choice(["start", "stop", "crash", "cut_link", "restore_link", "shape", "unshape"]),
)
@click.argument("rate", required=False)
def do(name: str, action: str, rate: str | None) -> None:
    """Do to a host what tests do to it: `do mini shape 1gbit`, `do mini crash`."""
    getattr(_named(name), action)(*([rate] if rate else []))


@main.command("list")
def list_() -> None:
    """Every host, and whether it is up."""
    for slot in slots.taken():
        record = json.loads(slot.record.read_text())
        state = "up" if slot.process_1() else "off"
        whose = "by hand" if record["owner"] is None else f"of process {record['owner']['pid']}"
        print(f"{record['name']}\t{slot.link.address}\t{state}\t{whose}\t{slot.directory}")


@main.command("sweep")
def sweep() -> None:
    """Take away what killed test runs left."""
    slots.sweep()


@main.command("forget")
def forget() -> None:
    """Remove the kept images of every slot that no host uses."""
    slots.forget()


if __name__ == "__main__":
    sys.exit(main())
