"""Answers outlast whatever happens to the end of their file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote.errors import ResumeRefused
from remote.workloads.shards.ranking.ask import Asked
from remote.workloads.shards.ranking.budget import Spent
from remote.workloads.shards.ranking.scores import Scores, scores_file
from remote.workloads.shards.ranking.store import Store, is_done

HEAD = {"model": "m", "inputs": {"a.hdf5": "12"}, "parameters": {"x": [1, None]}}
BATCHES = [
    Asked({(0, 3): 0.1, (0, 4): "refused"}, Spent(1, 30, 4)),
    Asked({(0, 9): 0.30000000000000004, (1, 0): 1.0}, Spent(2, 30, 4, reckoned=True)),
    Asked({(1, 7): "unusable"}, Spent(3, 90, 12)),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "checkpoints" / "scores.jsonl"
    with Store.create(path, HEAD) as store:
        for batch in BATCHES[:2]:
            store.add(batch)
    again = Store.reopen(path, HEAD)
    assert again is not None
    with again:
        again.add(BATCHES[2])
        again.finish("max_tokens")
    return path


def test_answers_come_back_as_they_went_in(path: Path) -> None:
    store = Store.reopen(path, HEAD)
    assert store is not None
    store.close()
    assert store.known.answers == {k: v for batch in BATCHES for k, v in batch.scores.items()}
    assert store.known.spent == Spent(6, 150, 20, reckoned=True)
    assert store.known.stopped == "max_tokens"
    assert is_done(path)
    assert not is_done(path.with_name("none"))


@settings(max_examples=60)
@given(st.data())
def test_a_store_cut_or_damaged_anywhere_keeps_the_batches_before(
    path: Path, data: st.DataObject
) -> None:
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole[at] ^= data.draw(st.integers(1, 255))
    else:
        del whole[at:]
    lines = path.read_bytes()[:at].count(10)
    damaged = path.with_name("damaged")
    damaged.write_bytes(whole)
    store = Store.reopen(damaged, HEAD)
    assert (store is None) == (lines == 0)
    assert len(whole) == path.stat().st_size or not is_done(damaged)
    if store is None:
        return
    kept = BATCHES[: lines - 1]
    assert store.known.answers == {k: v for batch in kept for k, v in batch.scores.items()}
    assert store.known.stopped is None
    store.add(Asked({(5, 5): 0.5}, Spent()))
    store.close()
    again = Store.reopen(damaged, HEAD)
    assert again is not None
    again.close()
    assert again.known.answers[5, 5] == 0.5


def test_answers_to_other_questions_are_not_taken(path: Path) -> None:
    with pytest.raises(ResumeRefused) as refused:
        Store.reopen(path, {**HEAD, "model": "other", "inputs": {"a.hdf5": "13"}})
    assert "model: was m, is now other" in refused.value.problem
    assert "input a.hdf5: content differs" in refused.value.problem


def test_scores_by_row() -> None:
    answers = {k: v for batch in reversed(BATCHES) for k, v in batch.scores.items()}
    scores = Scores.of(answers)
    found = scores.of_rows(0, np.array([2, 3, 4, 9, 10]))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([np.nan, 0.1, np.nan, 0.3, np.nan], np.float32))
    assert scores.of_rows(1, np.array([0, 7])).tolist()[0] == 1.0
    assert np.isnan(scores.of_rows(2, np.array([0, 7]))).all()
    assert len(scores.of_rows(0, np.zeros(0, np.int64))) == 0
    assert scores_file(answers, ["a", "b"]).decode().splitlines() == [
        '{"sample_id": "a:3", "score": 0.1}',
        '{"sample_id": "a:4", "score": null, "why": "refused"}',
        '{"sample_id": "a:9", "score": 0.30000000000000004}',
        '{"sample_id": "b:0", "score": 1.0}',
        '{"sample_id": "b:7", "score": null, "why": "unusable"}',
    ]
