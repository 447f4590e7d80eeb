"""What a build is asked to do, from config, flags and defaults."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import click
import pytest

from remote.errors import ConfigInvalid, InputUnusable, UsageError
from remote.workloads.shards.cli.build import build_shards as command
from remote.workloads.shards.cli.merging import merged
from remote.workloads.shards.request import Options, Request, make_request
from remote.workloads.shards.settings import (
    BuildSettings,
    DaskOptions,
    Preprocessing,
    Quality,
    read_settings,
)

CONFIG = """
dataset_name: gems
canonical_hdf5: [a.hdf5, b.hdf5]
output_root: out
max_shard_size_bytes: 1_000_000_000
schema_version: 1
max_spectra: null
preprocessing: {normalize_intensities: true, min_peaks: 2, max_precursor_mz: 1500.0}
quality: {enable_ranking: false, ranker_model: openai/gpt-4o-mini}
logging: {level: DEBUG, log_file: logs/x.log}
random_seed: 7
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def flags(**given: Any) -> dict[str, Any]:
    """What click makes of no flags, and the given ones."""
    return {**command.make_context("build-shards", []).params, **given}


def request(settings: BuildSettings | None = None, **options: Any) -> Request:
    options = {"clock": lambda: datetime(2025, 4, 23, 14, 30, 22, tzinfo=UTC), **options}
    return make_request(settings or BuildSettings(), "a.hdf5", "out", cast(Options, options))


def test_flags_win_over_the_config(config: Path) -> None:
    plain = merged(flags(config=config))
    assert plain == read_settings(config)
    assert (plain.preprocessing.min_peaks, plain.random_seed) == (2, 7)
    changed = merged(
        flags(config=config, min_peaks=5, no_sort=True, shard_size=70_000, dataset_name="x")
    )
    assert changed.preprocessing.min_peaks == 5
    assert changed.preprocessing.max_precursor_mz == 1500.0
    assert not changed.preprocessing.sort_mz
    ranked = merged(flags(config=config, enable_quality_ranking=True, ranker_model="a/b"))
    assert (ranked.quality.enable_ranking, ranked.quality.ranker_model) == (True, "a/b")
    assert not merged(flags(disable_quality_ranking=True)).quality.enable_ranking
    with pytest.raises(click.UsageError):
        merged(flags(enable_quality_ranking=True, disable_quality_ranking=True))
    assert (changed.max_shard_size_bytes, changed.dataset_name) == (70_000, "x")


def test_every_problem_of_a_config_is_named(config: Path) -> None:
    config.write_text(
        "dataset_nam: x\npreprocessing: {min_peaks: 0, sort: true}\nschema_version: 9\n"
    )
    with pytest.raises(ConfigInvalid) as caught:
        read_settings(config)
    for part in ("dataset_nam", "preprocessing/min_peaks", "preprocessing/sort", "schema_version"):
        assert part in caught.value.problem


def test_inputs_come_from_the_call_else_the_config(config: Path) -> None:
    settings = read_settings(config)
    assert make_request(settings, None, None, {}).inputs == (Path("a.hdf5"), Path("b.hdf5"))
    assert make_request(settings, "", None, {}).output_root == Path("out")
    assert make_request(settings, Path("c.hdf5"), "here", {}).inputs == (Path("c.hdf5"),)
    with pytest.raises(UsageError, match="output root"):
        make_request(BuildSettings(), None, None, {})
    with pytest.raises(InputUnusable, match="name c"):
        make_request(settings, ["x/c.hdf5", "y/c.h5"], None, {})


def test_modes_stand_for_figures_that_can_be_set() -> None:
    local, production = request(), request(mode="production")
    assert (local.limit, production.limit) == (1_000_000_000, 2_000_000_000)
    assert production.execution.checkpoint_interval == 10_000
    assert request(batch_size=123).execution.batch_size == 123
    assert local.execution.checkpoint_interval == 5_000
    assert 1 <= local.execution.workers <= 4
    assert request(num_workers=9).execution.workers == 9
    assert request(BuildSettings(max_shard_size_bytes=99_999)).limit == 99_999


def test_shards_carry_the_runs_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKHORSE_RUN_ID", raising=False)
    assert request().run_id == "20250423_143022"
    monkeypatch.setenv("WORKHORSE_RUN_ID", "10_build_shards_20240102_030405")
    assert request().run_id == "20240102_030405"
    assert request(run_id="mine").run_id == "mine"


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="ranker_model: is missing"):
        request(BuildSettings(quality=Quality(enable_ranking=True)))
    with pytest.raises(ConfigInvalid) as caught:
        request(
            BuildSettings(max_spectra=0, preprocessing=Preprocessing(max_precursor_mz=math.nan))
        )
    assert "max_spectra: must be at least 1, got 0" in caught.value.problem
    assert "preprocessing/max_precursor_mz: must be a finite number" in caught.value.problem
    with pytest.raises(UsageError, match="run id"):
        request(run_id="../x")
    with pytest.raises(UsageError, match="batch_size"):
        request(batch_size=-5)


def test_who_does_the_work() -> None:
    assert not request().execution.processes
    assert request(mode="production").execution.processes
    assert request().execution.dask is None
    assert request(use_dask=True).execution.dask == DaskOptions()
    elsewhere = request(scheduler="tcp://10.0.0.1:8786", mode="production").execution
    assert elsewhere.dask == DaskOptions("tcp://10.0.0.1:8786")
    assert (elsewhere.workers, elsewhere.local_workers) == (0, 0)
    assert request(scheduler="tcp://10.0.0.1:8786", num_workers=7).execution.workers == 7


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scheduler": "10.0.0.1:8786"}, "tcp://HOST:PORT"),
        ({"scheduler": "tcp://10.0.0.1:1", "tls_key": "k.pem"}, "tls://HOST:PORT"),
        ({"scheduler": "tls://10.0.0.1:1", "tls_key": "no/k.pem"}, "no file no/k.pem"),
        ({"num_workers": 0}, "num_workers is 0"),
    ],
)
def test_what_cannot_be_done_by_anybody_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        request(**options)
    assert says in str(caught.value)
