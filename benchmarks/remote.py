"""How long a second host takes: build and push, a run, inputs and results, and the plain way.

    python -m benchmarks.remote                     a lab host behind 1 Gbit/s, 5 rounds
    python -m benchmarks.remote --rounds 3 --only code,first --engine 26-containerd

Needs Linux, root and a Docker Engine (tests/lab). The plain way is what one types without this
project: `docker build`, `docker save | ssh docker load`, `ssh docker run papermill`, `scp`. Both
take turns in every round; figures are medians in seconds, with the smallest and the largest.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from remote.hosts.connect import Host, connect
from remote.model import HostConfig
from tests.lab.flavours import FLAVOURS, INSTALLED
from tests.lab.host import LabHost, down, up

ROOT = Path(__file__).parents[1]
GIGABYTE = 1_000_000_000
PLAIN_IMAGE = "plain-way"
_COPIED = ("remote", "notebooks", "scripts", "configs", "Dockerfile", ".dockerignore")
_FILES = ("requirements.txt", "pyproject.toml")
_WRITER = """
import os
with open(OUTPUT_DIR / "large.bin", "wb") as file:
    for _ in range(1000):
        file.write(os.urandom(1_000_000))
"""


@dataclass
class Bench:
    """A checkout of its own, a lab host, and what both are reached with."""

    lab: LabHost
    root: Path
    environment: Mapping[str, str]
    rows: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def timed(self, row: str) -> Iterator[None]:
        """The seconds that the block takes go into a row."""
        started = time.perf_counter()
        yield
        self.note(row, time.perf_counter() - started)

    def note(self, row: str, seconds: float) -> None:
        self.rows.setdefault(row, []).append(seconds)
        print(f"  {row}: {seconds:.2f} s", file=sys.stderr)

    def call(self, *argv: str, environment: Mapping[str, str] | None = None) -> str:
        """A command in the checkout; what it prints."""
        return subprocess.run(
            argv,
            cwd=self.root,
            env={**self.environment, **(environment or {})},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def remote(self, *argv: str, environment: Mapping[str, str] | None = None) -> str:
        """`remote`, as a user types it."""
        return self.call(sys.executable, "-m", "remote", *argv, environment=environment)

    def ssh(self, command: str) -> Sequence[str]:
        return ("ssh", "-F", str(self.lab.ssh_config), self.lab.name, command)

    def edit(self) -> None:
        """A change of code, 10 KB or so."""
        path = self.root / "remote" / "__init__.py"
        path.write_text(f"{(ROOT / 'remote' / '__init__.py').read_text()}\n# {uuid4()}\n")

    def load_plain(self) -> None:
        """`docker save | ssh docker load`."""
        with subprocess.Popen(
            ["docker", "save", PLAIN_IMAGE], stdout=subprocess.PIPE, env=dict(self.environment)
        ) as saving:
            subprocess.run(
                self.ssh("docker load --quiet"),
                stdin=saving.stdout,
                check=True,
                capture_output=True,
            )

    def copy(self, source: str, target: str) -> None:
        self.call("scp", "-q", "-F", str(self.lab.ssh_config), "-r", source, target)


def code(bench: Bench) -> None:
    """A code-only change; the environment is on the host."""
    bench.edit()
    with bench.timed("code change: ours, build + push, connecting included"):
        _place(bench)
    bench.edit()
    with bench.timed("code change: ours, the whole command"):
        bench.remote("image", "push", bench.lab.name)
    bench.edit()
    with bench.timed("code change: ours, no engine and no docker here"):
        bench.remote("image", "push", bench.lab.name, environment=_without_docker(bench))
    with bench.timed("nothing changed: ours, the whole command"):
        bench.remote("image", "push", bench.lab.name)
    bench.edit()
    with bench.timed("code change: docker build, save | ssh load"):
        bench.call("docker", "build", "--quiet", "--tag", PLAIN_IMAGE, ".")
        bench.load_plain()


def first(bench: Bench) -> None:
    """The host has the base image alone."""
    for row, kept in (("saved anew", False), ("layers kept here", True)):
        _forget(bench)
        if not kept:
            shutil.rmtree(Path(bench.environment["WORKHORSE_HOME"]) / "cache" / "layers", True)
        with bench.timed(f"first push: ours, {row}, until a run can start"):
            _place(bench, try_now=False)
    _forget(bench)
    with bench.timed("first push: ours, layers kept here, tried on the host"):
        bench.remote("image", "push", bench.lab.name)
    _forget(bench)
    bench.call("docker", "build", "--quiet", "--tag", PLAIN_IMAGE, ".")
    with bench.timed("first push: docker save | ssh docker load"):
        bench.load_plain()
    bench.remote("image", "push", bench.lab.name)


def empty(bench: Bench) -> None:
    """From Enter to the sealed folder of a notebook that does next to nothing."""
    bench.remote("image", "push", bench.lab.name)
    with bench.timed("a small notebook: ours, Enter to sealed folder"):
        folder = bench.remote("run", "notebooks/00_test_remote.ipynb", "--host", bench.lab.name)
    record = json.loads((Path(folder.strip()) / "run.json").read_bytes())
    bench.note(
        "a small notebook: of it, the notebook in its container", record["outcome"]["seconds"]
    )
    bench.call("docker", "build", "--quiet", "--tag", PLAIN_IMAGE, ".")
    bench.load_plain()
    with bench.timed("a small notebook: build, save | load, docker run papermill, scp"):
        bench.call("docker", "build", "--quiet", "--tag", PLAIN_IMAGE, ".")
        bench.load_plain()
        run = f"docker run --rm --init -u $(id -u):$(id -g) -v $PWD/out:/output {PLAIN_IMAGE}"
        command = (
            f"rm -rf out; mkdir out; {run} papermill 00_test_remote.ipynb /output/executed.ipynb"
        )
        bench.call(*bench.ssh(command))
        bench.copy(f"{bench.lab.name}:out", str(bench.root / f"plain-{uuid4().hex}"))


def stage(bench: Bench) -> None:
    """An input of 1 GB that the host has not seen."""
    from remote.model import Parameter
    from remote.run.stage import stage as send

    path = bench.root / "large.bin"
    _random(path)
    with _connected(bench) as host:
        parameter = Parameter("data", str(path), "-p", "input_path")
        with bench.timed("1 GB staged: ours, digested here and there"):
            send(host, (parameter,), lambda _: None)
        host.transport.remove(host.layout.inputs)
    with bench.timed("1 GB staged: scp"):
        bench.copy(str(path), f"{bench.lab.name}:plain.bin")
    path.unlink()


def collect(bench: Bench) -> None:
    """A result of 1 GB, from the end of the run to the sealed folder."""
    _write_notebook(bench.root / "notebooks" / "90_large.ipynb")
    host = bench.lab.name
    run_id = bench.remote("run", "notebooks/90_large.ipynb", "--host", host, "--detach").strip()
    while "running" in bench.remote("ps", "--host", host):
        time.sleep(0.5)
    with bench.timed("1 GB collected: ours, verified and sealed"):
        folder = bench.remote("collect", run_id, "--host", host).strip()
    shutil.rmtree(folder, ignore_errors=True)
    bench.call(*bench.ssh("test -f plain.bin || head -c 1000000000 /dev/urandom >plain.bin"))
    with bench.timed("1 GB collected: scp"):
        bench.copy(f"{host}:plain.bin", str(bench.root / "plain.bin"))


PARTS: Mapping[str, Callable[[Bench], None]] = {
    "code": code,
    "first": first,
    "empty": empty,
    "stage": stage,
    "collect": collect,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", default="1gbit", help="of the link, as tc(8) writes it")
    parser.add_argument("--engine", choices=list(FLAVOURS), default=INSTALLED.name)
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    given = parser.parse_args(arguments)
    lab = up("bench", flavour=FLAVOURS[given.engine])
    try:
        with tempfile.TemporaryDirectory(prefix="workhorse-bench-") as folder:
            bench = _prepared(lab, Path(folder))
            bench.remote("image", "push", lab.name)
            with lab.shaped(given.rate):
                for number in range(given.rounds):
                    print(f"round {number + 1} of {given.rounds}", file=sys.stderr)
                    for part in given.only.split(","):
                        PARTS[part](bench)
            size = bench.call("docker", "image", "inspect", "-f", "{{.Size}}", PLAIN_IMAGE)
            print(f"engine {given.engine}, link {given.rate}, image {int(size) / 1e6:.0f} MB\n")
            print(table(bench.rows))
    finally:
        down(lab)


def table(rows: Mapping[str, Sequence[float]]) -> str:
    """Markdown: each row's median, smallest and largest seconds."""
    lines = ["| | median | min | max |", "|---|---|---|---|"]
    for name, seconds in sorted(rows.items()):
        figures = (statistics.median(seconds), min(seconds), max(seconds))
        lines.append(f"| {name} | " + " | ".join(f"{one:.2f}" for one in figures) + " |")
    return "\n".join(lines)


