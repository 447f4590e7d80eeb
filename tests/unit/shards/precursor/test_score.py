"""Figures against figures worked out otherwise, and intervals against draws."""

from __future__ import annotations

import numpy as np
import pytest

from remote.workloads.shards.precursor.features import Task
from remote.workloads.shards.precursor.figures import charts
from remote.workloads.shards.precursor.score import HIGHEST, MODEL, PRIOR, Interval, Scores


def scores() -> Scores:
    actual = np.array([1, 2, 3, 4, 5, 6] * 20)
    told = {
        MODEL: np.where(np.arange(120) % 10 == 0, actual + 1, actual),
        HIGHEST: np.where(np.arange(120) % 2 == 0, actual + 2, actual),
        PRIOR: np.full(120, 3),
    }
    return Scores(actual, told, np.repeat(np.arange(20, dtype=np.uint64), 6))


def test_shares() -> None:
    found = scores()
    assert found.right(MODEL).value == pytest.approx(0.9)
    assert found.near(MODEL).value == 1
    assert found.right(HIGHEST).value == pytest.approx(0.5)
    assert found.near(HIGHEST).value == pytest.approx(0.5)
    assert found.right(PRIOR).value == pytest.approx(1 / 6)
    record = found.record()
    assert record["model"]["mean_bins_off"] == pytest.approx(0.1)
    assert record["against"][HIGHEST]["accuracy_gained"]["value"] == pytest.approx(0.4)
    assert record["against"][HIGHEST]["model"] == found.verdict(PRIOR) == "better"


def test_the_interval_holds_the_mean_in_95_of_100_draws_of_groups() -> None:
    random = np.random.default_rng(0)
    held = 0
    for _ in range(1_000):
        rates = random.beta(2, 2, 60)  # groups differ, by 0.5 on average
        values = (random.random((60, 40)) < rates[:, None]).astype(float).ravel()
        found = Interval.of(values, np.repeat(np.arange(60, dtype=np.uint64), 40))
        held += found.low <= 0.5 <= found.high
    assert 920 <= held <= 975


def test_with_few_groups_the_interval_is_that_of_spectra_and_it_is_said() -> None:
    found = scores()
    few = Scores(found.actual, found.told, found.groups // np.uint64(4))
    assert "too narrow" in few.record()["intervals"]
    assert "too narrow" not in found.record()["intervals"]
    right = few.right(HIGHEST)
    assert right.high - right.low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 119), rel=0.02)


def test_a_model_that_is_the_baseline_is_neither_better_nor_worse() -> None:
    found = scores()
    same = Scores(found.actual, {**found.told, MODEL: found.told[HIGHEST]}, found.groups)
    assert same.verdict(HIGHEST) == "no difference that can be told"
    worse = Scores(found.actual, {**found.told, HIGHEST: found.actual}, found.groups)
    assert worse.verdict(HIGHEST) == "worse"


def test_the_charts_say_the_figures() -> None:
    drawn = charts(scores(), Task())
    assert "model 90.0%" in drawn["accuracy"].svg
    assert "highest peak 50.0%" in drawn["accuracy"].svg
    assert "model, +1: 10.0%" in drawn["bins_off"].svg
    assert "highest peak, +2: 50.0%" in drawn["bins_off"].svg
    for share in (80, 20, 100):  # of bins 1, 3 and 5; of those and the ones above; of the others
        assert f">{share}.0%</title>" in drawn["told_and_actual"].svg
