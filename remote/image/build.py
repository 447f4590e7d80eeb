"""Images that are built: the environment of a lock, and a run image where layers cannot serve."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from remote.errors import BaseImageUnavailable, BuildFailed, DiskTooSmall
from remote.hosts.command import CommandFailed
from remote.hosts.process.environment import NO_SPACE
from remote.hosts.select import LOCK_LABEL
from remote.image import loading
from remote.image.builders import Builder, builder_for
from remote.image.code import copy_code
from remote.image.digests import NOTEBOOKS, PACKAGE
from remote.image.target import Target
from remote.model import Project

OnDetail = Callable[[str], None]

PULL_SECONDS = 600
_STEP = re.compile(r"^#\d+ (?:[\d.]+ )?")


def build_arguments(tag: str, settings: Mapping[str, str], *options: str) -> list[str]:
    """What comes between `docker build` and its context; progress is plain lines."""
    given = [item for pair in settings.items() for item in ("--build-arg", "=".join(pair))]
    return ["--progress=plain", *options, *given, "--tag", tag]


def build_environment(target: Target, say: OnDetail) -> None:
    """Make the environment image on the target's engine.

    Raises:
        BaseImageUnavailable: neither present nor to be pulled.
        BuildFailed: the build's last lines.
        DiskTooSmall: the engine's disk is full.
        EngineUnusable: no docker command has BuildKit.
    """
    base, name = target.host.config.base_image, target.names.environment
    label = f"{LOCK_LABEL}={target.digests.lock}"
    options = ("--target", "env", "--label", label)
    with builder_for(target.host) as builder, _context(target.project) as context:
        if not loading.inspect(target.engine, base):
            _pull(target, builder, base, say)
        arguments = build_arguments(name, {"BASE_IMAGE": base}, *options)
        _build(target, builder, context, arguments, name, say)


def build_run_image(target: Target, say: OnDetail) -> None:
    """Make the run image from its Dockerfile, on the environment image that the engine has.

    Raises:
        BuildFailed, DiskTooSmall, EngineUnusable: see `build_environment`.
    """
    project, digests, names = target.project, target.digests, target.names
    settings = {"BASE_IMAGE": target.host.config.base_image, "ENVIRONMENT": names.environment}
    with builder_for(target.host) as builder, _context(project) as context:
        copy_code(project.root / PACKAGE, context / PACKAGE, digests.package)
        copy_code(project.notebooks, context / NOTEBOOKS, digests.notebooks)
        arguments = build_arguments(names.run, settings)
        _build(target, builder, context, arguments, names.run, say)


@contextmanager
def _context(project: Project) -> Iterator[Path]:
    """A build context with the Dockerfile and the lock; code is added where it is needed."""
    with TemporaryDirectory(prefix="workhorse-context-") as folder:
        for name in ("Dockerfile", "requirements.txt"):
            shutil.copyfile(project.root / name, Path(folder) / name)
        yield Path(folder)


def _pull(target: Target, builder: Builder, base: str, say: OnDetail) -> None:
    try:
        builder.pull(base, say, PULL_SECONDS)
    except CommandFailed as error:
        last = error.completed.text.splitlines()[-1:] or ["no answer"]
        raise BaseImageUnavailable(
            f"the base image {base} is not on {target.where} and cannot be pulled: {last[0]}",
            hint=f"check the network, `docker pull {base}` there, or `base_image` in "
            "configs/hosts.yaml; or run without docker: --host local+process",
        ) from error


def _build(
    target: Target,
    builder: Builder,
    context: Path,
    arguments: list[str],
    name: str,
    say: OnDetail,
) -> None:
    def tell(line: str) -> None:
        say(_STEP.sub("", line))

    try:
        builder.build(context, arguments, tell)
    except CommandFailed as error:
        text = error.completed.text
        if NO_SPACE in text.lower():
            raise DiskTooSmall(
                f"the disk of the Docker Engine of {target.where} is full",
                hint="docker system df; docker system prune",
            ) from error
        raise _build_failed(text) from error
    if not loading.inspect(target.engine, name):
        raise BuildFailed(
            f"the build ended well and the engine has no image {name}",
            hint="`docker buildx ls`: its builder must be the engine's own",
        )


def _build_failed(text: str) -> BuildFailed:
    lines = [_STEP.sub("", line) for line in text.splitlines() if line.strip()]
    return BuildFailed(
        "the image could not be built:\n" + "\n".join(f"  {line}" for line in lines[-12:]),
        hint="`docker build .` in the project's folder shows the whole; "
        "a package that cannot be installed is changed in pyproject.toml, then scripts/lock.sh",
    )
