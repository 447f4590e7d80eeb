"""Builds that are ended while they ask, or after: what was answered is not asked again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from remote.errors import IntegrityFailure, RankerUnusable
from remote.workloads.shards.build import preview
from tests.faults.commands import ROOT, wait_until
from tests.integration.shards.ranking.building import (
    BATCH,
    alike,
    build,
    command,
    config_file,
    no_key_anywhere,
    settings,
)
from tests.unit.shards.making import RUN_ID
from tests.unit.shards.ranking.service import (
    KEY,
    Fault,
    always,
    serving,
)


def test_an_error_of_the_service_keeps_answers_and_a_resume_asks_the_rest(
    tmp_path: Path, inputs: list[Path], whole: Path
) -> None:
    root = tmp_path / "out"

    def plan(number: int) -> Fault:
        return Fault(401, {}, b"{}") if number == 10 else Fault()

    with serving(plan) as chat:
        with pytest.raises(RankerUnusable, match="401"):
            build(root, inputs, settings(chat))
        before = dict(chat.texts)
        assert 10 < chat.asked < 20
        build(root, inputs, settings(chat, parallel=2, max_requests=5_000), resume=True)
    assert alike(root) == alike(whole)
    asked_twice = [text for text, count in chat.texts.items() if count > 1]
    assert len(before) > 9 * BATCH
    assert len(asked_twice) == BATCH  # the batch that was refused
    assert set(chat.texts.values()) == {1, 2}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_build_that_is_ended_asks_nothing_twice(
    tmp_path: Path, inputs: list[Path], whole: Path, number: signal.Signals
) -> None:
    """Nothing but what was under way; and Ctrl-C ends it within two seconds, saying what next."""
    root = tmp_path / "out"
    plan = lambda at: Fault(seconds=60.0) if 8 <= at < 12 else Fault()  # noqa: E731
    with serving(plan) as chat:
        begun = command(root, inputs, config_file(tmp_path, chat))
        with subprocess.Popen(
            begun, cwd=ROOT, stdout=-1, stderr=-1, text=True, start_new_session=True
        ) as process:
            wait_until(lambda: chat.asked == 12)
            kept = root / "checkpoints" / f"scores_{RUN_ID}.jsonl"
            wait_until(lambda: kept.read_bytes().count(b"\n") == 9)
            began = time.monotonic()
            process.send_signal(number)
            _, said = process.communicate(timeout=30)
            seconds = time.monotonic() - began
        sent = json.dumps([body for _, body in chat.requests[8:]])
        under_way = {text for text in chat.texts if text in sent}
        if number == signal.SIGINT:
            assert seconds < 2.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
            goes_on = said.partition("Go on with:\n")[2].splitlines()[0].strip()
            last = subprocess.run(
                ["bash", "-c", goes_on], cwd=ROOT, capture_output=True, text=True, check=False
            )
            assert last.returncode == 0, last.stderr
            no_key_anywhere(root, last.stdout, last.stderr)
        else:
            build(root, inputs, settings(chat), resume=True)
    assert {text for text, count in chat.texts.items() if count > 1} == under_way
    assert len(under_way) == 4 * BATCH
    assert alike(root) == alike(whole)
    no_key_anywhere(root, said)


def test_no_key_in_what_is_said_or_written_of_a_failure(tmp_path: Path, inputs: list[Path]) -> None:
    body = json.dumps({"error": {"message": f"Incorrect key: {KEY}"}}).encode()
    root = tmp_path / "out"
    with serving(always(Fault(400, {}, body))) as chat:
        config = config_file(tmp_path, chat)
        debug = ("--log-level", "DEBUG", "--log-file", str(root / "log.txt"))
        ended = subprocess.run(
            command(root, inputs[1:], config, *debug),
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert ended.returncode == RankerUnusable.exit_code, ended.stderr
    assert "Incorrect key: ***" in ended.stderr
    assert chat.requests[0][0]["Authorization"] == f"Bearer {KEY}"
    assert (root / "log.txt").stat().st_size
    no_key_anywhere(root, ended.stdout, ended.stderr)


def test_shards_that_are_begun_want_their_scores_and_neither_key_nor_service(
    tmp_path: Path, inputs: list[Path], whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out"

    class Ended(Exception):
        """The build is ended here."""

    def watch(now: Any) -> None:
        if now.done >= 5_000:
            raise Ended

    with serving() as chat:
        with pytest.raises(Ended):
            build(root, inputs, settings(chat), watch=watch)
        kept = root / "checkpoints" / f"scores_{RUN_ID}.jsonl"
        content = kept.read_bytes()
        kept.write_bytes(content[: len(content) // 2])
        with pytest.raises(IntegrityFailure, match="scores"):
            build(root, inputs, settings(chat), resume=True)
        kept.write_bytes(content)
    monkeypatch.delenv("OPENAI_API_KEY")
    given: dict[str, Any] = {"input_hdf5": inputs, "output_root": root, "resume": True}
    assert preview(settings(chat), num_workers=1, min_disk_gb=0.1, **given).run_id == RUN_ID
    for _ in range(2):  # the second time it is finished
        build(root, inputs, settings(chat), resume=True)
        assert alike(root) == alike(whole)


def test_a_resume_that_has_to_ask_wants_the_key(
    tmp_path: Path, inputs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out"
    with serving(always(Fault(401, {}, b"{}"))) as chat:
        with pytest.raises(RankerUnusable, match="401"):
            build(root, inputs[1:], settings(chat))
        monkeypatch.delenv("OPENAI_API_KEY")
        with pytest.raises(RankerUnusable, match="OPENAI_API_KEY is not set"):
            build(root, inputs[1:], settings(chat), resume=True)
