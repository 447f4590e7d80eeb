"""Commands and configs of the earlier pipelines run as they are, apart from the program's name."""

from __future__ import annotations

import json
import logging
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from remote.workloads.shards import build_shards
from remote.workloads.shards.__main__ import msms as commands
from remote.workloads.shards.cli.chosen import Chosen
from remote.workloads.shards.meter import Progress
from remote.workloads.shards.obsolete import INSTEAD
from remote.workloads.shards.settings import read_settings
from tests.integration.shards.commands import msms
from tests.unit.shards.making import make_input

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
CONFIGS = Path("projects/msms_pipeline/configs")
ROWS = 5_600
FULL_SAFE = """
dataset_name: gems_full_safe
canonical_hdf5:
  - data/raw/GeMS_C.9.hdf5
output_root: data/shards/gems_full_safe
max_shard_size_bytes: 1_000_000_000  # 1GB shards
schema_version: 1
max_spectra: null
preprocessing:
  normalize_intensities: true
  sort_mz: true
  min_peaks: 1
  max_precursor_mz: 2000.0
  filter_nonfinite: true
quality:
  enable_ranking: false
  ranker_model: openai/gpt-4o-mini
logging:
  level: DEBUG
  log_file: logs/msms/gems_full_safe_pipeline.log
random_seed: 42
"""

# What a terminal is given after the program's name, and where the dataset is then.
LOCAL: dict[str, tuple[str, str]] = {
    "basic": (
        """build-shards \\
  --config projects/msms_pipeline/configs/gems_full_safe.yaml \\
  --use-dask""",
        "gems_full_safe",
    ),
    "custom workers and batch": (
        """build-shards \\
  --config projects/msms_pipeline/configs/gems_full_safe.yaml \\
  --use-dask \\
  --num-workers 4 \\
  --batch-size 1000""",
        "gems_full_safe",
    ),
    "local mode": (
        """build-shards \\
  --config projects/msms_pipeline/configs/gems_local.yaml \\
  --mode local""",
        "gems_local",
    ),
    "command line only": (
        """build-shards \\
  --input-hdf5 data/raw/GeMS_C.9.hdf5 \\
  --output-root data/shards/my_dataset \\
  --mode local \\
  --use-dask""",
        "my_dataset",
    ),
}
PRODUCTION: dict[str, tuple[str, str]] = {
    "config": (
        """build-shards \\
  --config projects/msms_pipeline/configs/gems_production_48core.yaml \\
  --mode production \\
  --use-dask \\
  --num-workers 48""",
        "gems_production",
    ),
    "command line only": (
        """build-shards \\
  --input-hdf5 data/raw/GeMS_C.9.hdf5 \\
  --output-root data/shards/production \\
  --mode production \\
  --use-dask \\
  --num-workers 48 \\
  --shard-size 2000000000""",
        "production",
    ),
    "a migrated config": (
        """build-shards \\
  --config your_config.yaml \\
  --mode production \\
  --use-dask \\
  --num-workers 48""",
        "gems_full_safe",
    ),
}
RESUME = LOCAL["basic"][0] + " \\\n  --resume"
VALIDATE = """validate-shards \\
  --output data/shards/gems_full_safe"""


@contextmanager
def own_log() -> Iterator[None]:
    """A log that the command sets up itself, and that is closed after it."""
    root, level = logging.getLogger(), logging.getLogger().level
    others, root.handlers = root.handlers, []
    try:
        yield
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers = others
        root.setLevel(level)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_input(tmp_path_factory.mktemp("raw") / "GeMS_C.9.hdf5", ROWS)


