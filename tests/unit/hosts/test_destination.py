"""Names that go to SSH: an allow-list, so that none can be an option or a command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import UsageError
from remote.hosts.ssh.destination import Destination, check_host, check_user, parse_destination


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mini", Destination("mini")),
        ("me@mini.local", Destination("mini.local", "me")),
        ("scientist@10.77.0.2", Destination("10.77.0.2", "scientist")),
        ("ssh://me@mini:2222", Destination("mini", "me", 2222)),
        ("me@[fe80::1]:22", Destination("fe80::1", "me", 22)),
    ],
)
def test_destinations(text: str, expected: Destination) -> None:
    assert parse_destination(text) == expected
    assert parse_destination(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-oProxyCommand=touch /tmp/x",
        "me@-oProxyCommand=x",
        "-l@mini",
        "me@mini;id",
        "me@$(id)",
        "me@mini\n",
        "me@mini:0",
        "me@mini:65536",
        "a@b@c",
        "me@",
        "mi ni",
        "`id`@mini",
    ],
)
def test_what_is_no_destination(text: str) -> None:
    with pytest.raises(UsageError, match="no SSH destination"):
        parse_destination(text)


@given(st.text(max_size=40))
def test_no_accepted_part_begins_with_a_dash_or_means_something_to_a_shell(text: str) -> None:
    try:
        found = parse_destination(text)
    except UsageError:
        return
    for part in (found.host, found.user or "x"):
        assert not part.startswith("-")
        assert not set(part) & set(" \t\n\"'`$;&|<>(){}*?!\\#~=%@/")


def test_names_from_a_configuration_are_checked_too() -> None:
    assert check_host("10.0.0.1", "x") == "10.0.0.1"
    assert check_host("fe80::1", "x") == "fe80::1"
    assert check_user("me", "x") == "me"
    with pytest.raises(UsageError, match=r"~/\.ssh/config"):
        check_host("-oProxyCommand=x", "~/.ssh/config")
    with pytest.raises(UsageError, match="user name"):
        check_user("me;id", "~/.ssh/config")
