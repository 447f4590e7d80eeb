"""What is taken from an answer of the model, whatever it says."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.workloads.shards.ranking.answer import Unusable, scores_in

SCORES = st.dictionaries(st.integers(1, 30), st.floats(0, 1), max_size=30)
AROUND = st.sampled_from(["", "Here you are:\n```json\n", "Sure! "])


@given(SCORES, AROUND, st.booleans())
def test_scores_come_back_with_text_around_them(
    scores: dict[int, float], around: str, bare: bool
) -> None:
    named = {str(number): score for number, score in scores.items()}
    text = json.dumps(named if bare else {"scores": named})
    assert scores_in(f"{around}{text}\n```", 30) == {n - 1: s for n, s in scores.items()}


@given(
    st.text()
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(json.dumps)
)
def test_nothing_that_is_said_does_harm(text: str) -> None:
    with suppress(Unusable):
        found = scores_in(text, 5)
        assert all(0 <= place < 5 and 0.0 <= score <= 1.0 for place, score in found.items())


@pytest.mark.parametrize("value", ["1.01", "-0.1", "NaN", "1e999", "true", '"0.5"', "null", "[1]"])
def test_a_value_that_is_no_score_is_left_out(value: str) -> None:
    assert scores_in(f'{{"scores": {{"1": {value}, "2": 1}}}}', 2) == {1: 1.0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("I cannot judge that.", "no JSON"),
        ('{"scores": {"1": 0.5', "no JSON"),
        ('{"scores": {"1": 0.5,}}', "broken"),
        ('{"scores": [0.5, 0.5]}', "another form"),
        ('{"scores": {"3": 0.5}}', "not asked about"),
        ('{"scores": {"0": 0.5}}', "not asked about"),
        ('{"scores": {"one": 0.5}}', "not asked about"),
        ('{"scores": {"1": 0.5, "1": 0.6}}', "twice"),
        ('{"a":' * 20_000 + "1" + "}" * 20_000, "broken|not asked"),
    ],
)
def test_answers_that_cannot_be_trusted(text: str, says: str) -> None:
    with pytest.raises(Unusable, match=says):
        scores_in(text, 2)
