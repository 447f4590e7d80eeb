"""For every parameter of every verb a value, or a company, that it must refuse.

In the words `{tmp}` is an empty folder, `{input}` an HDF5 file, `{dataset}` a finished dataset and
`{file}` a file that is neither. Whoever adds an option adds a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Bad:
    """Words after the verb, what the error must say, and the exit code."""

    words: str
    says: str
    code: int = 2


BUILD = "--input {input} --output-root {tmp}/out"
# Words that make the verb work, for the parameter under test to spoil.
AROUND: Mapping[str, str] = {
    "build-shards": BUILD,
    "validate-shards": "{dataset}",
    "ready": "{dataset}",
    "quality-report": "{dataset}",
    "sample-data": "{tmp}/sample.hdf5",
    "test-determinism": "--input {input}",
    "reshard": "{dataset} --output-root {tmp}/out --shard-size 100000",
    "doctor": "--output-root {tmp}",
}

# Flags that go with every other one, and those of earlier pipelines that are only told.
HARMLESS: Mapping[str, frozenset[str]] = {
    "build-shards": frozenset(
        {"no_normalize", "no_sort", "no_filter_nonfinite", "use_dask", "skip_damaged"}
        | {"skip_preflight", "dry_run", "as_json", "use_rust", "use_rust_batch"}
        | {"parallel_writers", "processes", "memory_limit"}
    ),
    "validate-shards": frozenset({"full", "as_json"}),
    "ready": frozenset({"strict", "as_json"}),
    "quality-report": frozenset({"as_json"}),
    "sample-data": frozenset(),
    "test-determinism": frozenset({"as_json"}),
    "reshard": frozenset({"dry_run", "as_json"}),
    "doctor": frozenset({"as_json"}),
}

_NO_DATASET = (Bad("{tmp}", "no dataset", 13), Bad("{tmp}/nowhere", "no", 13))

_BUILD: Mapping[str, tuple[Bad, ...]] = {
    "config": (
        Bad("--config {tmp}/nowhere.yaml", "cannot be read", 12),
        Bad("--config {tmp}", "cannot be read: Is a directory", 12),
        Bad("--config {input}", "not UTF-8", 12),
        Bad("--config ''", "the word is empty"),
    ),
    "inputs": (
        Bad("--input {tmp}/nowhere.hdf5", "does not exist", 9),
        Bad("--input {tmp}", "is not a file", 9),
        Bad("--input {file}", "none of HDF5, MGF and mzML", 9),
        Bad("--input {input}", "Two inputs have the name", 9),
        Bad("--input ''", "the word is empty"),
        Bad("--input", "requires an argument"),
    ),
    "ms_level": (Bad("--ms-level 1", "not in the range"), Bad("--ms-level two", "not a valid")),
    "carry": (
        Bad("--carry nothing", "'nothing', which is to be carried", 9),
        Bad("--carry charge", "cannot be carried"),
        Bad("--carry ''", "the word is empty"),
    ),
    "output_root": (
        Bad("--output-root {file}", "cannot be written: File exists", 13),
        Bad("--output-root {file}/out", "cannot be written: Not a directory", 13),
        Bad("--output-root {dataset}", "holds a dataset already"),
        Bad("--output-root ''", "the word is empty"),
    ),
    "dataset_name": (
        Bad("--dataset-name ''", "the word is empty"),
        Bad("--dataset-name $'a\\nb'", "not printable"),
        Bad(f"--dataset-name {'a' * 300}", "too long"),
    ),
    "split": (
        Bad("--split all", "is not one of"),
        Bad("--split train --split-by lsh", "--split and --split-by exclude each other"),
    ),
    "split_by": (
        Bad("--split-by nothing", "cannot be split by 'nothing'"),
        Bad("--split-by lhs", 'did you mean "lsh"'),
        Bad("--split-by lsh,lsh", "given twice"),
        Bad("--split-by lsh --split-by lsh", "given twice"),
        Bad("--split-by ''", "the word is empty"),
        Bad("--split-by inchikey14", "inchikey", 9),
    ),
    "split_fractions": (
        Bad("--split-fractions 0.9,0.1,0.0", "nothing is split"),
        *(
            Bad(f"--split-by source_file --split-fractions {text}", says)
            for text, says in (
                ("0.9,0.1", "three numbers"),
                ("0.5,0.3,0.1", "add up to 1"),
                ("1.5,-0.25,-0.25", "from 0 to 1"),
                ("nan,0.5,0.5", "three numbers"),
                ("inf,0,0", "three numbers"),
                ("a,b,c", "no list of numbers"),
                ("''", "the word is empty"),
            )
        ),
    ),
    "max_spectra": (Bad("--max-spectra 0", "range"), Bad("--max-spectra 1e3", "not a valid")),
    "sample": (
        Bad("--sample all", "is not one of"),
        Bad("--sample random", "A random sample needs its size"),
    ),
    "shard_size": (Bad("--shard-size 65535", "range"), Bad("--shard-size 1GB", "not a valid")),
    "mz_precision": (Bad("--mz-precision float16", "is not one of"),),
    "run_id": (
        Bad("--run-id ../x", "cannot be part of a file name"),
        Bad("--run-id ''", "the word is empty"),
        Bad(f"--run-id {'a' * 101}", "cannot be part of a file name"),
    ),
    "seed": (Bad("--seed -1", "range"), Bad("--seed 0x1f", "not a valid")),
    "sample_spectra": (
        Bad("--sample-spectra 0", "range"),
        Bad("--sample-spectra 100", "--input and --sample-spectra exclude each other"),
    ),
    "min_peaks": (
        Bad("--min-peaks 0", "range"),
        Bad("--min-peaks 10001", "range"),
    ),
    "max_peaks": (
        Bad("--max-peaks 0", "range"),
        Bad("--max-peaks 2 --min-peaks 3", "max_peaks is 2 and min_peaks 3"),
    ),
    "max_precursor_mz": (
        Bad("--max-precursor-mz 0.5", "range"),
        Bad("--max-precursor-mz nan", "not a finite number"),
        Bad("--max-precursor-mz inf", "not a finite number"),
    ),
    "enable_quality_ranking": (
        Bad("--enable-quality-ranking --disable-quality-ranking", "which?"),
        Bad("--enable-quality-ranking", "ranker_model", 12),
    ),
    "disable_quality_ranking": (
        Bad("--disable-quality-ranking --enable-quality-ranking", "which?"),
    ),
    "ranker_model": (
        Bad("--ranker-model ''", "the word is empty"),
        Bad("--enable-quality-ranking --ranker-model a/b", "quality/ranker/network", 12),
        Bad("--ranker-model sk-aaaaaaaaaaaaaaaaaaaaaaaa", "looks like a key", 12),
    ),
    "mode": (Bad("--mode fast", "is not one of"),),
    "num_workers": (Bad("--num-workers 0", "range"), Bad("--num-workers all", "not a valid")),
    "scheduler": (
        Bad("--scheduler 10.0.0.1:8786", "tcp://HOST:PORT"),
        Bad("--scheduler tcp://h:99999", "tcp://HOST:PORT"),
        Bad("--scheduler ''", "the word is empty"),
    ),
    **{
        name: (
            Bad(f"--{name.replace('_', '-')} {{file}}", "no scheduler that uses TLS"),
            Bad(
                f"--scheduler tls://127.0.0.1:1 --{name.replace('_', '-')} {{tmp}}/k.pem",
                "There is no file",
            ),
        )
        for name in ("tls_ca_file", "tls_cert", "tls_key")
    },
    "batch_size": (Bad("--batch-size 0", "range"), Bad("--batch-size 1.5", "not a valid")),
    "resume": (
        Bad("--resume --no-checkpoint", "exclude each other"),
        Bad("--resume --output-root {dataset} --min-peaks 2", "was made from something else", 20),
    ),
    "no_checkpoint": (Bad("--no-checkpoint --checkpoint-interval 5", "exclude each other"),),
    "checkpoint_interval": (Bad("--checkpoint-interval 0", "range"),),
    "min_memory_gb": (
        Bad("--min-memory-gb -1", "range"),
        Bad("--min-memory-gb nan", "not a finite number"),
        Bad("--min-memory-gb 1e8", "of memory are available", 17),
    ),
    "max_memory_gb": (
        Bad("--max-memory-gb 0", "range"),
        Bad("--max-memory-gb inf", "range"),
        Bad("--max-memory-gb nan", "not a finite number"),
        Bad("--max-memory-gb 0.001", "memory", 17),
    ),
    "min_disk_gb": (
        Bad("--min-disk-gb -0.1", "range"),
        Bad("--min-disk-gb nan", "not a finite number"),
        Bad("--min-disk-gb 1e8", "of disk are free", 16),
    ),
    "log_level": (Bad("--log-level LOUD", "is not one of"),),
    "log_file": (
        Bad("--log-file {tmp}", "cannot be written: Is a directory", 13),
        Bad("--log-file {file}/x.log", "cannot be written: ", 13),
        Bad("--log-file ''", "the word is empty"),
    ),
    "interactive": (Bad("--interactive", "stdin is no terminal"),),
}

TABLE: Mapping[str, Mapping[str, tuple[Bad, ...]]] = {
    "build-shards": _BUILD,
    "validate-shards": {
        "dataset": (Bad("", "Name one dataset"), *_NO_DATASET),
        "output": (
            Bad("--output {dataset} {dataset}", "Name one dataset"),
            Bad("--output ''", "the word is empty"),
        ),
        "num_workers": (Bad("{dataset} --num-workers 0", "range"),),
    },
    "ready": {
        "dataset": (
            Bad("", "Missing argument"),
            Bad("{tmp}", "cannot be read", 13),
            Bad("{tmp}/nowhere", "cannot be read", 13),
        ),
        "sample": (Bad("{dataset} --sample 0", "range"),),
        "seed": (Bad("{dataset} --seed -1", "range"), Bad("{dataset} --seed x", "not a valid")),
    },
    "quality-report": {
        "dataset": (
            Bad("", "Name one dataset"),
            Bad("{tmp}", "no quality report", 13),
            Bad("{tmp}/nowhere", "There is no", 13),
            Bad("{file}", "cannot be read", 13),
        ),
        "shards_dir": (
            Bad("--shards-dir {dataset} {dataset}", "Name one dataset"),
            Bad("--shards-dir ''", "the word is empty"),
        ),
        "against": (
            Bad("{dataset} --against {tmp}", "no quality report", 13),
            Bad("{dataset} --against {file}", "cannot be read", 13),
        ),
        "html": (
            Bad("{dataset} --html {file}", "exists already"),
            Bad("{dataset} --html {file}/x.html", "cannot be written", 13),
            Bad("{dataset} --html {tmp}/no/x.html", "cannot be written", 13),
        ),
    },
    "sample-data": {
        "path": (
            Bad("", "Missing argument"),
            Bad("''", "the word is empty"),
            Bad("{file}", "exists already"),
            Bad("{file}/x.hdf5", "b.txt cannot be written: File exists", 13),
            Bad("{file}/y/x.hdf5", "y cannot be written: Not a directory", 13),
        ),
        "spectra": (
            Bad("{tmp}/x.hdf5 --spectra 0", "range"),
            Bad("{tmp}/x.hdf5 --spectra 1000000000", "range"),
        ),
        "seed": (Bad("{tmp}/x.hdf5 --seed -1", "range"),),
        "layout": (Bad("{tmp}/x.hdf5 --layout tall", "is not one of"),),
    },
    "test-determinism": {
        "config": (Bad("--config {tmp}/nowhere.yaml", "cannot be read", 12),),
        "inputs": (
            Bad("--input {tmp}/nowhere.hdf5", "does not exist", 9),
            Bad("--input {file}", "none of HDF5, MGF and mzML", 9),
        ),
        "max_spectra": (Bad("--max-spectra 0", "range"),),
        "num_workers": (Bad("--num-workers 1", "range"),),
    },
    "reshard": {
        "dataset": (
            Bad("", "Missing argument"),
            Bad("{tmp} --output-root {tmp}/out --shard-size 100000", "no dataset", 13),
        ),
        "output_root": (
            Bad("{dataset} --shard-size 100000", "Missing option"),
            Bad("{dataset} --shard-size 100000 --output-root {dataset}", "dataset"),
            Bad("{dataset} --shard-size 100000 --output-root {file}", "cannot be written", 13),
        ),
        "shard_size": (
            Bad("{dataset} --output-root {tmp}/out", "Missing option"),
            Bad("{dataset} --output-root {tmp}/out --shard-size 1", "range"),
        ),
        "run_id": (
            Bad("{dataset} --output-root {tmp}/out --shard-size 100000 --run-id a/b", "file name"),
        ),
        "resume": (
            Bad(
                "{dataset} --output-root {other} --shard-size 100000 --resume", "no resharding", 20
            ),
        ),
    },
    "doctor": {
        "output_root": (
            Bad("--output-root {file}", "output", 13),
            Bad("--output-root ''", "the word is empty"),
        ),
        "inputs": (
            Bad("--output-root {tmp} --input {tmp}/nowhere.mgf", "does not exist", 9),
            Bad("--output-root {tmp} --input {file}", "none of HDF5, MGF and mzML", 9),
        ),
    },
}
