"""Build command lines and image names, as data."""

from __future__ import annotations

from dataclasses import replace

from remote.image.build import build_arguments
from remote.image.target import tags
from remote.model import CodeDigests

DIGESTS = CodeDigests(lock="l", code="c", package="p", notebooks="n")


def test_build_line() -> None:
    settings = {"BASE_IMAGE": "python:3.11-slim", "ENVIRONMENT": "workhorse-env:1"}
    assert build_arguments("tag:1", settings, "--target", "env") == [
        "--progress=plain",
        "--target",
        "env",
        "--build-arg",
        "BASE_IMAGE=python:3.11-slim",
        "--build-arg",
        "ENVIRONMENT=workhorse-env:1",
        "--tag",
        "tag:1",
    ]


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
