"""Builds whose spectra are scored by a service on this machine: real sockets, real commands."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from remote.errors import ConfigInvalid, IntegrityFailure, RankerUnusable
from remote.workloads.shards import BuildResult, BuildSettings, Quality, Ranker, build_shards
from remote.workloads.shards.build import preview
from remote.workloads.shards.ranking.ask import REFUSED
from remote.workloads.shards.ranking.scores import SCORES_FILE
from tests.faults.commands import MSMS, ROOT, wait_until
from tests.unit.shards.making import RUN_ID, make_input, tree
from tests.unit.shards.ranking.service import (
    KEY,
    ChatService,
    Fault,
    always,
    faults,
    score_of,
    serving,
)

ROWS = 10_300
BAD = (40, 45)
BATCH = 200


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("WORKHORSE_EVENTS", raising=False)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("inputs")
    return [
        make_input(folder / "first.hdf5", ROWS, 1, bad=BAD, chunk_rows=700),
        make_input(folder / "second.hdf5", 300, 2),
    ]


def settings(chat: ChatService, **changes: Any) -> BuildSettings:
    given: dict[str, Any] = {
        "endpoint": chat.endpoint,
        "batch_size": BATCH,
        "requests_per_minute": 100_000.0,
        **changes,
    }
    return BuildSettings(quality=Quality(True, "tiny", Ranker(**given)))


def build(root: Path, inputs: list[Path], asked: BuildSettings, **options: Any) -> BuildResult:
    given: dict[str, Any] = {"num_workers": 1, "min_disk_gb": 0.1, "min_memory_gb": 0.1, **options}
    return build_shards(asked, input_hdf5=inputs, output_root=root, run_id=RUN_ID, **given)


def scores(root: Path) -> dict[str, float | None]:
    """The column, by sample id."""
    found: dict[str, float | None] = {}
    for path in sorted(root.glob("train/*.parquet")):
        table = pq.read_table(path, columns=["sample_id", "quality_score"])
        found |= dict(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
    return found


def manifest(root: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((root / "dataset_manifest.json").read_text())
    return record


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, inputs: list[Path]) -> Iterator[Path]:
    """A dataset of which every spectrum has a score."""
    root = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch, serving() as chat:
        patch.setenv("OPENAI_API_KEY", KEY)
        build(root, inputs, settings(chat))
        assert set(chat.texts.values()) == {1}
        assert len(chat.texts) == ROWS - 5 + 300
        assert 1 < chat.most <= 4
        yield root


def test_every_spectrum_has_the_score_that_was_given(whole: Path) -> None:
    found = scores(whole)
    assert len(found) == ROWS - 5 + 300
    lines = [json.loads(line) for line in (whole / SCORES_FILE).read_text().splitlines()]
    assert [line["sample_id"] for line in lines] == list(found)
    assert None not in found.values()
    for line in lines:
        assert found[line["sample_id"]] == pytest.approx(line["score"], abs=1e-7)
    assert len(set(found.values())) > 900
    record = manifest(whole)
    digest = hashlib.sha256((whole / SCORES_FILE).read_bytes()).hexdigest()
    ranking = record["ranking"]
    assert ranking["scores_sha256"] == f"sha256:{digest}"
    assert (ranking["model"], ranking["scored"], ranking["not_asked"]) == ("tiny", len(found), 0)
    assert record["run"]["ranking"]["requests"] == -(-len(found) // BATCH)
    assert record["run"]["ranking"]["input_tokens"] == 10 * len(found)
    assert not list((whole / "checkpoints").glob("scores_*"))
    report = json.loads((whole / "quality_report.json").read_text())
    checks = {check["name"]: check for check in report["stages"]["training_readiness"]["checks"]}
    assert checks["ranking"]["status"] == "PASS"


def alike(root: Path) -> dict[str, bytes]:
    """The files of a dataset but for mode, config and port, which have no part in the shards."""
    files = tree(root)
    record = json.loads(files["dataset_manifest.json"])
    for name in ("mode", "config_file", "config_hash"):
        record.pop(name)
    record["ranking"].pop("endpoint")
    files["dataset_manifest.json"] = json.dumps(record).encode()
    return {
        name: content
        for name, content in files.items()
        if name.endswith((".parquet", ".jsonl", "dataset_manifest.json"))
    }


@pytest.mark.parametrize(
    "options",
    [{"num_workers": 2}, {"num_workers": 2, "mode": "production"}, {"batch_size": 1_234}],
)
def test_the_bytes_do_not_depend_on_who_does_the_work(
    tmp_path: Path, inputs: list[Path], whole: Path, options: dict[str, Any]
) -> None:
    with serving() as chat:
        build(tmp_path / "out", inputs, settings(chat, parallel=7), **options)
    assert alike(tmp_path / "out") == alike(whole)


def test_an_error_of_the_service_keeps_answers_and_a_resume_asks_the_rest(
    tmp_path: Path, inputs: list[Path], whole: Path
) -> None:
    root = tmp_path / "out"

    def plan(number: int) -> Fault:
        return Fault(401, {}, b"{}") if number == 30 else Fault()

    with serving(plan) as chat:
        with pytest.raises(RankerUnusable, match="401"):
            build(root, inputs, settings(chat))
        before = dict(chat.texts)
        assert 30 < chat.asked < 40
        build(root, inputs, settings(chat, parallel=2, max_requests=5_000), resume=True)
    assert alike(root) == alike(whole)
    asked_twice = [text for text, count in chat.texts.items() if count > 1]
    assert len(before) > 29 * BATCH
    assert len(asked_twice) == BATCH  # the batch that was refused
    assert set(chat.texts.values()) == {1, 2}


def config_file(folder: Path, chat: ChatService, **changes: Any) -> Path:
    ranker = {"endpoint": chat.endpoint, "batch_size": BATCH, "requests_per_minute": 100_000}
    path = folder / "config.yaml"
    quality = {"enable_ranking": True, "ranker_model": "tiny", "ranker": {**ranker, **changes}}
    path.write_text(yaml.safe_dump({"quality": quality}))
    return path


def command(root: Path, inputs: list[Path], config: Path, *flags: str) -> list[str]:
    given = [word for path in inputs for word in ("--input-hdf5", str(path))]
    fixed = ("--config", str(config), "--output-root", str(root), "--run-id", RUN_ID)
    small = ("--num-workers", "1", "--min-memory-gb", "0.1", "--min-disk-gb", "0.1")
    return [*MSMS, "build-shards", *given, *fixed, *small, *flags]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_build_that_is_ended_asks_nothing_twice(
    tmp_path: Path, inputs: list[Path], whole: Path, number: signal.Signals
) -> None:
    """Nothing but what was under way; and Ctrl-C ends it within two seconds, saying what next."""
    root = tmp_path / "out"
    plan = lambda at: Fault(seconds=60.0) if 20 <= at < 24 else Fault()  # noqa: E731
    with serving(plan) as chat:
        begun = command(root, inputs, config_file(tmp_path, chat))
        with subprocess.Popen(
            begun, cwd=ROOT, stdout=-1, stderr=-1, text=True, start_new_session=True
        ) as process:
            wait_until(lambda: chat.asked == 24)
            kept = root / "checkpoints" / f"scores_{RUN_ID}.jsonl"
            wait_until(lambda: kept.read_bytes().count(b"\n") == 21)
            began = time.monotonic()
            process.send_signal(number)
            _, said = process.communicate(timeout=30)
            seconds = time.monotonic() - began
        sent = json.dumps([body for _, body in chat.requests[20:]])
        under_way = {text for text in chat.texts if text in sent}
        if number == signal.SIGINT:
            assert seconds < 2.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
            goes_on = said.partition("Go on with:\n")[2].splitlines()[0].strip()
        else:
            goes_on = " ".join([*begun, "--resume"])
        last = subprocess.run(
            ["bash", "-c", goes_on], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert last.returncode == 0, last.stderr
    assert {text for text, count in chat.texts.items() if count > 1} == under_way
    assert len(under_way) == 4 * BATCH
    assert alike(root) == alike(whole)
    no_key_anywhere(root, said, last.stdout, last.stderr)


def no_key_anywhere(root: Path, *texts: str | None) -> None:
    for path in root.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
    for text in texts:
        assert KEY not in (text or "")


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


def test_a_budget_that_is_used_up_leaves_the_rest_without_a_score(
    tmp_path: Path, inputs: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "out"
    with serving() as chat:
        result = build(root, inputs, settings(chat, max_requests=7))
        assert chat.asked == 7
        found = scores(root)
        assert sum(score is not None for score in found.values()) == 7 * BATCH
        assert result.quality != "PASS"
        record = manifest(root)["ranking"]
        assert (record["stopped_by"], record["not_asked"]) == (
            "max_requests",
            len(found) - 7 * BATCH,
        )
        report = json.loads((root / "quality_report.json").read_text())
        checks = report["stages"]["training_readiness"]["checks"]
        assert {"ranking": "WARN"}.items() <= {x["name"]: x["status"] for x in checks}.items()
        assert any("max_requests" in advice for advice in report["recommendations"])
        assert "Stopped by max_requests" in capfd.readouterr().err


def test_some_are_chosen_at_random_and_refusals_are_counted(
    tmp_path: Path, inputs: list[Path]
) -> None:
    refusal = Fault(message={"content": None, "refusal": "no"})
    with serving(faults(refusal)) as chat:
        build(tmp_path / "out", inputs, settings(chat, max_spectra=400, parallel=1, batch_size=50))
    asked = [json.loads(x) for x in (tmp_path / "out" / SCORES_FILE).read_text().splitlines()]
    assert 390 <= len(asked) == sum(chat.texts.values()) <= 400
    assert [line["why"] for line in asked[:50]] == [REFUSED] * 50
    rows = [int(line["sample_id"].partition(":")[2]) for line in asked]
    assert 4_000 < sorted(rows)[200] < 6_000
    assert manifest(tmp_path / "out")["ranking"]["unscored"] == {REFUSED: 50}


def test_a_dry_run_says_what_it_takes_and_asks_nothing(tmp_path: Path, inputs: list[Path]) -> None:
    with serving() as chat:
        asked = settings(chat, max_requests=20, input_price=0.15, output_price=0.6)
        told = preview(
            asked, input_hdf5=inputs, output_root=tmp_path / "out", min_disk_gb=0.1, num_workers=1
        )
        assert chat.asked == 0
    ranking = told.ranking
    assert ranking is not None
    assert (ranking.requests, ranking.stopped_by, ranking.reached) == (53, "max_requests", 4_000)
    assert ranking.cost is not None
    assert 0.1 < ranking.cost < 1.0
    assert "quality_score" in told.columns
    assert "53 requests" in repr(told)
    assert "max_spectra: 4000" in repr(told)


def test_what_is_missing_is_told_before_work_starts(
    tmp_path: Path, inputs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out"
    with serving() as chat:
        there = settings(chat)
    with pytest.raises(RankerUnusable, match="cannot be reached"):
        build(root, inputs, there)
    away = replace(there, quality=Quality(True, "openai/gpt-4o-mini"))
    with pytest.raises(ConfigInvalid, match="network: true"):
        build(root, inputs, away)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(RankerUnusable, match="OPENAI_API_KEY is not set"):
        build(root, inputs, there)
    assert not root.exists()


def test_shards_that_are_begun_are_not_gone_on_with_without_their_scores(
    tmp_path: Path, inputs: list[Path]
) -> None:
    root = tmp_path / "out"

    class Ended(Exception):
        """The build is ended here."""

    def watch(now: Any) -> None:
        if now.done > 5_000:
            raise Ended

    with serving() as chat:
        with pytest.raises(Ended):
            build(root, inputs, settings(chat), watch=watch)
        asked = chat.asked
        kept = root / "checkpoints" / f"scores_{RUN_ID}.jsonl"
        content = kept.read_bytes()
        kept.write_bytes(content[: len(content) // 2])
        with pytest.raises(IntegrityFailure, match="scores"):
            build(root, inputs, settings(chat), resume=True)
        kept.write_bytes(content)
        build(root, inputs, settings(chat), resume=True)
        assert chat.asked == asked
    assert scores(root)


def test_scores_go_with_their_texts(inputs: list[Path], tmp_path: Path) -> None:
    """Each score is that of the text of its own row."""
    with serving() as chat:
        build(tmp_path / "out", inputs[1:], settings(chat))
        expected = sorted(score_of(text) for text in chat.texts)
        table = pq.read_table(next((tmp_path / "out").glob("train/*.parquet")))
    assert sorted(table["quality_score"].to_pylist()) == pytest.approx(expected, abs=1e-6)
    for row in table.slice(0, 20).to_pylist():
        (text,) = [t for t in chat.texts if t.startswith(f"precursor {row['precursor_mz']:.4f},")]
        assert row["quality_score"] == pytest.approx(score_of(text), abs=1e-6)
