"""Asking a real service, over real sockets, that does all that services do."""

from __future__ import annotations

import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest

from remote.errors import RankerUnusable
from remote.workloads.shards.ranking.ask import Asked, Asker
from remote.workloads.shards.ranking.budget import Budget, Spent
from remote.workloads.shards.ranking.client import Client
from remote.workloads.shards.ranking.options import Ranker
from remote.workloads.shards.ranking.pace import Over, Pace
from remote.workloads.shards.ranking.prompt import Spectrum, spectra_of
from remote.workloads.shards.ranking.service import service_of
from tests.unit.shards.making import clean_rows
from tests.unit.shards.ranking.service import (
    KEY,
    ChatService,
    Fault,
    always,
    faults,
    score_of,
    serving,
)

BATCH = spectra_of(clean_rows(5), np.ones(5, bool), 4)


def asker(chat: ChatService, over: threading.Event | None = None, **changes: Any) -> Asker:
    settings: dict[str, Any] = {
        "endpoint": chat.endpoint,
        "requests_per_minute": 60_000.0,
        "timeout_seconds": 5.0,
        **changes,
    }
    ranker = Ranker(**settings)
    service = service_of(ranker, "tiny")
    client = Client(service, KEY, timeout_seconds=ranker.timeout_seconds, parallel=ranker.parallel)
    pace = Pace(ranker.requests_per_minute, over or threading.Event())
    return Asker(service, ranker, client, pace, Budget(ranker, Spent()))


def scores(batch: tuple[Spectrum, ...] = BATCH) -> dict[tuple[int, int], float | str]:
    return {(spectrum.input_index, spectrum.row): score_of(spectrum.text) for spectrum in batch}


def test_a_batch_has_its_scores_and_the_key_is_in_the_header() -> None:
    with serving() as chat:
        ask = asker(chat)
        assert ask(BATCH) == Asked(scores(), Spent(1, 50, 10))
        assert ask(BATCH) == Asked(scores(), Spent(1, 50, 10))
    headers, body = chat.requests[0]
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body["model"] == "tiny"
    assert KEY not in json.dumps(body)
    assert KEY not in repr(ask)


@pytest.mark.parametrize(
    ("fault", "least_seconds"),
    [
        (Fault(429, {"Retry-After": "2"}, b"{}"), 2.0),
        (Fault(429, {"Retry-After": format_datetime(datetime(2020, 1, 1, tzinfo=UTC))}, b""), 0.0),
        (Fault(503, {}, b"<html>"), 1.0),
        (Fault(reset=True), 1.0),
        (Fault(body=b"not JSON"), 1.0),
        (Fault(body=b'{"choices": []}'), 1.0),
    ],
)
def test_what_passes_by_itself_is_tried_again(fault: Fault, least_seconds: float) -> None:
    with serving(faults(fault)) as chat:
        assert asker(chat)(BATCH) == Asked(scores(), Spent(2, 50, 10))
    assert chat.asked == 2
    assert chat.moments[1] - chat.moments[0] >= least_seconds


def test_a_slow_answer_is_given_up() -> None:
    slow = (Fault(seconds=30.0), Fault(drip=0.4))
    with serving(faults(*slow)) as chat:
        began = time.monotonic()
        assert asker(chat, timeout_seconds=1.0)(BATCH).scores == scores()
        assert time.monotonic() - began < 15
    assert chat.asked == 3


def test_tries_end_and_say_so() -> None:
    says = r"no answer in 2 tries.*fault \(500\)"
    with serving(lambda _: Fault(500, {}, b"")) as chat, pytest.raises(RankerUnusable) as refused:
        asker(chat, max_retries=1)(BATCH)
    assert re.search(says, refused.value.problem)
    assert "--resume" in refused.value.hint
    assert chat.asked == 2


def test_a_service_that_is_gone() -> None:
    with serving() as chat:
        pass
    with pytest.raises(RankerUnusable, match="the connection failed"):
        asker(chat, max_retries=0)(BATCH)


