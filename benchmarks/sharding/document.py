"""Where measured figures go in a document, and of what machine and code they are."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from remote.workloads.hostfacts import cores

ROOT = Path(__file__).parents[2]
_END = "<!-- end of measured -->"


def conditions() -> str:
    """Date, commit, machine and how busy it is, as one sentence."""
    day = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    place = f"{cores()} cores of {_processor()}, {_memory() / 1e9:.0f} GB"
    versions = f"{platform.system()}, Python {platform.python_version()}"
    return f"{day}, commit {_commit()}; {place}, {versions}; load {load} when it began."


def insert(document: Path, sections: Mapping[str, str]) -> None:
    """Replace what stands between `<!-- measured: NAME -->` and the mark of its end.

    Raises:
        SystemExit: the document has no such marks.
    """
    text = document.read_text(encoding="utf-8")
    for name, content in sections.items():
        mark = f"<!-- measured: {name} -->"
        before, found, after = text.partition(mark)
        _, end, rest = after.partition(_END)
        if not (found and end):
            raise SystemExit(f"{document} has no place for it: write {mark} and {_END} into it")
        text = f"{before}{mark}\n\n{content}\n\n{_END}{rest}"
    document.write_text(text, encoding="utf-8")


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        named = re.search(r"model name\s*: (.*)", facts.read_text())
        flags = "with" if re.search(r"\bsha_ni\b", facts.read_text()) else "without"
        if named:
            return f"{named[1]} ({flags} SHA instructions)"
    return platform.processor() or platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _commit() -> str:
    return f"{_git('rev-parse', '--short', 'HEAD')}" + (
        " with changes" if _git("status", "--short", "--untracked-files=no") else ""
    )


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
