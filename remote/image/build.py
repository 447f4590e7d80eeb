"""The docker runtime's software: an environment image per lock, a run image per code.

Both are found again by tags that hold the digest of what they are made of, so that nothing is
built twice. The run image is built on the very environment image that is there, and from code
trees with fixed modes and times: the same environment and code give the same layers.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from docker.errors import APIError, ImageNotFound

from remote.config import environment
from remote.errors import BaseImageUnavailable, BuildFailed, DiskTooSmall, UsageError
from remote.hosts.command import CommandFailed, follow, run
from remote.hosts.connect import Host
from remote.hosts.docker import DockerRuntime
from remote.hosts.docker_cli import DockerCli, docker_cli
from remote.hosts.environment import BUILD_SECONDS, INVENTORY, NO_SPACE
from remote.hosts.select import LOCK_LABEL
from remote.image.code import copy_code
from remote.image.digests import NOTEBOOKS, PACKAGE
from remote.model import CodeDigests, PlacedImage, Project

OnDetail = Callable[[str], None]

PULL_SECONDS = 600
# Run images that stay beside the newest one; they share all but a few hundred KB.
KEPT_RUN_IMAGES = 10
_RUN_TAG = re.compile("workhorse:[0-9a-f]{16}")
_INVENTORY_SECONDS = 120
_STEP = re.compile(r"^#\d+ (?:[\d.]+ )?")


@dataclass(frozen=True, slots=True)
class Tags:
    """Where the two images of a run are found."""

    environment: str
    run: str


def tags(dockerfile: bytes, base_image: str, digests: CodeDigests) -> Tags:
    """The names of the images that are made of these."""
    made_of = f"{digests.lock} {hashlib.sha256(dockerfile).hexdigest()} {base_image}"
    key = hashlib.sha256(made_of.encode()).hexdigest()
    run_key = hashlib.sha256(f"{key} {digests.code}".encode()).hexdigest()
    return Tags(f"workhorse-env:{key[:16]}", f"workhorse:{run_key[:16]}")


def build_argv(
    cli: Path, context: Path, tag: str, arguments: Mapping[str, str], *options: str
) -> list[str]:
    """A build whose progress is plain lines."""
    given = [item for pair in arguments.items() for item in ("--build-arg", "=".join(pair))]
    return [
        *(str(cli), "build", "--progress=plain", *options, *given),
        *("--tag", tag, "--", str(context)),
    ]


def inventory_argv(cli: Path, environment_id: str) -> list[str]:
    """List what an environment image holds, in a container that can do nothing else."""
    return [
        *(str(cli), "run", "--rm", "--network=none", "--cap-drop=ALL", "--read-only"),
        *(environment_id, "python", "-I", "-c", INVENTORY),
    ]


def build_image(
    host: Host, project: Project, digests: CodeDigests, on_detail: OnDetail
) -> PlacedImage:
    """The run image of a project, made where the engine lacks it.

    Raises:
        BaseImageUnavailable: neither present nor to be pulled.
        BuildFailed: the build's last lines.
        DiskTooSmall: the engine's disk is full.
        EngineUnusable: no docker command here has BuildKit.
    """
    names = tags(_dockerfile(project), host.config.base_image, digests)
    builder = ImageBuilder(host, project, on_detail)
    with host.transport.lock(
        host.layout.root / "locks" / f"{names.environment.replace(':', '-')}.lock",
        lambda: on_detail("another run is building this image"),
    ):
        environment_id = builder.environment(names, digests)
        run_id = builder.run_image(names, digests)
        modules = builder.modules(environment_id)
    return PlacedImage(
        host=host.config,
        digests=digests,
        environment=environment_id,
        code=run_id,
        image_digest=run_id,
        modules=modules,
        layers=builder.layers(run_id),
    )


class ImageBuilder:
    """Builds for one engine, reusing what it has."""

    def __init__(self, host: Host, project: Project, on_detail: OnDetail) -> None:
        assert isinstance(host.runtime, DockerRuntime)
        self._host = host
        self._project = project
        self._say = on_detail
        self._engine = host.runtime.engine

    def environment(self, names: Tags, digests: CodeDigests) -> str:
        """The id of the environment image."""
        found = self._image_id(names.environment)
        if found:
            return found
        with self._cli() as cli, _context(self._project) as context:
            self._require_base_image(cli)
            arguments = {"BASE_IMAGE": self._host.config.base_image}
            label = f"{LOCK_LABEL}={digests.lock}"
            options = ("--target", "env", "--label", label)
            argv = build_argv(cli.binary, context, names.environment, arguments, *options)
            self._build(cli, argv)
        return self._built(names.environment)

    def run_image(self, names: Tags, digests: CodeDigests) -> str:
        """The id of the run image: the environment image and the code."""
        found = self._image_id(names.run)
        if found:
            return found
        arguments = {
            "BASE_IMAGE": self._host.config.base_image,
            "ENVIRONMENT": names.environment,
        }
        with self._cli() as cli, _context(self._project) as context:
            copy_code(self._project.root / PACKAGE, context / PACKAGE, digests.package)
            copy_code(self._project.notebooks, context / NOTEBOOKS, digests.notebooks)
            self._build(cli, build_argv(cli.binary, context, names.run, arguments))
        self._forget_old()
        return self._built(names.run)

    def layers(self, run_id: str) -> tuple[str, ...]:
        """The diff ids of an image's layers."""
        return tuple(self._engine.client.images.get(run_id).attrs["RootFS"]["Layers"])

    def modules(self, environment_id: str) -> frozenset[str]:
        """What the environment can import, asked once per environment image."""
        key = environment_id.removeprefix("sha256:")[:32]
        record = self._host.layout.cache / "images" / f"{key}.json"
        known = self._host.transport.read(record)
        if known is None:
            self._say("recording what the environment holds")
            known = self._inventory(environment_id)
            self._host.transport.make_directory(record.parent)
            self._host.transport.write(record, known)
        return frozenset(json.loads(known)["modules"])

    def _forget_old(self) -> None:
        """Every edit of the code makes an image; those that no run uses any more go."""
        images = self._engine.client.images.list("workhorse")
        ours = [(image, tag) for image in images for tag in image.tags if _RUN_TAG.fullmatch(tag)]
        ours.sort(key=lambda pair: str(pair[0].attrs["Created"]), reverse=True)
        for _, tag in ours[KEPT_RUN_IMAGES:]:
            with suppress(APIError):  # a container uses it
                self._engine.client.images.remove(tag)

    def _inventory(self, environment_id: str) -> bytes:
        with self._cli() as cli:
            argv = inventory_argv(cli.binary, environment_id)
            done = run(argv, timeout=_INVENTORY_SECONDS, extra_env=cli.variables)
        return done.stdout.encode()

    def _require_base_image(self, cli: DockerCli) -> None:
        base = self._host.config.base_image
        if self._image_id(base):
            return
        argv = [str(cli.binary), "pull", "--", base]
        try:
            follow(argv, self._say, timeout=PULL_SECONDS, extra_env=cli.variables)
        except CommandFailed as error:
            last = error.completed.text.splitlines()[-1:] or ["no answer"]
            raise BaseImageUnavailable(
                f"the base image {base} is not on {self._where} and cannot be pulled: {last[0]}",
                hint=f"check the network, `docker pull {base}` there, or `base_image` in "
                "configs/hosts.yaml; or run without docker: --host local+process",
            ) from error

    @property
    def _where(self) -> str:
        return self._host.config.destination or "this machine"

    def _build(self, cli: DockerCli, argv: list[str]) -> None:
        def tell(line: str) -> None:
            self._say(_STEP.sub("", line))

        try:
            follow(argv, tell, timeout=BUILD_SECONDS, extra_env=cli.variables)
        except CommandFailed as error:
            text = error.completed.text
            if NO_SPACE in text.lower():
                raise DiskTooSmall(
                    f"the disk of the Docker Engine of {self._where} is full",
                    hint="docker system df; docker system prune",
                ) from error
            raise _build_failed(text) from error

    def _built(self, tag: str) -> str:
        found = self._image_id(tag)
        if found is None:
            raise BuildFailed(
                f"the build ended well and the engine has no image {tag}",
                hint="`docker buildx ls`: its builder must be the engine's own",
            )
        return found

    def _image_id(self, tag: str) -> str | None:
        try:
            return str(self._engine.client.images.get(tag).id)
        except ImageNotFound:
            return None

    @contextmanager
    def _cli(self) -> Iterator[DockerCli]:
        search_path = environment().get("PATH", "")
        local = self._host.transport.kind == "local"
        named = self._host.config.docker_binary if local else None  # else it is the host's
        with docker_cli(self._engine.url, search_path, Path.home(), named) as cli:
            yield cli


@contextmanager
def _context(project: Project) -> Iterator[Path]:
    """A build context with the Dockerfile and the lock; code is added where it is needed."""
    with TemporaryDirectory(prefix="workhorse-context-") as folder:
        for name in ("Dockerfile", "requirements.txt"):
            shutil.copyfile(project.root / name, Path(folder) / name)
        yield Path(folder)


def _dockerfile(project: Project) -> bytes:
    path = project.root / "Dockerfile"
    if not path.is_file():
        raise UsageError(
            f"{path}: not found; the docker runtime builds from it",
            hint="restore it (git checkout Dockerfile), or run with --host local+process",
        )
    return path.read_bytes()


def _build_failed(text: str) -> BuildFailed:
    lines = [_STEP.sub("", line) for line in text.splitlines() if line.strip()]
    return BuildFailed(
        "the image could not be built:\n" + "\n".join(f"  {line}" for line in lines[-12:]),
        hint="`docker build .` in the project's folder shows the whole; "
        "a package that cannot be installed is changed in pyproject.toml, then scripts/lock.sh",
    )
