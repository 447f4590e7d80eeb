"""The results: claim, collect, seal, verify, and the reading side that notebooks import."""

from remote.results.read import ResultFolder, failed_runs, find, latest, runs

__all__ = ["ResultFolder", "failed_runs", "find", "latest", "runs"]
