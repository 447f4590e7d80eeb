"""Push on a real second host: what it lacks and nothing else, to an image as good as built."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest
from docker.errors import APIError

from remote.errors import DiskTooSmall, HostUnreachable, ImageUnusable
from remote.hosts.connect import Host, connect
from remote.hosts.docker.engine import Engine
from remote.hosts.docker.runtime import DockerRuntime
from remote.hosts.select import LOCK_LABEL, local_host
from remote.image import loading, record, trial
from remote.image.append import code_layers
from remote.image.digests import code_digests
from remote.image.docker import place_image
from remote.image.layers import Codec, Layer, codec_for
from remote.image.target import Target, target_of
from remote.model import HostConfig, Message, PlacedImage, Project, StepDetail
from remote.steps import Steps
from tests.contract.cells import until
from tests.integration.ssh.tiny import edit_notebook, edit_package, make_project
from tests.lab.host import LabHost

pytestmark = [pytest.mark.integration, pytest.mark.ssh]
# What a push may send beside the compressed layers.
BESIDE_BYTES = 20_000


class Heard:
    """A listener that remembers what steps did."""

    def __init__(self) -> None:
        self.details: list[str] = []

    def __call__(self, message: Message) -> None:
        if isinstance(message, StepDetail):
            self.details.append(message.detail)


@pytest.fixture(scope="module")
def project(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = make_project(project_root, tmp_path_factory.mktemp("tiny") / "project")
    yield made
    with connect(local_host("docker", "a test")) as here:
        forget(target(here, made))


@pytest.fixture
def config(engine_host: LabHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostConfig:
    return reach(engine_host, tmp_path, monkeypatch)


def reach(lab: LabHost, folder: Path, monkeypatch: pytest.MonkeyPatch) -> HostConfig:
    """A lab host as somebody has it in their ~/.ssh/config, with a state directory of its own."""
    home = folder / "home"
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    shutil.copyfile(lab.ssh_config, home / ".ssh" / "config")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    state = Path("~") / f".workhorse-{folder.name}"
    return HostConfig(lab.name, "ssh", "docker", "a test", state, destination=lab.name)


@pytest.fixture
def host(config: HostConfig, project: Project) -> Iterator[Host]:
    """Open, and without any image of the project before and after."""
    with connect(config) as opened:
        forget(target(opened, project))
        yield opened
        forget(target(opened, project))
        opened.transport.remove(opened.layout.root)


def target(host: Host, project: Project) -> Target:
    return target_of(host, project, code_digests(project))


def engine_of(host: Host) -> Engine:
    assert isinstance(host.runtime, DockerRuntime)
    return host.runtime.engine


def forget(where: Target) -> None:
    """Take every image of the project's lock away from an engine, those of killed tests too."""
    images = where.engine.client.images
    label = {"label": f"{LOCK_LABEL}={where.digests.lock}"}
    named = [*images.list("workhorse-part"), *images.list(where.names.environment)]
    for image in (*images.list(filters=label), *named):
        for name in image.tags or (image.id,):
            with suppress(APIError):
                images.remove(name, force=True)
    images.prune()


def place(host: Host, project: Project, heard: Heard | None = None) -> PlacedImage:
    return place_image(host, project, code_digests(project), Steps(heard or Heard()))


def pushed(placed: PlacedImage) -> tuple[str, int, int]:
    assert placed.pushed is not None
    return placed.pushed.way, placed.pushed.layers_sent, placed.pushed.layers_there


def allowed_bytes(host: Host, project: Project, layers: int) -> int:
    """The compressed size of the last code layers, and what may come on top."""
    code = code_layers(project, code_digests(project), codec_for(engine_of(host).facts.version))
    return sum(blob.layer.size_bytes for blob in code[-layers:]) + BESIDE_BYTES


def sound(host: Host, project: Project) -> str:
    """Why the run image is not as good as a built one."""
    where = target(host, project)
    attrs = loading.inspect(where.engine, where.names.run)
    assert attrs is not None
    assert trial.saved(where, where.names.run).missing(attrs["RootFS"]["Layers"]) == ""
    built, _ = where.engine.client.images.build(
        fileobj=BytesIO(f"FROM {where.names.run}\nRUN python -c 'import remote'\n".encode()),
        network_mode="none",
    )
    where.engine.client.images.remove(built.id, force=True)
    return loading.run_once(
        where.engine, where.names.run, ("python", "-c", "import toolz, remote"), 60, "the lab"
    )


