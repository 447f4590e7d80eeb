"""Builds whose spectra are scored by a service on this machine: real sockets, real commands."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from remote.errors import ConfigInvalid, RankerUnusable
from remote.workloads.shards import Quality
from remote.workloads.shards.build import preview
from remote.workloads.shards.ranking.ask import REFUSED
from remote.workloads.shards.ranking.scores import SCORES_FILE
from tests.integration.shards.commands import manifest
from tests.integration.shards.ranking.building import (
    BATCH,
    ROWS,
    alike,
    build,
    scores,
    settings,
    told,
)
from tests.unit.shards.ranking.ranked import ranked
from tests.unit.shards.ranking.service import (
    Fault,
    faults,
    score_of,
    serving,
)


def test_every_spectrum_has_the_score_that_was_given(whole: Path) -> None:
    found = scores(whole)
    assert len(found) == ROWS - 5 + 300
    lines = told(whole)
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


@pytest.mark.parametrize(
    "options",
    [{"num_workers": 2}, {"num_workers": 2, "mode": "production"}, {"batch_size": 1_234}],
)
def test_the_bytes_do_not_depend_on_who_does_the_work(
    tmp_path: Path, inputs: list[Path], whole: Path, options: dict[str, Any]
) -> None:
    places = {path.stem: place for place, path in enumerate(inputs)}
    answers: dict[tuple[int, int], float | str] = {}
    for line in told(whole):
        stem, _, row = line["sample_id"].partition(":")
        answers[places[stem], int(row)] = line["score"]
    ranked(tmp_path / "out", inputs, settings("http://127.0.0.1:9/v1"), answers, **options)
    assert alike(tmp_path / "out") == alike(whole)


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
    asked = told(tmp_path / "out")
    assert 390 <= len(asked) == sum(chat.texts.values()) <= 400
    assert [line["why"] for line in asked[:50]] == [REFUSED] * 50
    rows = [int(line["sample_id"].partition(":")[2]) for line in asked]
    assert 2_000 < sorted(rows)[200] < 3_300
    assert manifest(tmp_path / "out")["ranking"]["unscored"] == {REFUSED: 50}


def test_a_dry_run_says_what_it_takes_and_asks_nothing(tmp_path: Path, inputs: list[Path]) -> None:
    with serving() as chat:
        asked = settings(chat, max_requests=20, input_price=0.15, output_price=0.6)
        planned = preview(
            asked, input_hdf5=inputs, output_root=tmp_path / "out", min_disk_gb=0.1, num_workers=1
        )
        assert chat.asked == 0
    ranking = planned.ranking
    assert ranking is not None
    assert (ranking.requests, ranking.stopped_by, ranking.reached) == (28, "max_requests", 4_000)
    assert ranking.cost is not None
    assert 0.05 < ranking.cost < 0.5
    assert "quality_score" in planned.columns
    assert "28 requests" in repr(planned)
    assert "max_spectra: 4000" in repr(planned)


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
