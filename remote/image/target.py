"""What is to be placed where: a project's software and the engine that is to have it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from remote.errors import UsageError
from remote.hosts.connect import Host
from remote.hosts.docker.engine import Engine
from remote.hosts.docker.runtime import DockerRuntime
from remote.image.dockerfile import RunStage, run_stage
from remote.model import CodeDigests, Project


@dataclass(frozen=True, slots=True)
class Tags:
    """Where the two images of a run are found."""

    environment: str
    run: str


@dataclass(frozen=True, slots=True)
class Target:
    """`stage` is None where the Dockerfile's last stage has to be built."""

    host: Host
    engine: Engine
    project: Project
    digests: CodeDigests
    names: Tags
    stage: RunStage | None

    @property
    def where(self) -> str:
        """The engine's machine, as said to people."""
        return self.host.config.destination or "this machine"

    @property
    def lock(self) -> Path:
        """Held on the host by whoever makes the environment there."""
        name = self.names.environment.replace(":", "-")
        return self.host.layout.root / "locks" / f"{name}.lock"


def target_of(host: Host, project: Project, digests: CodeDigests) -> Target:
    """A project and an open host with the docker runtime.

    Raises:
        UsageError: the project has no Dockerfile.
    """
    assert isinstance(host.runtime, DockerRuntime)
    dockerfile = read_dockerfile(project)
    return Target(
        host=host,
        engine=host.runtime.engine,
        project=project,
        digests=digests,
        names=tags(dockerfile, host.config.base_image, digests),
        stage=run_stage(dockerfile.decode(errors="replace")),
    )


def tags(dockerfile: bytes, base_image: str, digests: CodeDigests) -> Tags:
    """The names of the images that are made of these."""
    made_of = f"{digests.lock} {hashlib.sha256(dockerfile).hexdigest()} {base_image}"
    key = hashlib.sha256(made_of.encode()).hexdigest()
    run_key = hashlib.sha256(f"{key} {digests.code}".encode()).hexdigest()
    return Tags(f"workhorse-env:{key[:16]}", f"workhorse:{run_key[:16]}")


def read_dockerfile(project: Project) -> bytes:
    """The project's Dockerfile.

    Raises:
        UsageError: there is none.
    """
    path = project.root / "Dockerfile"
    if not path.is_file():
        raise UsageError(
            f"{path}: not found; the docker runtime builds from it",
            hint="restore it (git checkout Dockerfile), or run with --host local+process",
        )
    return path.read_bytes()
