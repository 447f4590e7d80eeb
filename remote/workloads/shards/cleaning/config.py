"""The rules that were chosen, as a sharding config that a build takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import Any

from remote.errors import ResultsUnusable, UsageError
from remote.schema import dump_yaml
from remote.workloads.durable import write_atomic
from remote.workloads.shards.request import check_rules, check_values
from remote.workloads.shards.settings import BuildSettings, read_settings

CONFIG = "sharding.yaml"
SAMPLE = "sample.hdf5"
_HEAD = "# The cleaning rules that were tried, and what else the config said. A build takes it as\n"
_HEAD += "# it is: msms build-shards --config FILE, or -p cleaning RUN of the notebook.\n"
# Of another machine, or another build: a config that is handed on does not say them.
_LEFT_OUT = ("canonical_hdf5", "output_root", "logging")


def rules_from(
    config: str | PathLike[str] = "",
    *,
    ms_level: int | None = None,
    random_seed: int | None = None,
    **rules: Any,
) -> BuildSettings:
    """A sharding config (defaults without one) with those values instead that are not None.

    Args:
        rules: of `Preprocessing`.

    Raises:
        ConfigInvalid: every problem of the file, or of the rules, at once.
        UsageError: the rules contradict one another.
    """
    settings = read_settings(Path(config)) if config else BuildSettings()
    given = {name: value for name, value in rules.items() if value is not None}
    made = replace(
        settings,
        preprocessing=replace(settings.preprocessing, **given),
        input=settings.input if ms_level is None else replace(settings.input, ms_level=ms_level),
        random_seed=settings.random_seed if random_seed is None else random_seed,
    )
    check_values(made)
    check_rules(made.preprocessing)
    return made


def config_text(settings: BuildSettings) -> str:
    """The settings as YAML: all rules of cleaning, and what differs from the defaults."""
    said = _differing(asdict(settings), asdict(BuildSettings()))
    kept = {name: value for name, value in said.items() if name not in _LEFT_OUT}
    kept["preprocessing"] = asdict(settings.preprocessing)
    return _HEAD + dump_yaml(_plain(kept))


def write_config(settings: BuildSettings, folder: Path) -> Path:
    """Write them into a folder for notebook 10."""
    path = folder / CONFIG
    write_atomic(path, config_text(settings).encode())
    return path


def handed_on(
    cleaned: str | PathLike[str], config: str = "", input_hdf5: str = ""
) -> tuple[str, str]:
    """The config and the input of a build that goes on from a run of notebook 01.

    Args:
        cleaned: that run's folder.
        config, input_hdf5: what the build was given itself.

    Raises:
        ResultsUnusable: the run left no rules.
        UsageError: there are two configs, or no input.
    """
    path = Path(cleaned) / CONFIG
    if not path.is_file():
        raise ResultsUnusable(
            f"{path} does not exist: that run chose no rules of cleaning.",
            hint="Name a run of notebook 01: -p cleaning latest:01_data_cleaning",
        )
    if config:
        raise UsageError(
            f"Rules of cleaning come from {config} and from {path.parent.name}.",
            hint="Give the config to notebook 01, which hands it on; or leave out one of the two.",
        )
    generated = path.with_name(SAMPLE)
    if not input_hdf5 and not generated.is_file():
        raise UsageError(
            f"No input is named: {path.parent.name} tried the rules on one, and keeps no copy.",
            hint="Name what is to be built: -p input_hdf5 FILE",
        )
    return str(path), input_hdf5 or str(generated)


def _differing(said: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in said.items():
        if isinstance(value, Mapping):
            inner = _differing(value, usual[name])
            found |= {name: inner} if inner else {}
        elif value != usual[name]:
            found[name] = value
    return found


def _plain(value: Any) -> Any:
    """With lists for tuples, as YAML and its reader have them."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value
