"""Hugging Face datasets: from_generator in worker processes, then to_parquet in this one."""

from __future__ import annotations

import tempfile

from datasets import Dataset, Features, List, Value

from benchmarks.sharding.others.feed import Asked, run, spectra

FEATURES = Features(
    {
        "sample_id": Value("string"),
        "mzs": List(Value("float64")),
        "ints": List(Value("float32")),
        "precursor_mz": Value("float64"),
        "charge": Value("int8"),
        "rt": Value("float32"),
        "source_file": Value("string"),
    }
)


def pipeline(asked: Asked) -> None:
    """One Parquet file."""
    asked.target.mkdir()
    with tempfile.TemporaryDirectory(dir=asked.target.parent) as cache:
        dataset = Dataset.from_generator(
            spectra,
            features=FEATURES,
            cache_dir=cache,
            gen_kwargs={"bounds": asked.bounds()},
            num_proc=asked.workers,
        )
        dataset.to_parquet(asked.target / "shard.parquet")


if __name__ == "__main__":
    run(pipeline)
