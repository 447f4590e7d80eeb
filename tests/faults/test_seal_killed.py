"""Kill the sealing process after every step: a folder is published whole, or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from remote.results import runs
from remote.results.claim import staging
from remote.results.collect import collect
from remote.results.disk import locked
from remote.results.ledger import read as read_ledger
from remote.results.names import FAILED, INCOMING, LEDGER
from remote.results.recover import recover
from remote.results.seal import seal
from remote.results.verify import verify, verify_all
from tests.unit.results.making import clock, make_run, publish, run_json, unseal

ID = "10_build_shards_20250423_143022"

# Collects and seals one run; dies at the named step, or at the named count of collected bytes.
SEALING = """
import os, signal, sys
from pathlib import Path
from remote.results.claim import claim, staging
from remote.results.collect import collect
from remote.results.files import LocalRunFiles
from remote.results.seal import seal, shelve
from tests.unit.results.making import NOTEBOOK, clock, run_json

root, run, publisher, deadly = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]

def step(name):
    if name == deadly:
        os.kill(os.getpid(), signal.SIGKILL)

def progress(done, total):
    if deadly == "collecting" and done > total // 2:
        os.kill(os.getpid(), signal.SIGKILL)

claimed = claim(NOTEBOOK, root, clock)
if deadly == "claimed":
    os.kill(os.getpid(), signal.SIGKILL)
with staging(claimed.id, claimed.uuid, root) as incoming:
    collected = collect(LocalRunFiles(run), incoming, progress=progress)
    step("collected")
    publish = shelve if publisher == "shelve" else seal
    state = "failed" if publisher == "shelve" else "succeeded"
    record = run_json(claimed.id, claimed.uuid, state)
    print(publish(incoming, root, record, collected.digests, clock, step))
"""
BEFORE = [
    "claimed",
    "collecting",
    "collected",
    "run.json",
    "ro-crate-metadata.json",
    "manifest-sha256.txt",
    "closed files",
]
AFTER = ["recorded", "renamed", "closed", "flushed", "released"]


def seal_and_die(root: Path, tmp_path: Path, publisher: str, step: str) -> None:
    make_run(tmp_path / "run")
    done = _sealing(root, tmp_path, publisher, step)
    assert done.returncode == -signal.SIGKILL, done.stderr


def _sealing(
    root: Path, tmp_path: Path, publisher: str, step: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SEALING, str(root), str(tmp_path / "run"), publisher, step]
    project = Path(__file__).parents[2]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(project)}
    return subprocess.run(
        command,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def folder_of(root: Path, publisher: str) -> Path:
    return root / ID if publisher == "seal" else root / FAILED / f"{ID}.attempt1"


def published(root: Path) -> list[Path]:
    return [*root.glob("10_*"), *(root / FAILED).glob("*")]


@pytest.mark.parametrize("publisher", ["seal", "shelve"])
@pytest.mark.parametrize("step", BEFORE)
def test_killed_before_the_ledger_line_nothing_is_published(
    tmp_path: Path, publisher: str, step: str
) -> None:
    root = tmp_path / "results"
    seal_and_die(root, tmp_path, publisher, step)
    assert published(root) == []
    assert read_ledger(root).lines == ()
    assert recover(root).claimed == (ID,)
    assert published(root) == []
    _collect_again(root, tmp_path)
    assert all(found.findings == () for found in verify_all(root))
    assert len(runs(root=root)) == 1


def _collect_again(root: Path, tmp_path: Path) -> None:
    """What a later `collect` does; the run is still on its host."""
    uuid = (root / INCOMING / f"{ID}.json").read_text().split('"')[-2]
    with staging(ID, uuid, root) as incoming:
        collected = collect(make_run(tmp_path / "run"), incoming)
        seal(incoming, root, run_json(ID, uuid), collected.digests, clock)


@pytest.mark.parametrize("publisher", ["seal", "shelve"])
@pytest.mark.parametrize("step", AFTER)
def test_killed_after_the_ledger_line_the_seal_is_completed(
    tmp_path: Path, publisher: str, step: str
) -> None:
    root = tmp_path / "results"
    seal_and_die(root, tmp_path, publisher, step)
    folder = folder_of(root, publisher)
    # What is visible is whole, even before anybody looked after it.
    assert all(verify(path).whole for path in published(root))
    assert all(found.whole for found in verify_all(root))
    recovered = recover(root)
    assert recovered.completed == (() if step == "released" else (folder,))
    assert all(found.findings == () for found in verify_all(root))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o555
    assert [path.name for path in (root / INCOMING).iterdir()] == [".lock"]
    assert recover(root).completed == ()


def test_killed_while_the_ledger_line_is_written(tmp_path: Path) -> None:
    root = tmp_path / "results"
    seal_and_die(root, tmp_path, "seal", "recorded")
    whole = (root / LEDGER).read_bytes()
    (root / LEDGER).write_bytes(whole[: len(whole) // 2])
    assert recover(root).claimed == (ID,)
    assert published(root) == []
    _collect_again(root, tmp_path)
    assert all(found.findings == () for found in verify_all(root))


def test_an_unfinished_seal_with_damaged_bytes_is_not_published(tmp_path: Path) -> None:
    root = tmp_path / "results"
    seal_and_die(root, tmp_path, "seal", "recorded")
    unseal(root / INCOMING / ID)
    (root / INCOMING / ID / "kernel.log").write_bytes(b"changed")
    recovered = recover(root)
    assert recovered.damaged == (ID,)
    assert published(root) == []
    assert (root / INCOMING / ID / "kernel.log").read_bytes() == b"changed"


def test_a_seal_under_way_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "results"
    seal_and_die(root, tmp_path, "seal", "recorded")
    with locked(root / INCOMING / f"{ID}.json"):
        assert recover(root).busy == (ID,)
    assert published(root) == []
    assert len(recover(root).completed) == 1


def test_an_earlier_attempt_does_not_complete_a_later_claim(tmp_path: Path) -> None:
    root = tmp_path / "results"
    folder = publish(root, tmp_path / "run", state="failed")
    with staging(ID, "the uuid", root):
        pass
    assert recover(root).claimed == (ID,)
    assert verify(folder).findings == ()


def test_killed_at_random_moments(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SEALING, str(tmp_path / "results")]
    make_run(tmp_path / "run")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    root = tmp_path / "results"
    for delay in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4):
        process = subprocess.Popen(
            [*command, str(tmp_path / "run"), "seal", "never"],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        time.sleep(delay)
        process.kill()
        process.wait()
        if root.is_dir():
            assert all(found.whole for found in verify_all(root))
            recover(root)
            assert all(found.findings == () for found in verify_all(root))


# As another user: seals once, dies twice, recovers; collects what it may not read. It imports
# and warms up first, since the interpreter may lie where only root can read.
PLAIN_USER = """
import os, signal, sys
from pathlib import Path
from remote.results.claim import claim, record_of, read_record, staging
from remote.results.collect import collect
from remote.results.names import INCOMING
from remote.results.recover import recover
from remote.results.seal import seal
from tests.unit.results.making import clock, make_run, publish, run_json

