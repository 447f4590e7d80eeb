"""One notebook, three ways to run it, the same bytes: as a process, in a container, by hand."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from remote.config import environment
from remote.hosts.docker.cli import docker_cli
from remote.hosts.docker.engine import find_engine
from remote.image.digests import code_digests
from remote.image.target import tags
from remote.model import Project, RunState
from tests.contract.conftest import open_cell

pytestmark = [pytest.mark.integration, pytest.mark.docker]

ROWS = 12_000
BY_HAND = "workhorse-by-hand:test"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated spectra, more than two row groups of them."""
    from remote.workloads.shards.sample import write_sample

    path = tmp_path_factory.mktemp("input") / "sample.hdf5"
    write_sample(path, ROWS, seed=7)
    for folder in (path.parent, path.parent.parent):
        folder.chmod(0o755)
    return path


def shards(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.parquet")}
    assert found
    return {name: path.read_bytes() for name, path in found.items()}


def run_in(cell: str, project: Project, sample: Path) -> dict[str, bytes]:
    sealed = open_cell(cell, project).run("10_build_shards", input_hdf5=sample, run_id="same")
    assert sealed.outcome.state is RunState.SUCCEEDED, sealed.outcome.details["error"]
    return shards(sealed.path)


def build_and_run_by_hand(project: Project, sample: Path, out: Path) -> dict[str, bytes]:
    """What the README says: docker build, docker run, papermill."""
    out.mkdir()
    found = find_engine(environment())
    with docker_cli(found.url, os.environ["PATH"], Path.home()) as cli:
        variables = {**os.environ, **cli.variables}

        def docker(*arguments: str) -> None:
            argv = [str(cli.binary), *arguments]
            subprocess.run(argv, env=variables, cwd=project.root, check=True, timeout=600)

        docker("build", "--quiet", "--tag", BY_HAND, ".")
        user = f"{os.getuid()}:{os.getgid()}"
        mounts = ("-v", f"{out}:/output", "-v", f"{sample.parent}:/data:ro")
        given = ("-p", "input_hdf5", f"/data/{sample.name}", "-p", "run_id", "same")
        command = ("papermill", "10_build_shards.ipynb", "/output/executed.ipynb", *given)
        docker("run", "--rm", "--network=none", "--user", user, *mounts, BY_HAND, *command)
    return shards(out)


def test_every_way_gives_the_same_shards(
    shards_project: Project, sample: Path, tmp_path: Path
) -> None:
    process = run_in("local+process", shards_project, sample)
    assert run_in("local+docker", shards_project, sample) == process
    assert build_and_run_by_hand(shards_project, sample, tmp_path / "out") == process


LISTING = (
    "import hashlib, os, pathlib, stat\n"
    "for top in ('/workspace', '/opt/environment/bin', '/output', '/home/workhorse'):\n"
    "    for path in sorted(pathlib.Path(top).rglob('*')):\n"
    "        status = path.lstat()\n"
    "        content = hashlib.sha256(path.read_bytes()).hexdigest() "
    "if stat.S_ISREG(status.st_mode) else ''\n"
    "        print(path, oct(status.st_mode), status.st_uid, status.st_gid, content)\n"
)


def test_our_image_is_the_one_built_by_hand(shards_project: Project) -> None:
    """The same files, modes and owners; the same User, Env and the rest of the configuration."""
    cell = open_cell("local+docker", shards_project)
    cell.run("00_test_remote")
    dockerfile = (shards_project.root / "Dockerfile").read_bytes()
    ours = tags(dockerfile, cell.config.base_image, code_digests(shards_project)).run
    fields = ("User", "Env", "WorkingDir", "Entrypoint", "Cmd", "StopSignal")
    shape = "{{" + "}} {{".join(f"json .Config.{field}" for field in fields) + "}}"
    found = find_engine(environment())
    with docker_cli(found.url, os.environ["PATH"], Path.home()) as cli:
        variables = {**os.environ, **cli.variables}

        def output(*arguments: str) -> str:
            argv = [str(cli.binary), *arguments]
            done = subprocess.run(
                argv, env=variables, cwd=shards_project.root, check=True, capture_output=True
            )
            return done.stdout.decode()

        output("build", "--quiet", "--tag", BY_HAND, ".")
        both = [
            (
                output("image", "inspect", "--format", shape, image),
                output("run", "--rm", "--network=none", image, "python", "-c", LISTING),
            )
            for image in (ours, BY_HAND)
        ]
        output("image", "rm", "--force", BY_HAND)
    assert both[0][0] == both[1][0]
    assert both[0][1].splitlines() == both[1][1].splitlines()
    assert "/workspace/remote/runner/__main__.py" in both[0][1]