def _prepared(lab: LabHost, folder: Path) -> Bench:
    root, home = folder / "checkout", folder / "home"
    root.mkdir()
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    shutil.copyfile(lab.ssh_config, home / ".ssh" / "config")
    for name in _COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, root / name, ignore=ignored)
        else:
            shutil.copyfile(ROOT / name, root / name)
    for name in _FILES:
        shutil.copyfile(ROOT / name, root / name)
    kept = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
    environment = {
        **kept,
        "HOME": str(home),
        "WORKHORSE_HOME": str(folder / "state"),
        "PYTHONPATH": str(root),
        "DOCKER_BUILDKIT": "1",
        "PATH": f"/usr/bin:{kept['PATH']}",  # Debian's docker has BuildKit
    }
    return Bench(lab, root, environment)


def _place(bench: Bench, *, try_now: bool = True) -> None:
    from remote.image.place import place
    from remote.model import Project
    from remote.steps import Steps

    with _connected(bench) as host:
        place(host, Project(bench.root), Steps(lambda _: None), try_now=try_now)


@contextmanager
def _connected(bench: Bench) -> Iterator[Host]:
    os.environ.update(bench.environment)
    config = HostConfig(
        bench.lab.name, "ssh", "docker", "", Path("~/.workhorse"), destination=bench.lab.name
    )
    with connect(config) as host:
        yield host


def _without_docker(bench: Bench) -> Mapping[str, str]:
    nowhere = bench.root.parent / "nowhere"
    nowhere.mkdir(exist_ok=True)
    return {"DOCKER_HOST": f"unix://{nowhere}/none", "PATH": str(nowhere)}


def _forget(bench: Bench) -> None:
    """Every image of the host but the base image."""
    ours = "docker images -q --filter reference='workhorse*' --filter reference='plain*'"
    remove = f"{ours} | sort -u | xargs -r docker rmi -f; docker image prune -f"
    bench.call(*bench.ssh(f"{remove}; rm -rf .workhorse/cache/images"))


def _random(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(GIGABYTE // 1_000_000):
            file.write(os.urandom(1_000_000))


def _write_notebook(path: Path) -> None:
    cell: dict[str, object] = {"cell_type": "code", "id": "one", "source": _WRITER, "metadata": {}}
    cell |= {"outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook))


if __name__ == "__main__":
    main()
