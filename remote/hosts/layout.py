"""Where things lie on a host, below its state directory (`~/.workhorse`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from remote.model import CodeDigests

_SHORT = 16
_RESULT = 32


@dataclass(frozen=True, slots=True)
class StateLayout:
    """Paths on the host; nothing here looks at its disk."""

    root: Path

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def environments(self) -> Path:
        return self.root / "envs"

    @property
    def code(self) -> Path:
        return self.root / "code"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def results(self) -> Path:
        """Of a host that is not the controller: copies of sealed results."""
        return self.root / "results"

    def result(self, manifest_sha256: str, name: str) -> Path:
        """The copy of a sealed folder, under the name that it has for its user."""
        return self.results / manifest_sha256[:_RESULT] / name

    def result_partial(self, manifest_sha256: str) -> Path:
        """A copy that is being made."""
        return self.results / ".partial" / manifest_sha256[:_RESULT]

    def result_lock(self, manifest_sha256: str) -> Path:
        """Held by whoever makes or checks a copy."""
        return self.root / "locks" / f"result-{manifest_sha256[:_RESULT]}.lock"

    @property
    def inputs(self) -> Path:
        return self.root / "inputs"

    def input(self, sha256: str, name: str) -> Path:
        """A staged input, under the name that it has for its user."""
        return self.inputs / sha256 / name

    def run(self, run_id: str) -> Path:
        return self.runs / run_id

    def run_lock(self, run_id: str) -> Path:
        """Held by whoever collects a run; outlives the run's directory."""
        return self.root / "locks" / f"{run_id}.lock"

    def package(self, digests: CodeDigests) -> Path:
        """What PYTHONPATH holds; keyed by the package alone, so that an edited notebook leaves
        compiled kernels, which are cached by path, valid."""
        return self.code / digests.package[:_SHORT]

    def notebooks(self, digests: CodeDigests) -> Path:
        return self.code / f"notebooks-{digests.notebooks[:_SHORT]}"

    def kernel_cache(self, runtime: str, environment: str, digests: CodeDigests) -> Path:
        """Compiled kernels are valid for one environment and one package."""
        key = f"{runtime}-{environment[:12]}-{digests.package[:12]}"
        return self.cache / f"numba-{key}"
