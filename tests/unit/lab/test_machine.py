"""Where no lab host can be started, the lab says why and what would help."""

from __future__ import annotations

import os
import sys

import pytest

from tests.lab.commands import Link
from tests.lab.machine import refusal
from tests.lab.slots import SLOTS

BASE = "python:3.11-slim"


def test_it_names_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert refusal(BASE) == "a lab host is made of Linux namespaces, and this is darwin"


linux = pytest.mark.skipif(sys.platform != "linux", reason="what is refused on Linux")


@linux
def test_it_asks_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert refusal(BASE) == "a lab host needs root: run the tests as root"


@linux
def test_it_names_the_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("tests.lab.machine.TOOLS", {"sh": "dash", "no-such-tool": "nothing"})
    assert refusal(BASE) == "a lab host needs nothing: apt-get install nothing"


@pytest.mark.parametrize("slot", range(SLOTS))
def test_what_a_link_adds_it_takes_away(slot: int) -> None:
    link = Link(slot)
    rules = [argv for argv in link.connect(1) if argv[0] == "iptables"]
    removed = [["-I" if word == "-D" else word for word in argv] for argv in link.disconnect()]
    assert rules
    assert all(rule in removed for rule in rules)
    assert ["ip", "link", "delete", link.device] in link.disconnect()
    assert len(link.device) < 16