@pytest.fixture
def project(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder laid out as theirs, which is the working directory."""
    (tmp_path / CONFIGS).mkdir(parents=True)
    for path in sorted((ROOT / "configs").glob("gems_*.yaml")):
        shutil.copy(path, tmp_path / CONFIGS)
    (tmp_path / CONFIGS / "gems_full_safe.yaml").write_text(FULL_SAFE)
    (tmp_path / "your_config.yaml").write_text(
        FULL_SAFE.replace("1_000_000_000", "2_000_000_000").replace("DEBUG", "INFO")
    )
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / raw.name).symlink_to(raw)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(command: str, *more: str) -> None:
    with own_log():
        msms(*words(command), *more)


def words(command: str) -> list[str]:
    return shlex.split(command.replace("\\\n", ""))


def whole(name: str) -> Path:
    """A dataset with all spectra, where the guide says."""
    root = Path("data/shards") / name
    assert json.loads((root / "dataset_manifest.json").read_text())["num_samples"] == ROWS
    assert len(list(root.glob("train/shard_*_*.parquet"))) == 1
    assert len(list(root.glob("train/shard_*_*.manifest.json"))) == 1
    assert (root / "quality_report.json").is_file()
    assert len(list(root.glob("checkpoints/checkpoint_*.json"))) == 1
    return root


@pytest.mark.parametrize("example", LOCAL)
def test_local_examples(example: str, project: Path) -> None:
    command, name = LOCAL[example]
    typed(command)
    whole(name)
    assert list(Path("logs/msms").glob("*.log")) or "config" not in command


@pytest.mark.parametrize("example", PRODUCTION)
def test_production_examples_are_understood(example: str, project: Path) -> None:
    verb, *rest = words(PRODUCTION[example][0])
    request = Chosen.of(commands.commands[verb], tuple(rest)).request
    execution = request.execution
    assert (request.mode, execution.processes, execution.workers) == ("production", True, 48)
    assert (request.limit, request.inputs) == (2_000_000_000, (Path("data/raw/GeMS_C.9.hdf5"),))
    assert execution.dask is not None


@pytest.mark.parametrize("example", PRODUCTION)
def test_production_examples(example: str, project: Path) -> None:
    command, name = PRODUCTION[example]
    typed(command)
    whole(name)


def test_a_build_that_was_interrupted_goes_on(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(now: Progress) -> None:
        if now.done >= 5_000:
            raise KeyboardInterrupt

    settings = read_settings(CONFIGS / "gems_full_safe.yaml")
    with pytest.raises(KeyboardInterrupt):
        build_shards(settings, use_dask=True, watch=stop)
    typed(RESUME)
    assert "5,000 source rows are done" in capsys.readouterr().err
    root = whole("gems_full_safe")
    typed(VALIDATE)
    assert f"{ROWS:,} spectra in 1 shards: all as recorded" in capsys.readouterr().out
    typed(f"quality-report --shards-dir {root}")
    assert capsys.readouterr().out.startswith("overall ")


@pytest.mark.parametrize("name", ["gems_local", "gems_full_safe", "gems_production_48core"])
def test_shipped_configs_run_as_they_are(name: str, project: Path) -> None:
    shutil.copy(ROOT / "configs" / f"{name}.yaml", CONFIGS)
    typed(f"build-shards --config projects/msms_pipeline/configs/{name}.yaml --max-spectra 1000")
    root = Path("data/shards") / name.removesuffix("_48core")
    assert json.loads((root / "dataset_manifest.json").read_text())["num_samples"] == 1_000


def test_a_sample_takes_the_place_of_their_data(project: Path) -> None:
    typed("sample-data sample.hdf5 --spectra 300")
    typed("build-shards --input-hdf5 sample.hdf5 --output-root out --max-spectra 100")
    assert len(list(Path("out").glob("train/*.parquet"))) == 1


OLD_FLAGS = {
    "use_rust": ("--use-rust",),
    "use_rust_batch": ("--no-use-rust-batch",),
    "parallel_writers": ("--parallel-writers", "2"),
    "processes": ("--processes",),
    "memory_limit": ("--memory-limit", "3GB"),
}
Captured = pytest.CaptureFixture[str]


def test_flags_without_a_meaning_are_told_and_change_nothing(
    project: Path, capsys: Captured
) -> None:
    plain = ("build-shards", "--input", "data/raw/GeMS_C.9.hdf5", "--run-id", "one")
    msms(*plain, "--output-root", "plain")
    assert "no meaning" not in capsys.readouterr().err
    old = [word for words in OLD_FLAGS.values() for word in words]
    msms(*plain, "--output-root", "old", *old)
    err = capsys.readouterr().err
    for name in OLD_FLAGS:
        assert f"--{name.replace('_', '-')} has no meaning here and is ignored: " in err
    assert err.count("has no meaning here") == len(OLD_FLAGS)
    assert shards("plain") == shards("old")


def test_keys_without_a_meaning_are_told(project: Path, capsys: Captured) -> None:
    old = "".join(f"{name}: 2\n" for name in INSTEAD)
    Path("old.yaml").write_text(f"{FULL_SAFE}{old}".replace("ing:\n", "ing:\n  use_rust: true\n"))
    typed("build-shards --config old.yaml --run-id one")
    err = capsys.readouterr().err
    for path in (*INSTEAD, "preprocessing/use_rust", "logging/use_rust"):
        assert f"old.yaml: {path} has no meaning here and is ignored: " in err
    typed(
        "build-shards --config projects/msms_pipeline/configs/gems_full_safe.yaml --run-id one "
        "--output-root plain"
    )
    assert shards("plain") == shards("data/shards/gems_full_safe")


def shards(root: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(root).glob("train/*.parquet")}
