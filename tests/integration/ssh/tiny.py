"""A project whose environment is small and new to every engine: what pushing is tried with."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from uuid import uuid4

from remote.model import Project

# Does not compress, so that a push of it takes its time on a slow link.
LARGE_BYTES = 24_000_000
_RUN_STAGE = "FROM ${ENVIRONMENT} AS run"


def make_project(checkout: Path, root: Path) -> Project:
    """The package, one notebook, a lock of one package, and layers that nobody has seen."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(checkout / "remote", root / "remote", ignore=ignored)
    (root / "notebooks").mkdir()
    edit_notebook(Project(root))
    lock = (checkout / "requirements.txt").read_text()
    one = re.search(r"^toolz==.*?(?=^\w)", lock, re.MULTILINE | re.DOTALL)
    assert one is not None
    (root / "requirements.txt").write_text(one[0])
    shutil.copyfile(checkout / ".dockerignore", root / ".dockerignore")
    shutil.copyfile(checkout / "pyproject.toml", root / "pyproject.toml")
    dockerfile = (checkout / "Dockerfile").read_text()
    assert dockerfile.count(_RUN_STAGE) == 1
    lines = f"RUN head -c {LARGE_BYTES} /dev/urandom >/opt/large\nRUN echo {uuid4()} >/opt/new\n\n"
    (root / "Dockerfile").write_text(dockerfile.replace(_RUN_STAGE, lines + _RUN_STAGE))
    return Project(root)


def edit_notebook(project: Project) -> None:
    """Another notebook than before."""
    cell = {"cell_type": "code", "metadata": {}, "source": f"# {uuid4()}", "outputs": []}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (project.notebooks / "one.ipynb").write_text(json.dumps(notebook))


def edit_package(project: Project) -> None:
    """Another package than before."""
    path = project.root / "remote" / "__init__.py"
    path.write_text(f"{path.read_text()}\n# {uuid4()}\n")
