"""What a run was made from, as far as git knows."""

from __future__ import annotations

from pathlib import Path

from remote.hosts.command import CommandFailed, run

# A diff beyond this is cut; run.json says so.
DIFF_BYTES = 256 * 1024
_SECONDS = 10


def git_facts(root: Path) -> dict[str, object] | None:
    """Commit, whether the tree differs from it, and how; None outside of a repository."""
    try:
        commit = _git(root, "rev-parse", "--verify", "HEAD").strip()
        status = _git(root, "status", "--porcelain=v1", "--untracked-files=normal", "--", ".")
        diff = ""
        if status:
            diff = _git(root, "diff", "--no-ext-diff", "--no-color", "HEAD", "--", ".")
    except CommandFailed:
        return None
    encoded = diff.encode()
    cut = len(encoded) > DIFF_BYTES
    untracked = [line[3:] for line in status.splitlines() if line.startswith("??")]
    return {
        "commit": commit,
        "dirty": bool(status),
        "diff": encoded[:DIFF_BYTES].decode(errors="ignore"),
        "diff_cut": cut,
        "untracked": untracked[:1000],
    }


def _git(root: Path, *arguments: str) -> str:
    return run(["git", "-C", str(root), *arguments], timeout=_SECONDS).stdout
