"""Add packages to the group "run" of pyproject.toml and refresh the locks; see add-package.sh."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).absolute().parents[1]
LOCKED = ("requirements.txt", "scripts/locks/controller.txt", "scripts/locks/dev.txt")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?([<>=!~]=?[^\"\\;]+)?")
_GROUP = re.compile(r"(?P<head>^run = \[\n)(?P<body>.*?)(?P<tail>^\])", re.MULTILINE | re.DOTALL)


def with_packages(project: str, names: list[str]) -> str:
    """The text of pyproject.toml with `names` in the group "run", each once, at its end."""
    match = _GROUP.search(project)
    if match is None:
        raise SystemExit('error: pyproject.toml has no dependency group "run = [...]"')
    known = {_bare(line) for line in re.findall(r'^\s*"([^"]+)"', match["body"], re.MULTILINE)}
    new = "".join(f'  "{name}",\n' for name in names if _bare(name) not in known)
    return project[: match.end("body")] + new + project[match.start("tail") :]


def main(names: list[str]) -> int:
    if not names or names[0] in ("-h", "--help"):
        print("usage: ./scripts/add-package.sh NAME...")
        return 0 if names else 2
    for name in names:
        if not _REQUIREMENT.fullmatch(name):
            print(f'error: "{name}" is not the name of a package', file=sys.stderr)
            return 2
    project = ROOT / "pyproject.toml"
    before = {path: path.read_bytes() for path in (project, *(ROOT / one for one in LOCKED))}
    text = project.read_text(encoding="utf-8")
    changed = with_packages(text, names)
    if changed == text:
        print("already there; nothing was changed", file=sys.stderr)
        return 0
    project.write_text(changed, encoding="utf-8")
    done = subprocess.run(["bash", str(ROOT / "scripts" / "lock.sh")], check=False)
    if done.returncode != 0:
        for path, content in before.items():
            path.write_bytes(content)
        print("error: it could not be locked, so nothing was changed", file=sys.stderr)
        return 18
    print(f"added {', '.join(names)}; the next run builds its environment with it", file=sys.stderr)
    return 0


def _bare(requirement: str) -> str:
    """The name alone, as package indexes compare it."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else requirement


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
