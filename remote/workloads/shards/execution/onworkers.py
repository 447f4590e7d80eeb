"""What happens in a Dask worker: it is looked at, opens the work once, and does tasks.

Only `distributed` workers import this module, and the controller when it speaks to them.
"""

from __future__ import annotations

import pickle
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from remote.errors import WorkersRefused
from remote.workloads.shards.context import code_sha256, software
from remote.workloads.shards.execution.caps import cap_arrow
from remote.workloads.shards.output.key import input_fingerprint


@dataclass(frozen=True, slots=True)
class Expected:
    """What a worker has to have in common with the controller.

    Attributes:
        software: versions by name, the processor's kind and the digest of our code among them.
        inputs: fingerprints by absolute path.
    """

    software: Mapping[str, str]
    inputs: Mapping[str, str]

    @classmethod
    def here(cls, inputs: Sequence[Path]) -> Expected:
        """What this process has."""
        paths = [path.absolute() for path in inputs]
        return cls(_software(), {str(path): input_fingerprint(path) for path in paths})


def _software() -> dict[str, str]:
    return {**software(), "machine": platform.machine(), "workhorse code": code_sha256()[:12]}


def differences(expected: Expected) -> list[str]:
    """What is other here than expected, one clause each."""
    here = _software()
    found = [
        f"{name} is {here.get(name, 'absent')} there, {wanted} here"
        for name, wanted in expected.software.items()
        if here.get(name) != wanted
    ]
    for path, fingerprint in expected.inputs.items():
        try:
            same = input_fingerprint(Path(path)) == fingerprint
        except OSError as error:
            found.append(f"it cannot read {path} ({error.strerror})")
        else:
            found += [] if same else [f"{path} is another file there"]
    return found


class Workshop(WorkerPlugin):
    """The work, opened once in each worker; Dask hands it to workers that come later too."""

    def __init__(self, name: str, work: bytes, expected: Expected) -> None:
        """`work` is a pickled callable of a task, with a `close`."""
        self.name = name
        self._work = work
        self._expected = expected
        self._opened: Any = None
        self._wrong = ""

    def setup(self, worker: Any) -> None:
        """Look and open; what is wrong is told when a task is asked for."""
        wrong = differences(self._expected)
        if wrong:
            self._wrong = f"Dask worker {worker.address}: {'; '.join(wrong)}"
            return
        cap_arrow()
        self._opened = pickle.loads(self._work)  # noqa: S301 - from the controller

    def teardown(self, worker: Any) -> None:  # noqa: ARG002 - Dask passes it
        """Close the work."""
        if self._opened is not None:
            self._opened.close()

    def perform(self, task: Any) -> Any:
        """Do a task.

        Raises:
            WorkersRefused: this worker would make other bytes.
        """
        if self._opened is None:
            raise WorkersRefused(self._wrong, hint=REFUSED_HINT)
        return self._opened(task)


REFUSED_HINT = (
    "Give all workers the environment and the paths that this machine has; --resume goes on."
)


def perform(name: str, task: Any) -> Any:
    """Do a task with the work of that name."""
    workshop = get_worker().plugins[name]
    assert isinstance(workshop, Workshop)
    return workshop.perform(task)
