from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.results.names import RunId, attempt_name, parse_attempt, parse_id

moments = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0))


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1), moments)
def test_an_id_reads_back_as_what_it_was_made_from(notebook: str, moment: datetime) -> None:
    run_id = RunId(notebook, moment)
    assert parse_id(str(run_id)) == run_id
    assert parse_attempt(attempt_name(str(run_id), 3)) == (run_id, 3)


@given(moments, st.integers(1, 10**9))
def test_ids_of_one_notebook_sort_as_text_by_time(moment: datetime, later: int) -> None:
    try:
        after = moment + timedelta(seconds=later)
    except OverflowError:
        return
    assert str(RunId("nb", moment)) < str(RunId("nb", after))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nb",
        "_20250423_143022",
        "nb_20251323_143022",
        "nb_20250423_146022",
        "nb_20250423_143022.attempt1",
        "nb_20250423_143022\n",
        "nb-20250423_143022",
        "nb_٢٠٢٥٠٤٢٣_١٤٣٠٢٢",
    ],
)
def test_what_is_no_id(text: str) -> None:
    assert parse_id(text) is None


@pytest.mark.parametrize(
    "text", ["nb_20250423_143022", "nb.attempt1", "nb_20250423_143022.attempt0"]
)
def test_what_is_no_attempt(text: str) -> None:
    assert parse_attempt(text) is None
