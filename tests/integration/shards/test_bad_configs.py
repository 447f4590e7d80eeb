"""Every key of a sharding config refuses what cannot be: one error with the key's path."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from remote.workloads.shards.settings import BuildSettings
from tests.integration.shards.commands import SMALL, msms
from tests.unit.shards.making import make_input

pytestmark = pytest.mark.integration

INF, NAN = float("inf"), float("nan")
# Beside a list and a mapping, which no single value may be, and for lists a word.
BAD: dict[str, tuple[object, ...]] = {
    "dataset_name": (5, None, True),
    "canonical_hdf5": ("a.hdf5", [1], [None], None),
    "output_root": (5, True),
    "max_shard_size_bytes": (65_535, 1.5, "1 GB", True, 10**16),
    "schema_version": (0, 2, "1", None),
    "max_spectra": (0, -1, "all", 1.5, 10**13),
    "sample": ("all", 1, None),
    "splits/by": ("lsh", ["nothing"], [1]),
    "splits/fractions": (0.9, ["a", "b", "c"], [None]),
    "preprocessing/normalize_intensities": ("true", 1, None),
    "preprocessing/sort_mz": ("yes", 0, None),
    "preprocessing/min_peaks": (0, 10_001, "three", 1.5, None, True),
    "preprocessing/max_precursor_mz": (0.5, -1, NAN, INF, "2000", None),
    "preprocessing/filter_nonfinite": (2, "no", None),
    "preprocessing/max_peaks": (0, -5, 1.5, "all", 10**7),
    "input/ms_level": (1, 21, "2", None),
    "input/carry": ("TITLE", [1], None),
    "quality/enable_ranking": ("yes", 1, None),
    "quality/ranker_model": (5, True),
    "quality/ranker/network": ("yes", None),
    "quality/ranker/endpoint": (5, True),
    "quality/ranker/key_env": (5, True),
    "quality/ranker/batch_size": (0, 201, 1.5, None),
    "quality/ranker/peaks": (0, 129, "all"),
    "quality/ranker/max_spectra": (0, "all"),
    "quality/ranker/parameters": ("text", 5, None),
    "quality/ranker/parallel": (0, 65),
    "quality/ranker/requests_per_minute": (0, 1e6, NAN, INF),
    "quality/ranker/timeout_seconds": (0, 4000, NAN),
    "quality/ranker/max_retries": (-1, 101),
    "quality/ranker/max_requests": (0, "many"),
    "quality/ranker/max_tokens": (0, "many"),
    "quality/ranker/max_cost": (-1, NAN, INF),
    "quality/ranker/input_price": (-1, NAN, INF),
    "quality/ranker/output_price": (-1, NAN, INF),
    "logging/level": ("LOUD", "debug", None),
    "logging/log_file": (5, True),
    "random_seed": (-1, 1.5, "x", None, 2**63),
}
# Shares, but for the rounding, which is in ppm.
BAD |= {
    f"quality/limits/{check}_{verdict}": (-0.1, NAN, INF, "all", *(() if ppm else (1.1,)))
    for check, ppm in {
        **dict.fromkeys(("integrity", "damaged", "attrition", "duplicates"), False),
        **dict.fromkeys(("saturated", "charge_unknown"), False),
        "mz_rounding": True,
    }.items()
    for verdict in ("warn", "fail")
}
# What fits by itself and not together: the exit code, and what is said.
CONTRADICTIONS: dict[str, tuple[dict[str, Any], str, int]] = {
    "limits the wrong way round": (
        {"quality": {"limits": {"integrity_warn": 0.1, "integrity_fail": 0.01}}},
        "integrity_warn: must not be above integrity_fail",
        12,
    ),
    "fractions that do not add up": ({"splits": {"fractions": [0.5, 0.3, 0.1]}}, "add up to 1", 2),
    "two fractions": ({"splits": {"fractions": [0.5, 0.5]}}, "three numbers", 2),
    "a key twice": ({"splits": {"by": ["lsh", "lsh"]}}, "given twice", 2),
    "most below fewest": (
        {"preprocessing": {"min_peaks": 5, "max_peaks": 4}},
        "max_peaks is 4 and min_peaks 5",
        2,
    ),
    "a random sample of all": ({"sample": "random"}, "needs its size", 2),
    "no name": ({"dataset_name": ""}, "is empty", 2),
    "a name of two lines": ({"dataset_name": "a\nb"}, "not printable", 2),
    "equal stems": ({"canonical_hdf5": ["a/x.hdf5", "b/x.mgf"]}, "Two inputs have the name x", 9),
    "no output": ({"output_root": ""}, "No output root", 2),
    "ranking without a model": ({"quality": {"enable_ranking": True}}, "ranker_model", 12),
    "a key in the config": (
        {"quality": {"ranker_model": "sk-aaaaaaaaaaaaaaaaaaaaaaaa"}},
        "looks like a key",
        12,
    ),
    "unknown keys": ({"max_spectrum": 1, "nonsense": 2}, 'did you mean "max_spectra"', 12),
    "a key at the wrong place": ({"min_peaks": 1}, 'it belongs under "preprocessing"', 12),
    "a section that is none": ({"preprocessing": 5}, "preprocessing: expected keys and values", 12),
    "a log in a file": ({"logging": {"log_file": "config.yaml/x.log"}}, "cannot be written", 13),
}
NO_CONFIG = {
    "a list": "- a\n- b\n",
    "a word": "gems\n",
    "no YAML": "a: [1\n",
    "a tab": "a:\n\t- b\n",
    "a key twice": "random_seed: 1\nrandom_seed: 2\n",
    "an object": "a: !!python/object/apply:os.system ['true']\n",
}


def keys(kind: type, above: str = "") -> Iterator[str]:
    """The paths of all keys that hold a value."""
    hints = typing.get_type_hints(kind)
    for one in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[one.name]):
            yield from keys(hints[one.name], f"{above}{one.name}/")
        else:
            yield f"{above}{one.name}"


def nested(path: str, value: object) -> dict[str, Any]:
    """A config with nothing but this."""
    for name in reversed(path.split("/")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_input(tmp_path_factory.mktemp("input") / "a.hdf5", 300)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(
    folder: Path, text: str, capsys: pytest.CaptureFixture[str], code: int, *more: object
) -> str:
    """What is said of a config; nothing is written."""
    (folder / "config.yaml").write_text(text)
    msms("build-shards", "--config", "config.yaml", *SMALL, *more, code=code)
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]
    return err


def test_every_key_has_bad_values() -> None:
    """Whoever adds a key says what it refuses."""
    assert {*keys(BuildSettings)} == {*BAD}


@pytest.mark.parametrize("path", BAD)
def test_a_value_that_cannot_be_is_named_by_its_path(
    path: str, folder: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = [*BAD[path], {"a": [1]} if "parameters" not in path else [], [[1]]]
    for value in values:
        text = yaml.safe_dump(nested(path, value))
        said = refused(folder, text, capsys, 12, "--input", small, "--output-root", "out")
        assert f"  {path}" in said, value


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_values_that_contradict_each_other(
    name: str, folder: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, says, code = CONTRADICTIONS[name]
    whole = {"canonical_hdf5": [str(small)], "output_root": "out", **config}
    assert says in refused(folder, yaml.safe_dump(whole), capsys, code)


@pytest.mark.parametrize("name", NO_CONFIG)
def test_what_is_no_config(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "config.yaml: " in refused(folder, NO_CONFIG[name], capsys, 12)
