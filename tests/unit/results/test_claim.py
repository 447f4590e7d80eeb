from __future__ import annotations

import errno
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from remote.errors import NotebookUnusable, ResultsUnusable
from remote.results.claim import claim, record_of, release, staging
from remote.results.disk import locked
from remote.results.names import FAILED, INCOMING
from tests.unit.results.making import NOTEBOOK, NOW, clock, publish


def test_an_id_is_the_name_and_the_second_in_utc(tmp_path: Path) -> None:
    east = NOW.astimezone(tz=datetime.now().astimezone().tzinfo) + timedelta(microseconds=999_999)
    claimed = claim(NOTEBOOK, tmp_path / "results", lambda: east)
    assert claimed.id == "10_build_shards_20250423_143022"
    assert claimed.path == tmp_path / "results" / INCOMING / claimed.id
    assert list(claimed.path.iterdir()) == []
    assert claimed.uuid in record_of(claimed.path).read_text()


def test_a_clock_set_back_does_not_break_the_order(tmp_path: Path) -> None:
    first = claim("nb", tmp_path, clock).id
    second = claim("nb", tmp_path, lambda: NOW - timedelta(days=400)).id
    assert second > first


@pytest.mark.parametrize("place", ["", INCOMING, FAILED, "known"])
def test_the_newest_id_anywhere_counts(tmp_path: Path, place: str) -> None:
    newest = "nb_20300101_000000"
    known = [newest, "other_20400101_000000", "no id"] if place == "known" else []
    if place != "known":
        name = f"{newest}.attempt2" if place == FAILED else newest
        (tmp_path / place / name).mkdir(parents=True)
    assert claim("nb", tmp_path, clock, known).id == "nb_20300101_000001"


def test_other_notebooks_do_not_move_the_time(tmp_path: Path) -> None:
    (tmp_path / "other_20300101_000000").mkdir()
    assert claim("nb", tmp_path, clock).id == "nb_20250423_143022"


def test_the_last_second_of_all_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "nb_99991231_235959").mkdir()
    with pytest.raises(ResultsUnusable, match="no id after"):
        claim("nb", tmp_path, clock)


@pytest.mark.parametrize(
    ("name", "other"),
    [("train", "train_model"), ("train_model", "train"), ("a", "a_20250101_000000")],
)
@pytest.mark.parametrize("place", ["results", "failed", "notebooks"])
def test_names_that_would_mix_are_refused(
    tmp_path: Path, name: str, other: str, place: str
) -> None:
    if place == "results":
        (tmp_path / f"{other}_20250423_143022").mkdir()
    if place == "failed":
        (tmp_path / FAILED / f"{other}_20250423_143022.attempt1").mkdir(parents=True)
    others = [other, name] if place == "notebooks" else []
    with pytest.raises(NotebookUnusable) as caught:
        claim(name, tmp_path, clock, other_notebooks=others)
    assert name in caught.value.problem
    assert other in caught.value.problem
    assert "Rename" in caught.value.hint
    assert not (tmp_path / INCOMING).exists()


@pytest.mark.parametrize("other", ["trainer", "train-model", "Train_model", "strain_model"])
def test_names_that_do_not_mix_are_taken(tmp_path: Path, other: str) -> None:
    assert claim("train", tmp_path, clock, other_notebooks=[other, "train"]).id.startswith("train_")


@pytest.mark.parametrize(
    "name", ["", ".hidden", "-x", "a/b", "a\\b", "a\nb", "a[1]", "what?", "x" * 201, "\udcff"]
)
def test_names_that_cannot_begin_a_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotebookUnusable, match="cannot begin"):
        claim(name, tmp_path, clock)


def test_a_file_in_the_way_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("not a directory")
    with pytest.raises(ResultsUnusable, match="cannot be written") as caught:
        claim("nb", tmp_path / "results", clock)
    assert "no directory" in caught.value.hint
    with pytest.raises(ResultsUnusable, match="cannot be written"):
        claim("nb", tmp_path / "results" / "below", clock)


def test_a_claim_that_came_to_nothing_is_given_back(tmp_path: Path) -> None:
    first, second = claim("nb", tmp_path, clock), claim("nb", tmp_path, clock)
    (second.path / "half").write_bytes(b"half")
    release(first)
    release(second)
    assert sorted(path.name for path in (tmp_path / INCOMING).iterdir()) == [
        ".lock",
        second.id,
        f"{second.id}.json",
    ]


def test_staging_is_empty_whatever_an_interruption_left(tmp_path: Path) -> None:
    claimed = claim("nb", tmp_path, clock)
    (claimed.path / "train").mkdir()
    (claimed.path / "train" / "half").write_bytes(b"half")
    (claimed.path / "link").symlink_to(tmp_path)
    (claimed.path / "train").chmod(0o555)
    with staging(claimed.id, claimed.uuid, tmp_path) as directory:
        assert directory == claimed.path
        assert list(directory.iterdir()) == []
    assert (tmp_path / INCOMING).is_dir()


def test_staging_claims_a_run_that_was_never_heard_of(tmp_path: Path) -> None:
    with staging("nb_20250423_143022", "some-uuid", tmp_path / "results") as directory:
        assert directory.is_dir()
    assert claim("nb", tmp_path / "results", clock).id == "nb_20250423_143023"


def test_staging_refuses_an_id_of_another_run(tmp_path: Path) -> None:
    claimed = claim("nb", tmp_path, clock)
    with pytest.raises(ResultsUnusable, match="another run"), staging(claimed.id, "x", tmp_path):
        pass


def test_staging_refuses_what_is_sealed(tmp_path: Path) -> None:
    folder = publish(tmp_path / "results", tmp_path / "run")
    with (
        pytest.raises(ResultsUnusable, match="sealed already"),
        staging(folder.name, "any", tmp_path / "results"),
    ):
        pass


def test_a_file_system_without_locks_still_gives_distinct_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_offered(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none_offered)
    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(lambda _: claim("nb", tmp_path, clock).id, range(24)))
    assert len(set(claims)) == 24


def test_one_process_stages_a_run_at_a_time(tmp_path: Path) -> None:
    claimed = claim("nb", tmp_path, clock)
    with (
        locked(record_of(claimed.path)),
        pytest.raises(ResultsUnusable, match="Another process"),
        staging(claimed.id, claimed.uuid, tmp_path),
    ):
        pass