def test_a_long_wait_is_not_waited_for() -> None:
    tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1))
    for said in ("86400", tomorrow):
        fault = Fault(429, {"Retry-After": said}, b"{}")
        left_alone = pytest.raises(RankerUnusable, match="left alone for 86,")
        with serving(always(fault)) as chat, left_alone:
            asker(chat)(BATCH)
        assert chat.asked == 1


ECHO = json.dumps({"error": {"message": f"no: {KEY}\x1b[31m", "code": "x"}}).encode()
QUOTA = json.dumps({"error": {"message": "pay", "code": "insufficient_quota"}}).encode()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(401, {}, ECHO), r"refused the key \(401\).*OPENAI_API_KEY"),
        (Fault(403, {}, ECHO), r"refused the key \(403\)"),
        (Fault(404, {}, ECHO), r"knows no model tiny.*no: \*\*\* \[31m"),
        (Fault(400, {}, ECHO), r"refused the request \(400\): no: \*\*\*"),
        (Fault(400, {}, b"\xff<html>"), r"refused the request \(400\)\."),
        (Fault(422, {}, b'{"error": "odd"}'), r"\(422\): odd"),
        (Fault(429, {}, QUOTA), r"no credit left \(429\): pay"),
    ],
)
def test_what_asking_again_does_not_change_is_one_error(fault: Fault, says: str) -> None:
    with serving(lambda _: fault) as chat, pytest.raises(RankerUnusable, match=says) as refused:
        asker(chat)(BATCH)
    assert chat.asked == 1
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with serving() as other:
        elsewhere = {"Location": f"{other.endpoint}/chat/completions"}
        redirect = pytest.raises(RankerUnusable, match="redirect")
        with serving(always(Fault(status, elsewhere, b""))) as chat, redirect:
            asker(chat)(BATCH)
    assert (chat.asked, other.asked) == (1, 0)


def test_only_what_is_missing_is_asked_again() -> None:
    def halved(scores: dict[str, float]) -> str:
        return json.dumps({"scores": {n: s for n, s in scores.items() if int(n) % 2}})

    with serving(faults(Fault(content=halved))) as chat:
        assert asker(chat)(BATCH) == Asked(scores(), Spent(2, 70, 14))
    assert sorted(chat.texts.values()) == [1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("fault", "requests", "reason"),
    [
        (Fault(content=lambda _: "I had rather not."), 3, "unusable"),
        (Fault(content=lambda s: json.dumps({"scores": {**s, "6": 0.1}})), 3, "unusable"),
        (Fault(content=lambda s: json.dumps({"scores": dict.fromkeys(s, 7)})), 3, "unusable"),
        (Fault(message={"content": None, "refusal": "no"}), 1, "refused"),
    ],
)
def test_spectra_without_a_score_are_known_as_such(
    fault: Fault, requests: int, reason: str
) -> None:
    with serving(lambda _: fault) as chat:
        found = asker(chat)(BATCH)
    assert found.scores == dict.fromkeys(scores(), reason)
    assert found.spent.requests == chat.asked == requests


def test_tokens_are_reckoned_where_the_service_does_not_say() -> None:
    with serving(lambda _: Fault(usage=False)) as chat:
        spent = asker(chat)(BATCH).spent
    assert spent.reckoned
    assert 300 < spent.input_tokens < 1_000
    assert 20 < spent.output_tokens < 100


def test_the_budget_ends_tries_too() -> None:
    with serving(lambda _: Fault(content=lambda _: "no")) as chat:
        ask = asker(chat, max_requests=2)
        assert set(ask(BATCH).scores.values()) == {"unusable"}
        assert ask(BATCH).scores == {}
    assert chat.asked == 2
    assert ask.budget.reached == "max_requests"


def test_waiting_for_another_try_ends_when_it_is_over() -> None:
    over = threading.Event()
    with serving(lambda _: Fault(429, {"Retry-After": "500"}, b"{}")) as chat:
        threading.Timer(0.3, over.set).start()
        with pytest.raises(Over):
            asker(chat, over)(BATCH)


def test_requests_begin_at_the_set_pace() -> None:
    with serving() as chat:
        ask = asker(chat, requests_per_minute=600.0)
        began = time.monotonic()
        for _ in range(6):
            ask(BATCH)
        assert time.monotonic() - began >= 0.5
