"""Build and push: from a project to software that is on the host, ready to run."""

from __future__ import annotations

from remote.hosts.connect import Host
from remote.hosts.local import LocalTransport
from remote.hosts.process.environment import ensure_environment
from remote.image.code import place_code
from remote.image.digests import code_digests
from remote.model import PlacedImage, Project
from remote.steps import Steps


def place(host: Host, project: Project, steps: Steps, *, try_now: bool = True) -> PlacedImage:
    """Make what the host lacks of the project's environment and code.

    `try_now`: see `docker.place_image`.

    Raises:
        BuildFailed: the environment could not be made.
        UsageError: the project is no checkout.
        WorkhorseError: docker only; see `docker.place_image`.
    """
    if host.config.runtime == "docker":
        from remote.image.docker import place_image

        return place_image(host, project, code_digests(project), steps, try_now=try_now)
    assert isinstance(host.transport, LocalTransport)
    digests = code_digests(project)
    with steps.step("build") as say:
        environment = ensure_environment(
            host.transport,
            project.requirements,
            digests.lock,
            host.layout.environments,
            say,
        )
        code = place_code(host, project, digests)
    return PlacedImage(
        host=host.config,
        digests=digests,
        environment=str(environment.path),
        code=str(code),
        image_digest=None,
        modules=environment.modules,
    )
