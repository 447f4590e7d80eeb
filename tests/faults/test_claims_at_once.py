from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from remote.results.names import INCOMING
from tests.unit.results.making import NOW

CLAIM = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from remote.results.claim import claim
print("ready", flush=True)
sys.stdin.readline()
print(claim("nb", Path(sys.argv[1]), lambda: datetime(2025, 4, 23, 14, 30, 22, tzinfo=UTC)).id)
"""


def test_32_processes_at_once_get_32_ids(tmp_path: Path, project_root: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(project_root)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(tmp_path / "results")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(32)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ids = [process.communicate(timeout=120)[0].strip() for process in processes]
    expected = [f"nb_{NOW + timedelta(seconds=n):%Y%m%d_%H%M%S}" for n in range(32)]
    assert sorted(ids) == expected
    assert all((tmp_path / "results" / INCOMING / run_id).is_dir() for run_id in ids)
