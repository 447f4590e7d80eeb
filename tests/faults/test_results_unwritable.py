"""A results directory that cannot be written: one clear error, nothing half done."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from remote.errors import ResultsUnusable
from remote.results.claim import Claim, claim, staging
from remote.results.collect import collect
from remote.results.files import LocalRunFiles
from remote.results.names import FAILED, INCOMING, LEDGER
from remote.results.recover import recover
from remote.results.seal import seal
from remote.results.verify import verify_all
from tests.faults.mounts import fill, mounted, needs_mounts
from tests.unit.results.making import clock, make_run, publish, run_json


@needs_mounts
def test_a_read_only_file_system(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "4m") as disk:
        root = disk / "results"
        publish(root, tmp_path / "run")
        claimed = claim("nb", root, clock)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for attempt in (
            lambda: claim("nb", root, clock),
            lambda: claim("nb", disk / "other", clock),
            lambda: staging(claimed.id, claimed.uuid, root).__enter__(),
        ):
            with pytest.raises(ResultsUnusable, match="Read-only file system") as caught:
                attempt()
            assert "choose another results directory" in caught.value.hint
        # Reading goes on.
        assert recover(root).claimed == (claimed.id,)
        assert all(found.whole for found in verify_all(root))


@needs_mounts
def test_a_full_disk_refuses_a_claim(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "64k") as disk:
        root = disk / "results"
        claim("nb", root, clock)
        fill(disk / "filler")
        before = sorted(path.name for path in (root / INCOMING).iterdir())
        with pytest.raises(ResultsUnusable, match="No space left"):
            claim("nb", root, clock)
        assert sorted(path.name for path in (root / INCOMING).iterdir()) == before


@needs_mounts
@pytest.mark.parametrize("room", range(0, 40, 4))
def test_a_disk_that_fills_up_publishes_nothing_half(tmp_path: Path, room: int) -> None:
    """Room for some files, but not for all of: files, run.json, crate, manifest, ledger."""
    with mounted(tmp_path / "disk", "400k") as disk:
        root = disk / "results"
        run = make_run(tmp_path / "run")
        claimed = claim("nb", root, clock)
        fill(disk / "filler", leaving=room * 1024)
        problem = _collect_and_seal(root, claimed, run)
        if problem:
            assert "space" in problem or "room" in problem
            assert not (root / claimed.id).exists()
            (disk / "filler").unlink()
            if not recover(root).completed:
                assert _collect_and_seal(root, claimed, run) == ""
        assert all(found.findings == () for found in verify_all(root))
        assert (root / claimed.id).is_dir()


@pytest.mark.parametrize("name", [INCOMING, FAILED, LEDGER])
def test_something_else_in_the_place_of_our_own(tmp_path: Path, name: str) -> None:
    root = tmp_path / "results"
    root.mkdir()
    if name == LEDGER:
        (root / name).mkdir()
    else:
        (root / name).write_text("")
    with pytest.raises(ResultsUnusable, match="cannot be written"):
        publish(root, tmp_path / "run")
    assert list(root.glob("10_*")) == []


def _collect_and_seal(root: Path, claimed: Claim, run: LocalRunFiles) -> str:
    """What went wrong; empty where nothing did."""
    try:
        with staging(claimed.id, claimed.uuid, root) as incoming:
            digests = collect(run, incoming).digests
            seal(incoming, root, run_json(claimed.id, claimed.uuid), digests, clock)
    except ResultsUnusable as error:
        return str(error)
    return ""
