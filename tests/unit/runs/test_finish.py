"""Collecting a run that somebody else has collected first."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.errors import UsageError
from remote.model import Outcome, RunState
from remote.results.claim import prepare
from remote.results.names import INCOMING
from remote.run.finish import finish
from remote.steps import Steps
from tests.contract.cells import now
from tests.unit.runs.fakes import fake_host

ID = "nb_20250423_143022"


def test_a_run_that_went_to_another_controller_leaves_no_copies_here(tmp_path: Path) -> None:
    results = tmp_path / "results"
    prepare(results)
    copies = results / INCOMING / f"{ID}.early"
    copies.mkdir()
    (copies / f"{'a' * 64}.1").write_bytes(b"x")
    outcome = Outcome(RunState.SUCCEEDED, 0, {})
    with pytest.raises(UsageError, match="another controller has collected it just now"):
        finish(fake_host(tmp_path / "state"), ID, outcome, results, Steps(lambda _: None), now)
    assert list((results / INCOMING).iterdir()) == []
