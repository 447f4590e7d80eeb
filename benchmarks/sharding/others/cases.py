"""The other pipelines, each in a process of its own, in an environment apart from the project's."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from uv import find_uv_bin

from benchmarks.sharding.timing import Measured

ROOT = Path(__file__).parents[3]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "LITDATA_DISABLE_VERSION_CHECK": "1",
}


@dataclass(frozen=True)
class Other:
    """A pipeline to compare with: its module here, and what its time includes."""

    name: str
    module: str
    workers: int
    cleans: str
    packs: str
    hashes: str
    durable: str


PLAIN = Other(
    "plain h5py, NumPy, pyarrow", "plain", 1, "per spectrum", "zstd 1", "output, read again", "no"
)
OTHERS = (
    PLAIN,
    Other("mosaicml-streaming 0.13.0, MDSWriter", "mds", 1, "no", "zstd 1", "output", "no"),
    Other("datasets 5.0.1, to_parquet", "hugging", 2, "no", "snappy", "no", "no"),
    Other("litdata 0.2.76, optimize", "lit", 2, "no", "zstd", "no", "no"),
)


def other(pipeline: Other, source: Path, rows: int, scratch: Path, cache: Path) -> Measured:
    """Run a pipeline; imports and the start of its process are not part of its time."""
    with tempfile.TemporaryDirectory(prefix=f"{pipeline.module}-", dir=scratch) as folder:
        asked = [str(source), str(rows), f"{folder}/out", str(pipeline.workers)]
        module = f"benchmarks.sharding.others.{pipeline.module}"
        done = subprocess.run(
            [environment(cache), "-m", module, *asked],
            cwd=ROOT,
            env={**os.environ, **_SETTINGS, "HF_HOME": f"{folder}/hf"},
            check=False,  # its own words are shown below
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(f"{pipeline.name} failed:\n{done.stderr[-4_000:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


@cache
def environment(folder: Path, requirements: Path = REQUIREMENTS) -> Path:
    """The Python that has the other libraries; made at the first call, and kept."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(requirements.read_bytes() + version.encode()).hexdigest()[:12]
    made = folder / f"others-{digest}"
    if not made.exists():
        print(f"installing {requirements.name} into {made}", file=sys.stderr)
        unfinished = made.with_suffix(".partial")
        _uv("venv", "--clear", "--python", sys.executable, str(unfinished))
        python = unfinished / "bin" / "python"
        _uv("pip", "install", "--python", str(python), "--requirement", str(requirements))
        unfinished.rename(made)
    return made / "bin" / "python"


def _uv(*arguments: str) -> None:
    # Where pip is told of wheels, such as a torch without CUDA, uv hears of them, too.
    links = os.environ.get("PIP_FIND_LINKS", "").replace(" ", ",")
    told: Mapping[str, str] = {"UV_FIND_LINKS": links} if links else {}
    command = [find_uv_bin(), *arguments, "--quiet"]
    subprocess.run(command, check=True, env={**told, **os.environ})
