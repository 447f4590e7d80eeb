"""Limits of the quality report come from the config, are checked there, and change no byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from remote.errors import ConfigInvalid
from remote.workloads.shards.output.key import config_record
from remote.workloads.shards.settings import BuildSettings, Limits, Quality, read_settings


def settings_of(folder: Path, text: str) -> BuildSettings:
    path = folder / "c.yaml"
    path.write_text(text)
    return read_settings(path)


def test_they_are_read_and_the_others_keep_their_defaults(tmp_path: Path) -> None:
    text = "quality: {limits: {integrity_warn: 0, integrity_fail: null, duplicates_fail: 1e-2}}"
    limits = settings_of(tmp_path, text).quality.limits
    assert limits == replace(
        Limits(), integrity_warn=0.0, integrity_fail=None, duplicates_fail=0.01
    )
    assert Limits().of("integrity") == (0.0001, 0.001)
    assert list(Limits().faults()) == []


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (
            "{integrity_fial: 1}",
            'limits/integrity_fial: unknown key; did you mean "integrity_fail"',
        ),
        ("{damaged_fail: 1.5}", "limits/damaged_fail: must be at most 1.0, got 1.5"),
        ("{saturated_warn: -0.1}", "limits/saturated_warn: must be at least 0.0, got -0.1"),
        ("{mz_rounding_warn: .nan}", "limits/mz_rounding_warn: must be a finite number, got nan"),
        ("{attrition_warn: much}", "limits/attrition_warn: expected a number"),
        (
            "{integrity_warn: 0.01}",
            "limits/integrity_warn: must not be above integrity_fail, 0.01 is above 0.001",
        ),
        ("{duplicates_warn: 0.5, duplicates_fail: 0.2}", "limits/duplicates_warn: must not be"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, limits: str, problem: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        settings_of(tmp_path, f"quality:\n  limits: {limits}\n")
    assert f"quality/{problem}" in refused.value.problem


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    text = "max_spectra: 0\nquality: {limits: {integrity_warn: 1, damaged_warn: 1}}\nrandom_seed: x"
    with pytest.raises(ConfigInvalid, match="4 problems"):
        settings_of(tmp_path, text)


def test_they_are_no_part_of_what_a_resume_compares() -> None:
    def record(quality: Quality) -> dict[str, object]:
        return config_record(BuildSettings(quality=quality), "train", "float64", 1, False)

    assert record(Quality(limits=Limits(integrity_fail=0.5))) == record(Quality())
    assert record(Quality(ranker_model="x")) != record(Quality())