def test_what_is_there_is_not_sent_again(host: Host, project: Project) -> None:
    """The environment once; then an edited notebook is one layer, an edited package two."""
    first = place(host, project)
    way, sent, there = pushed(first)
    by_blob = engine_of(host).facts.image_store == "containerd"
    assert (way, there) == ("appended", 0 if by_blob else 1), "the base image's layer is there"
    assert sent == len(first.layers) - there
    sound(host, project)

    again = place(host, project)
    assert pushed(again) == ("there", 0, len(first.layers))
    assert again.pushed is not None
    assert again.pushed.bytes_sent < BESIDE_BYTES
    assert (again.image_digest, again.layers) == (first.image_digest, first.layers)

    for edit, layers in ((edit_notebook, 1), (edit_package, 2)):
        edit(project)
        changed = place(host, project)
        assert changed.pushed is not None
        assert pushed(changed) == ("appended", layers, len(first.layers) - layers)
        assert changed.pushed.bytes_sent <= allowed_bytes(host, project, layers)
        assert changed.environment == first.environment
        sound(host, project)

    with connect(local_host("docker", "a test")) as here:
        same = place(here, project)
    assert same.image_digest == changed.image_digest, "the same on every engine"
    assert same.layers == changed.layers


def test_layers_that_the_engine_forgot_are_sent_again(host: Host, project: Project) -> None:
    place(host, project)
    edit_notebook(project)
    engine_of(host).client.images.remove(target(host, project).names.environment)
    for image in engine_of(host).client.images.list("workhorse"):
        for tag in image.tags:
            engine_of(host).client.images.remove(tag, force=True)
    edit_notebook(project)
    assert pushed(place(host, project))[0] == "appended"
    sound(host, project)