base = Path(sys.argv[1])
publish(base / "warm", base / "run")
os.setgid(65534)
os.setuid(65534)
root = base / "open" / "results"

def run_once(deadly):
    def step(name):
        if name == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
    claimed = claim("nb", root, clock)
    with staging(claimed.id, claimed.uuid, root) as incoming:
        digests = collect(make_run(base / "open" / "run"), incoming).digests
        seal(incoming, root, run_json(claimed.id, claimed.uuid), digests, clock, step)

for deadly in ("never", "closed files", "recorded"):
    child = os.fork()
    if not child:
        run_once(deadly)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == (0 if deadly == "never" else signal.SIGKILL)
found = recover(root)
assert len(found.completed) == 1 and len(found.claimed) == 1, found
unfinished = root / INCOMING / found.claimed[0]
with staging(unfinished.name, read_record(unfinished), root) as incoming:
    assert not list(incoming.iterdir())

output = base / "open" / "run" / "output"
for name, mode in (("closed", 0), ("listed", 0o444)):
    (output / name).mkdir()
    (output / name / "inside").write_bytes(b"x")
    (output / name).chmod(mode)
(output / "secret").write_bytes(b"x")
(output / "secret").chmod(0)
destination = base / "open" / "destination"
destination.mkdir()
left_out = collect(make_run(base / "open" / "run"), destination).left_out
assert {one.path: one.reason for one in left_out} == {
    "closed": "is a directory that cannot be listed",
    "listed/inside": "is something that cannot be looked at",
    "secret": "cannot be read: Permission denied",
}, left_out
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_plain_user_meets_permissions() -> None:
    """Root never notices: renaming a directory needs write permission on it, for one."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)
        (base / "open").mkdir()
        os.chown(base / "open", 65534, 65534)
        done = subprocess.run(
            [sys.executable, "-c", PLAIN_USER, str(base)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
