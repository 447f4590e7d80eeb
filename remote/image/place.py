"""Build and push: from a project to software that is on the host, ready to run."""

from __future__ import annotations

from collections.abc import Callable

from remote.hosts.connect import Host
from remote.hosts.environment import ensure_environment
from remote.hosts.local import LocalTransport
from remote.image.code import place_code
from remote.image.digests import code_digests
from remote.model import PlacedImage, Project

OnDetail = Callable[[str], None]


def place(host: Host, project: Project, on_detail: OnDetail) -> PlacedImage:
    """Make what the host lacks of the project's environment and code.

    Raises:
        BuildFailed: the environment could not be made.
        BaseImageUnavailable: docker only; the base image cannot be had.
        UsageError: the project is no checkout.
    """
    if host.config.runtime == "docker":
        from remote.image.build import build_image

        return build_image(host, project, code_digests(project), on_detail)
    assert isinstance(host.transport, LocalTransport)
    digests = code_digests(project)
    environment = ensure_environment(
        host.transport,
        project.requirements,
        digests.lock,
        host.layout.environments,
        on_detail,
    )
    return PlacedImage(
        host=host.config,
        digests=digests,
        environment=str(environment.path),
        code=str(place_code(host, project, digests)),
        image_digest=None,
        modules=environment.modules,
    )