@pytest.mark.parametrize("asked", ["host", "auto"])
def test_an_environment_that_is_built_on_the_host(
    host: Host,
    project: Project,
    asked: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asked for, and where this machine has neither an engine nor any docker command."""
    if asked == "auto":
        (tmp_path / "bin").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
        monkeypatch.setattr("remote.hosts.docker.cli._FOLDERS", ())
    config = replace(host.config, build="host" if asked == "host" else "auto")
    heard = Heard()
    placed = place(replace(host, config=config), project, heard)
    assert any(f"on {host.config.destination}:" in detail for detail in heard.details)
    assert pushed(placed)[:2] == ("appended", 2)
    assert placed.pushed is not None
    assert placed.pushed.bytes_sent < 1_000_000, "no environment was sent"
    sound(host, project)
    edit_package(project)
    assert pushed(place(host, project))[:2] == ("appended", 2)


def test_an_engine_that_takes_no_layers_gets_the_whole(host: Host, project: Project) -> None:
    """On containerd's store for real: by blobs it does not hold an image loads, and is broken."""
    place(host, project)
    facts = engine_of(host).facts
    attrs = loading.inspect(engine_of(host), target(host, project).names.environment)
    assert attrs is not None
    path = record.record_of(host, facts, str(attrs["Id"]))
    known = record.read(host, path)
    assert known is not None
    assert known.way == record.APPENDS
    if facts.image_store == "containerd":
        assert known.layers is not None
        wrong = tuple(replace(one, digest=one.diff_id) for one in known.layers)
        record.write(host, path, replace(known, way="", layers=wrong))
    else:
        record.write(host, path, replace(known, way=record.WHOLE))
    edit_notebook(project)
    heard = Heard()
    placed = place(host, project, heard)
    assert pushed(placed) == ("loaded", len(placed.layers), 0)
    sound(host, project)
    after = record.read(host, path)
    assert after is not None
    assert after.way == record.WHOLE
    if facts.image_store == "containerd":
        assert any("cannot be appended there: it cannot be saved" in one for one in heard.details)


def test_layers_that_an_engine_told_of_and_has_not(
    host: Host, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it cleans up at this moment: the push begins anew, once, with every layer."""
    dockerfile = project.root / "Dockerfile"
    before = dockerfile.read_text()
    dockerfile.write_text(before.replace("RUN head", f"RUN echo {uuid4()} >/opt/first\nRUN head"))

    def told(_parts: object, diff_ids: Sequence[str]) -> tuple[Layer, ...]:
        return tuple(Layer(one, one, 1, Codec.GZIP.media_type) for one in diff_ids[:-1])

    monkeypatch.setattr("remote.image.push._Parts.longest", told)
    try:
        placed = place(host, project)
        assert pushed(placed) == ("appended", len(placed.layers), 0)
        sound(host, project)
        forget(target(host, project))
    finally:
        dockerfile.write_text(before)


def test_the_first_image_is_tried_beside_a_run(host: Host, project: Project) -> None:
    """Also where the one before was not tried to the end."""
    digests = code_digests(project)
    for expected in ("appended", "there"):
        placed = place_image(host, project, digests, Steps(Heard()), try_now=False)
        assert pushed(placed)[0] == expected
        attrs = loading.inspect(engine_of(host), target(host, project).names.environment)
        assert attrs is not None
        path = record.record_of(host, engine_of(host).facts, str(attrs["Id"]))
        until(partial(_appends, host, path), "it was not tried")
        known = record.read(host, path)
        assert known is not None
        record.write(host, path, replace(known, way=""))


def _appends(host: Host, path: Path) -> bool:
    known = record.read(host, path)
    return known is not None and known.way == record.APPENDS


def test_a_push_that_is_cut_goes_on_with_its_layer(
    project: Project, config: HostConfig, engine_host: LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remote.hosts.ssh.link.PROBE_SECONDS", 0.5)
    monkeypatch.setattr("remote.hosts.ssh.link.SILENCE_SECONDS", 3)
    heard = Heard()
    with connect(config) as host:
        forget(target(host, project))
    with (
        engine_host.shaped("50mbit"),
        pytest.raises(HostUnreachable, match="the link is down"),
        connect(config) as other,
        _cut_when(engine_host, heard, "layer 5 of 6: "),
    ):
        place(other, project, heard)
    again = Heard()
    with connect(config) as host:
        assert loading.inspect(engine_of(host), target(host, project).names.environment) is None
        placed = place(host, project, again)
        assert pushed(placed) == ("appended", 4, 4), "layers 5 and 6, and the code"
        assert not any("layer 4 of 6" in detail for detail in again.details)
        names = {tag for image in engine_of(host).client.images.list() for tag in image.tags}
        assert not {name for name in names if name.startswith("workhorse-part")}
        sound(host, project)
        forget(target(host, project))


@contextmanager
def _cut_when(lab: LabHost, heard: Heard, beginning: str) -> Iterator[None]:
    """Cut the link once a step says so, until the block is left."""

    def cut() -> None:
        limit = time.monotonic() + 120
        while time.monotonic() < limit:
            said = [one for one in heard.details if one.startswith(beginning)]
            if len(said) > 3:
                lab.cut_link()
                return
            time.sleep(0.01)

    thread = Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        lab.restore_link()


def test_an_environment_that_does_not_run_there(host: Host, project: Project) -> None:
    name = target(host, project).names.environment
    tar = BytesIO(bytes(10240))
    repository, _, tag = name.partition(":")
    engine_of(host).client.api.import_image_from_data(tar.getvalue(), repository, tag)
    with pytest.raises(ImageUnusable, match=f"{name} does not run on engine") as caught:
        place(host, project)
    assert caught.value.exit_code == 23
    assert f"docker image rm {name}" in caught.value.hint


def test_a_disk_that_is_full_while_loading(
    small_lab_host: LabHost, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error; what was whole before stays, and the same again goes through with room."""
    config = reach(small_lab_host, tmp_path, monkeypatch)
    small_lab_host.run(
        "sh", "-c", "fallocate -l $(($(df -k --output=avail /srv | tail -1) - 30000))k /srv/full"
    )
    with connect(config) as host:
        with pytest.raises(DiskTooSmall, match=f"{config.destination} is full") as caught:
            place(host, project)
        assert caught.value.exit_code == 16
        assert loading.inspect(engine_of(host), target(host, project).names.run) is None
        small_lab_host.run("rm", "/srv/full")
        assert pushed(place(host, project))[0] == "appended"


def test_records_are_json_that_a_person_can_read(host: Host, project: Project) -> None:
    place(host, project)
    folder = host.layout.cache / "images"
    listed = host.transport.run(["ls", str(folder)], timeout=10).stdout.split()
    assert "run-images.json" in listed
    for name in listed:
        json.loads(host.transport.read(folder / name) or b"")
