"""Rules that were chosen reach the build that goes on from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import ConfigInvalid, ResultsUnusable, UsageError
from remote.workloads.shards.cleaning.config import (
    CONFIG,
    SAMPLE,
    config_text,
    handed_on,
    rules_from,
    write_config,
)
from remote.workloads.shards.settings import (
    BuildSettings,
    InputRules,
    Limits,
    Preprocessing,
    Quality,
    Splits,
    read_settings,
)

RULES = st.builds(
    Preprocessing,
    normalize_intensities=st.booleans(),
    sort_mz=st.booleans(),
    min_peaks=st.integers(1, 10_000),
    max_precursor_mz=st.floats(1, 1e6),
    filter_nonfinite=st.booleans(),
    max_peaks=st.none() | st.integers(1, 500),
)
SETTINGS = st.builds(
    BuildSettings,
    dataset_name=st.sampled_from(["msms", "GeMS C.9", "true", "1e3", "é"]),
    max_shard_size_bytes=st.none() | st.integers(65_536, 1 << 40),
    max_spectra=st.none() | st.integers(1, 1 << 39),
    splits=st.sampled_from([Splits(), Splits(("source_file", "lsh"), (0.8, 0.1, 0.1))]),
    preprocessing=RULES,
    input=st.builds(InputRules, st.integers(2, 20), st.sampled_from([(), ("TITLE", "SCANS")])),
    quality=st.sampled_from([Quality(), Quality(limits=Limits(duplicates_warn=None))]),
    random_seed=st.integers(0, 1 << 40),
)


@given(settings=SETTINGS)
def test_what_is_written_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, settings: BuildSettings
) -> None:
    path = write_config(settings, tmp_path_factory.mktemp("config"))
    assert read_settings(path) == settings


def test_what_is_of_another_machine_is_not_handed_on(tmp_path: Path) -> None:
    settings = BuildSettings(canonical_hdf5=("a.hdf5",), output_root="/elsewhere")
    again = read_settings(write_config(settings, tmp_path))
    assert (again.canonical_hdf5, again.output_root) == ((), None)


def test_only_what_is_set_and_the_rules_are_written() -> None:
    lines = config_text(BuildSettings(dataset_name="c9")).splitlines()
    said = [line.partition(":")[0] for line in lines if line[0] not in "# "]
    assert said == ["dataset_name", "preprocessing"]


@pytest.mark.parametrize("name", ["gems_local", "gems_full_safe", "gems_production_48core"])
def test_the_rules_of_a_config_stay_but_for_those_that_are_given(
    project_root: Path, name: str
) -> None:
    config = project_root / "configs" / f"{name}.yaml"
    own = read_settings(config)
    assert rules_from(config, min_peaks=None) == own
    changed = rules_from(config, min_peaks=7, ms_level=3, random_seed=5)
    assert changed == replace(
        own,
        preprocessing=replace(own.preprocessing, min_peaks=7),
        input=replace(own.input, ms_level=3),
        random_seed=5,
    )


def test_rules_are_checked_as_those_of_a_config_are() -> None:
    with pytest.raises(ConfigInvalid) as refused:
        rules_from(min_peaks=0, max_precursor_mz=-1.0, random_seed=-1)
    assert refused.value.problem.splitlines()[1:] == [
        "  preprocessing/min_peaks: must be at least 1, got 0",
        "  preprocessing/max_precursor_mz: must be at least 1.0, got -1.0",
        "  random_seed: must be at least 0, got -1",
    ]
    with pytest.raises(UsageError, match="no spectrum could have both"):
        rules_from(min_peaks=20, max_peaks=10)


def test_a_build_goes_on_from_a_run(tmp_path: Path) -> None:
    write_config(BuildSettings(), tmp_path)
    with pytest.raises(UsageError, match="No input is named"):
        handed_on(tmp_path)
    assert handed_on(tmp_path, "", "a.mgf") == (str(tmp_path / CONFIG), "a.mgf")
    (tmp_path / SAMPLE).touch()
    assert handed_on(tmp_path) == (str(tmp_path / CONFIG), str(tmp_path / SAMPLE))
    assert handed_on(tmp_path, "", "a.mgf")[1] == "a.mgf"
    with pytest.raises(UsageError, match=r"from other\.yaml and from"):
        handed_on(tmp_path, "other.yaml")


def test_a_run_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsUnusable) as refused:
        handed_on(tmp_path)
    assert "latest:01_data_cleaning" in refused.value.hint
