from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from remote.errors import IntegrityFailure, ResultsUnusable
from remote.results import ResultFolder, failed_runs, find, latest, runs
from remote.results.claim import claim
from remote.results.read import find_root
from tests.unit.results.making import clock, publish, unseal


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sealed runs of one notebook, one of another, a failed one newer than all, a claim."""
    base = tmp_path_factory.mktemp("read")
    for notebook, state in (
        ("10_build_shards", "succeeded"),
        ("11_read_shards", "succeeded"),
        ("10_build_shards", "succeeded"),
        ("10_build_shards", "failed"),
        ("12_broken", "failed"),
    ):
        publish(base / "results", base / "run", {"output/a": b"a"}, notebook, state)
    claim("10_build_shards", base / "results", clock)
    return base / "results"


def test_latest_is_the_newest_that_succeeded(root: Path) -> None:
    folder = latest("10_build_shards", root)
    assert folder.id == "10_build_shards_20250423_143023"
    assert folder.path == root / folder.id
    assert folder.run["notebook"]["name"] == "10_build_shards"
    assert not folder.failed


def test_the_newest_can_be_named_by_one_word(root: Path) -> None:
    assert find("latest:10_build_shards", root) == latest("10_build_shards", root)
    with pytest.raises(ResultsUnusable, match="no sealed result of notebook '12_broken'"):
        find("latest:12_broken", root)


def test_the_plain_glob_picks_the_same(root: Path) -> None:
    assert latest("10_build_shards", root).path == sorted(root.glob("10_build_shards_*"))[-1]


@pytest.mark.parametrize("name", ["11_read_shards.ipynb", "notebooks/11_read_shards.ipynb"])
def test_a_file_name_serves_too(root: Path, name: str) -> None:
    assert latest(name, root).id == "11_read_shards_20250423_143022"


def test_a_folder_serves_wherever_a_path_does(root: Path) -> None:
    folder = latest("10_build_shards", str(root))
    assert (folder / "a").read_bytes() == b"a"
    assert os.fspath(folder) == str(folder.path) == str(folder)
    assert Path(folder, "a").is_file()
    assert repr(folder) == f"<ResultFolder {folder.id} in {root}>"
    assert folder == latest("10_build_shards", root)


def test_runs_come_oldest_first(root: Path) -> None:
    assert [folder.id for folder in runs(root=root)] == [
        "10_build_shards_20250423_143022",
        "11_read_shards_20250423_143022",
        "10_build_shards_20250423_143023",
    ]
    assert [folder.id for folder in runs("11_read_shards", root)] == [
        "11_read_shards_20250423_143022"
    ]
    (failed,) = failed_runs("10_build_shards", root)
    assert failed.failed
    assert failed.id == "10_build_shards_20250423_143024"


def test_none_yet_says_how_to_make_one(root: Path) -> None:
    with pytest.raises(ResultsUnusable) as caught:
        latest("10_build_shard", root)
    assert "no sealed result of notebook '10_build_shard'" in caught.value.problem
    assert "./scripts/run-remote.sh notebooks/10_build_shard.ipynb" in caught.value.hint
    assert "Did you mean 10_build_shards" in caught.value.hint


def test_none_that_succeeded_mentions_those_that_did_not(root: Path) -> None:
    with pytest.raises(ResultsUnusable, match=r"1 run\(s\) of it did not succeed"):
        latest("12_broken", root)


def test_results_are_found_from_below_and_beside(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebooks = root.parent / "notebooks" / "deep"
    notebooks.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(notebooks)
    assert find_root() == root
    assert latest("11_read_shards").path.parent == root
    with pytest.raises(ResultsUnusable, match="no results directory"):
        find_root(Path("/"))


def test_a_results_directory_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ResultsUnusable, match="cannot be read"):
        latest("x", tmp_path / "nowhere")


def test_find_takes_ids_attempts_and_paths(root: Path, tmp_path: Path) -> None:
    assert find("10_build_shards_20250423_143022", root).path.parent == root
    assert find("10_build_shards_20250423_143024", root).failed
    assert find("10_build_shards_20250423_143024.attempt1", root).failed
    copy = Path(shutil.copytree(latest("11_read_shards", root), tmp_path / "copy"))
    assert find(copy, root) == ResultFolder(copy)
    with pytest.raises(ResultsUnusable, match="No sealed result") as caught:
        find("10_build_shards_20250423_143029", root)
    assert "Did you mean" in caught.value.hint


def test_a_broken_run_json_is_damage(tmp_path: Path) -> None:
    folder = publish(tmp_path / "results", tmp_path / "run")
    unseal(folder)
    (folder / "run.json").write_text("[]")
    with pytest.raises(IntegrityFailure, match="no JSON object"):
        _ = ResultFolder(folder).run


def test_notebooks_import_the_standard_library_alone(project_root: Path) -> None:
    code = "import sys, remote.results; print(sorted({n.split('.')[0] for n in sys.modules}))"
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(project_root)!r}); {code}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.strip("[]\n").replace("'", "").split(", "))
    assert loaded - sys.stdlib_module_names - {"__main__"} == {"remote"}
