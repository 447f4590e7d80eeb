"""What a build takes over from the run that it is part of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from remote.workloads.shards.context import RunContext


def test_image_and_earlier_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKHORSE_EVENTS", str(tmp_path / "events.jsonl"))
    assert RunContext.current() == RunContext()
    parent = {"parameter": "source", "id": "10_x_20250423_143022", "taken_from": "host"}
    run = {"software": {"image_digest": "sha256:1"}, "parents": [parent]}
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert RunContext.current() == RunContext("sha256:1", ("10_x_20250423_143022",))
