"""Build command lines and image names, as data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from remote.image.build import build_argv, inventory_argv, tags
from remote.model import CodeDigests

DIGESTS = CodeDigests(lock="l", code="c", package="p", notebooks="n")


def test_build_line() -> None:
    arguments = {"BASE_IMAGE": "python:3.11-slim", "ENVIRONMENT": "workhorse-env:1"}
    assert build_argv(Path("/docker"), Path("/ctx"), "tag:1", arguments, "--target", "env") == [
        "/docker",
        "build",
        "--progress=plain",
        "--target",
        "env",
        "--build-arg",
        "BASE_IMAGE=python:3.11-slim",
        "--build-arg",
        "ENVIRONMENT=workhorse-env:1",
        "--tag",
        "tag:1",
        "--",
        "/ctx",
    ]


def test_the_inventory_is_taken_without_network_or_privileges() -> None:
    line = inventory_argv(Path("docker"), "sha256:1")
    assert line[:6] == ["docker", "run", "--rm", "--network=none", "--cap-drop=ALL", "--read-only"]


def test_names_follow_what_images_are_made_of() -> None:
    names = tags(b"FROM x", "base", DIGESTS)
    assert tags(b"FROM x", "base", DIGESTS) == names
    code = tags(b"FROM x", "base", replace(DIGESTS, code="d"))
    assert code.environment == names.environment
    assert code.run != names.run
    for other in (
        tags(b"FROM y", "base", DIGESTS),
        tags(b"FROM x", "base2", DIGESTS),
        tags(b"FROM x", "base", replace(DIGESTS, lock="m")),
    ):
        assert other.environment != names.environment
        assert other.run != names.run
