"""Lab hosts with other engines: what is said to run there does, with the store that was asked."""

from __future__ import annotations

import pytest

from tests.lab.flavours import INSTALLED
from tests.lab.host import BASE_IMAGE, LabHost

pytestmark = pytest.mark.ssh


def test_the_engine_is_the_one_that_was_asked_for(engine_host: LabHost) -> None:
    seen = engine_host.ssh("docker", "info", "--format", "'{{.ServerVersion}} {{.DriverStatus}}'")
    version, _, status = seen.stdout.partition(" ")
    flavour = engine_host.flavour
    if flavour is not INSTALLED:
        assert version.startswith(f"{flavour.release}.")
    assert ("io.containerd.snapshotter" in status) == flavour.containerd_store


def test_its_images_outlive_a_crash(engine_host: LabHost) -> None:
    engine_host.crash()
    engine_host.start()
    argv = ["docker", "run", "--rm", "--network=none", BASE_IMAGE, "python", "-c", "'print(6*7)'"]
    assert engine_host.ssh(*argv).stdout.strip() == "42"
