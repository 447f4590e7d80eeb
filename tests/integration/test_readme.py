"""Every command of the README is run, in a clean copy of this checkout.

A comment above each block says where: `clone` blocks run one after the other as one user would
type them; `engine` needs Docker, `host` a second host; `package` changes the locks of its copy;
`suite` is this test suite itself, which .ci/run runs; `python` is what a notebook would hold.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from remote.config import load
from remote.workloads.shards import build_shards
from tests.lab.host import LabHost

pytestmark = pytest.mark.integration

CopyCheckout = Callable[[Path], Path]

BLOCK = re.compile(
    r"(?:<!-- run: (?P<where>\w+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)```", re.S
)
PLACES = {"clone", "engine", "host", "package", "suite", "python"}
SECONDS = 900


def blocks(root: Path) -> list[tuple[str | None, str, str]]:
    """(where, language, code) of each fenced block."""
    text = (root / "README.md").read_text()
    return [(m["where"], m["language"], m["code"]) for m in BLOCK.finditer(text)]


def code_of(root: Path, where: str) -> str:
    return "\n".join(code for place, _, code in blocks(root) if place == where)


def shell(code: str, cwd: Path, stdin: int | None = None, **variables: str) -> str:
    """What a script wrote to stdout; it must succeed."""
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", code],
        cwd=cwd,
        env={**os.environ, **variables},
        stdin=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{done.stderr[-4000:]}\n{done.stdout[-1000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(
    tmp_path_factory: pytest.TempPathFactory, project_root: Path, copy_checkout: CopyCheckout
) -> Path:
    """A clean copy, with a space in its path and an input where the README says."""
    root = copy_checkout(tmp_path_factory.mktemp("readme") / "a clone")
    (root / "data" / "raw").mkdir(parents=True)
    make = "from pathlib import Path; import sys\n"
    make += "from remote.workloads.shards.sample import write_sample\n"
    make += "write_sample(Path(sys.argv[1]), 6_000, seed=1)"
    path = root / "data" / "raw" / "GeMS_C.9.hdf5"
    subprocess.run([sys.executable, "-c", make, str(path)], check=True, cwd=project_root)
    return root


def test_every_block_says_where_it_is_run(project_root: Path) -> None:
    found = blocks(project_root)
    assert {where for where, language, _ in found if language == "bash"} <= PLACES
    assert {where for where, _, _ in found} >= PLACES
    # Beside commands there is Python: notebook code, run below, and the look of a parameters cell.
    assert [language for where, language, _ in found if where is None] == ["python"]


def test_the_commands_of_a_clean_clone(checkout: Path) -> None:
    code = code_of(checkout, "clone")
    # A block that changes the directory is a subshell, as it would be a terminal of its own.
    script = re.sub(r"(?m)^(cd .*)$", r"(\1)", code)
    out = shell(script, checkout)
    folders = sorted((checkout / "results").glob("10_build_shards_*"))
    assert len(folders) >= 5
    for folder in folders[:4]:
        assert str(folder) in out
        assert list((folder / "train").glob("*.parquet"))
    assert [p.name for p in (checkout / "results" / ".failed").iterdir()]
    assert list((checkout / "results").glob("00_test_remote_*"))
    (cleaned,) = (checkout / "results").glob("01_data_cleaning_*")
    built = that_took(cleaned, "10_build_shards")
    that_took(built, "11_read_shards")
    metrics = json.loads((that_took(built, "23_train_model") / "metrics.json").read_text())
    assert {beaten["model"] for beaten in metrics["against"].values()} == {"better"}


def that_took(parent: Path, notebook: str) -> Path:
    """The run of a notebook that succeeded and took the folder of another one."""
    runs = parent.parent.glob(f"{notebook}_*")
    (found,) = (run for run in runs if parent.name in parents(run))
    return found


def parents(run: Path) -> list[str]:
    record = json.loads((run / "run.json").read_text())
    assert record["outcome"]["state"] == "succeeded"
    return [parent["id"] for parent in record["parents"]]


def test_the_python_of_a_notebook(checkout: Path) -> None:
    results = checkout / "results"
    if not any(results.glob("10_build_shards_*")):
        build_shards(
            input_hdf5=checkout / "data" / "raw" / "GeMS_C.9.hdf5",
            output_root=results / "10_build_shards_20250423_143022",
            skip_preflight=True,
        )
    code = code_of(checkout, "python") + "\nassert shards, folder\nprint(folder)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=checkout / "notebooks",
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "10_build_shards_" in done.stdout
    assert (checkout / "notebooks" / "spectra.hdf5").is_file()


def test_adding_a_package(tmp_path: Path, copy_checkout: CopyCheckout) -> None:
    root = copy_checkout(tmp_path / "clone")
    before = (root / "requirements.txt").read_text()
    shell(code_of(root, "package"), root)
    after = (root / "requirements.txt").read_text()
    assert "networkx==" not in before
    assert "networkx==" in after
    assert '"networkx",' in (root / "pyproject.toml").read_text()
    kept = re.findall(r"(?m)^[a-z0-9-]+==\S+", before)
    assert set(kept) <= set(re.findall(r"(?m)^[a-z0-9-]+==\S+", after))


@pytest.mark.docker
def test_the_image_by_hand(tmp_path: Path, copy_checkout: CopyCheckout) -> None:
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker Engine answers")
    root = copy_checkout(tmp_path / "clone")
    shell(code_of(root, "engine"), root, DOCKER_BUILDKIT="1", PATH=f"/usr/bin:{os.environ['PATH']}")
    assert list((root / "by-hand" / "train").glob("shard_by_hand_*.parquet"))
    assert (root / "by-hand" / "executed.ipynb").is_file()


@pytest.mark.ssh
def test_another_machine(lab_host: LabHost, tmp_path: Path, copy_checkout: CopyCheckout) -> None:
    """As somebody would type it, who knows the host's name and answers yes to its key."""
    root = copy_checkout(tmp_path / "clone")
    shell("bash scripts/bootstrap.sh", root)  # at home, where downloads are kept
    home = tmp_path / "home"
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    config = f"Host mini.local\n  HostName {lab_host.address}\n  IdentityFile {lab_host.key}\n"
    (home / ".ssh" / "config").write_text(config)
    code = code_of(root, "host").replace("ana@", f"{lab_host.user}@")
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"yes\n")
        out = shell(code, root, stdin=theirs, HOME=str(home), SSH_AUTH_SOCK="")
    finally:
        os.close(ours)
        os.close(theirs)
    assert lab_host.address in (home / ".ssh" / "known_hosts").read_text()
    assert load(root).default_host == "mini"
    assert " failed" not in out
    (folder,) = (root / "results").glob("00_test_remote_*")
    assert str(folder) in out
    assert out.splitlines()[-1] == f"* mini  {lab_host.user}@mini.local  docker"


def test_the_test_commands_are_those_of_continuous_integration(project_root: Path) -> None:
    commands = code_of(project_root, "suite").split()
    assert commands == ["./scripts/test.sh", "quick", "./scripts/test.sh"]
    assert "./scripts/test.sh" in (project_root / ".ci" / "run").read_text()


@pytest.mark.slow
def test_the_quick_tier_in_a_clean_copy(tmp_path: Path, copy_checkout: CopyCheckout) -> None:
    out = shell("./scripts/test.sh quick", copy_checkout(tmp_path / "clone"))
    assert re.search(r"\d+ passed", out.splitlines()[-1])


def test_links_lead_somewhere(project_root: Path) -> None:
    for page in [project_root / "README.md", *(project_root / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
