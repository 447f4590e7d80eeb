"""What git knows of a run's project, in a real repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from remote.run import provenance
from remote.run.provenance import git_facts


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True)

    git("init", "-q")
    (tmp_path / "a").write_text("one\n")
    git("add", "a")
    git("commit", "-qm", "first")
    return tmp_path


def test_a_clean_tree(repository: Path) -> None:
    facts = git_facts(repository)
    assert facts is not None
    assert (facts["dirty"], facts["diff"], facts["untracked"]) == (False, "", [])
    assert len(str(facts["commit"])) == 40


def test_a_dirty_tree_and_what_is_untracked(repository: Path) -> None:
    (repository / "a").write_text("two\n")
    (repository / "b").touch()
    facts = git_facts(repository)
    assert facts is not None
    assert facts["dirty"] is True
    assert "-one\n+two\n" in str(facts["diff"])
    assert facts["untracked"] == ["b"]


def test_a_large_diff_is_cut_and_says_so(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "DIFF_BYTES", 50)
    (repository / "a").write_text("ä" * 500)
    facts = git_facts(repository)
    assert facts is not None
    assert facts["diff_cut"] is True
    assert len(str(facts["diff"]).encode()) <= 50


def test_outside_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_facts(tmp_path) is None
