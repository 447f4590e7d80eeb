"""Digests of code: what counts, and what does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote.errors import UsageError
from remote.image.digests import code_digests, code_files, tree_digest
from remote.model import CodeDigests, Project

NAMES = st.text("abc.ä", min_size=1, max_size=6).filter(lambda name: not name.startswith("."))
TREES = st.dictionaries(NAMES, st.binary(max_size=20), max_size=5)


def plant(root: Path, files: dict[str, bytes]) -> Path:
    root.mkdir(parents=True)
    for name, content in files.items():
        (root / name).write_bytes(content)
    return root


@settings(max_examples=40)
@given(one=TREES, two=TREES)
def test_equal_digests_mean_equal_trees(
    one: dict[str, bytes], two: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("trees")
    digests = [tree_digest(plant(root / name, files)) for name, files in (("1", one), ("2", two))]
    kept = [
        {name: content for name, content in tree.items() if not name.endswith((".pyc", ".pyo"))}
        for tree in (one, two)
    ]
    assert (digests[0] == digests[1]) == (kept[0] == kept[1])


def test_times_and_litter_do_not_count(tmp_path: Path) -> None:
    root = plant(tmp_path / "t", {"a.py": b"1"})
    before = tree_digest(root)
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "a.cpython-311.pyc").touch()
    (root / ".ipynb_checkpoints").mkdir()
    (root / ".ipynb_checkpoints" / "b.ipynb").touch()
    os.utime(root / "a.py", (1, 1))
    (root / "a.py").chmod(0o640)
    assert tree_digest(root) == before
    assert [path.name for path in code_files(root)] == ["a.py"]
    (root / "a.py").chmod(0o755)
    assert tree_digest(root) != before


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "requirements.txt").write_text("a==1\n")
    plant(tmp_path / "remote", {"a.py": b""})
    plant(tmp_path / "notebooks", {"n.ipynb": b"{}"})
    return Project(tmp_path)


def test_each_part_changes_its_own_digest(project: Project) -> None:
    def changed(before: CodeDigests) -> set[str]:
        after = code_digests(project)
        fields = ("lock", "code", "package", "notebooks")
        return {name for name in fields if getattr(before, name) != getattr(after, name)}

    before = code_digests(project)
    (project.notebooks / "n.ipynb").write_text("{1}")
    assert changed(before) == {"code", "notebooks"}
    before = code_digests(project)
    (project.root / "remote/a.py").write_text("x")
    assert changed(before) == {"code", "package"}
    before = code_digests(project)
    project.requirements.write_text("a==2\n")
    assert changed(before) == {"lock"}


@pytest.mark.parametrize("missing", ["requirements.txt", "remote/a.py", "notebooks/n.ipynb"])
def test_what_is_no_checkout_is_refused(project: Project, missing: str) -> None:
    path = project.root / missing
    path.unlink()
    if path.parent != project.root:
        path.parent.rmdir()
    with pytest.raises(UsageError, match="not a Workhorse checkout"):
        code_digests(project)
