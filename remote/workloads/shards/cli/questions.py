"""The questions of the guided menu, in order: each is asked where its answer is still open.

A flag can only be given, not taken away. Where the config says something that no flag can undo,
the question is left out, and where it sets a number, another number is asked for.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from remote.errors import UsageError
from remote.workloads.hostfacts import cores
from remote.workloads.shards.cli.chosen import Chosen
from remote.workloads.shards.cli.question import Ask, Question
from remote.workloads.shards.inputs.kinds import kind_of
from remote.workloads.shards.output.workspace import refuse_newer_dataset, refuse_occupied
from remote.workloads.shards.settings import MODES, SplitKey


def inputs(chosen: Chosen) -> Question | None:
    """Which files."""
    if "inputs" in chosen.given:
        return None
    known = shlex.join(chosen.config.canonical_hdf5)
    return Question(
        "Input files",
        "HDF5, MGF or mzML; several with blanks between them, patterns such as runs/*.mzML too.",
        known or "a generated sample",
        partial(_input_words, known),
        implied=not known,
    )


def _input_words(known: str, answer: str) -> Sequence[str]:
    files = [path for word in _split(answer) for path in _matching(word)]
    for path in files:
        kind_of(path)
    if answer == known:
        return []
    return ["--input", *(str(path) if str(path)[0] != "-" else f"./{path}" for path in files)]


def _split(answer: str) -> Sequence[str]:
    try:
        return shlex.split(answer)
    except ValueError as error:
        raise UsageError(
            f"This cannot be read: {error}.", hint="Quote names with blanks: 'my run.mzML'."
        ) from error


def _matching(word: str) -> Iterator[Path]:
    path = Path(word).expanduser()
    if path.exists() or not any(mark in word for mark in "*?["):
        yield path
        return
    base = Path(path.anchor)
    found = sorted(base.glob(str(path.relative_to(base))))
    if not found:
        raise UsageError(f"No file matches {word}.", hint="Check the pattern.")
    yield from found


def sample_size(chosen: Chosen) -> Question | None:
    """How large a generated sample is."""
    if chosen.request.inputs or "sample_spectra" in chosen.given:
        return None
    return Question(
        "Spectra in the sample",
        "Spectra are generated for this build, and not kept.",
        str(chosen.flags["sample_spectra"]),
        lambda answer: ["--sample-spectra", answer],
    )


def output(chosen: Chosen) -> Question | None:
    """Where to."""
    if "output_root" in chosen.given:
        return None
    known, files = chosen.config.output_root, chosen.request.inputs
    return Question(
        "Output directory",
        "Where the shards go; it must not hold a dataset.",
        known or f"data/shards/{files[0].stem if files else 'sample'}",
        partial(_output_words, chosen.request.resume),
        implied=False,
    )


def _output_words(resume: bool, answer: str) -> Sequence[str]:
    root = Path(answer).expanduser()
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file.", hint="Name a directory.")
    refuse_newer_dataset(root)
    if not resume:
        refuse_occupied(root)
    return ["--output-root", str(root)]


def spectra(chosen: Chosen) -> Question | None:
    """How many."""
    if "max_spectra" in chosen.given or not chosen.request.inputs:
        return None
    known = chosen.config.max_spectra
    return Question(
        "How many spectra",
        "The config sets a number, which can be another one here."
        if known
        else "A number of source rows, or all: a few thousand are enough for a first look.",
        str(known or "all"),
        lambda answer: ["--max-spectra", answer],
    )


def which(chosen: Chosen) -> Question | None:
    """The first ones, or drawn ones."""
    if "sample" in chosen.given or not chosen.settings.max_spectra or not chosen.request.inputs:
        return None
    return Question(
        "Which ones (prefix, random)",
        "prefix: the first ones of the files; random: row groups that the seed draws.",
        chosen.config.sample,
        lambda answer: ["--sample", answer],
    )


def mode(chosen: Chosen) -> Question | None:
    """Threads or processes."""
    if "mode" in chosen.given:
        return None
    return Question(
        "Mode (local, production)",
        "local: threads, shards of 1 GB; production: processes, shards of 2 GB, for many cores.",
        "local",
        lambda answer: ["--mode", answer],
    )


def workers(chosen: Chosen) -> Question | None:
    """How many at one time."""
    if "num_workers" in chosen.given or chosen.flags["scheduler"]:
        return None
    return Question(
        "Workers",
        "How many work at one time; the shards do not depend on it. Fewer take less memory.",
        str(min(cores(), MODES[chosen.request.mode].max_workers)),
        lambda answer: ["--num-workers", answer],
    )


def split_by(chosen: Chosen) -> Question | None:
    """Dealt out to three splits, or not."""
    if chosen.given & {"split", "split_by"} or chosen.config.splits.by:
        return None
    return Question(
        f"Split by ({', '.join(get_args(SplitKey))}, or no)",
        "Deals spectra out to train, val and test; those of a group stay together. Several keys "
        "are joined by commas.",
        "no",
        lambda answer: ["--split-by", answer],
    )


def split(chosen: Chosen) -> Question | None:
    """Which one split."""
    if "split" in chosen.given or chosen.settings.splits.by:
        return None
    return Question(
        "Split (train, val, test)",
        "Nothing is split: all spectra go into the folder of this name.",
        "train",
        lambda answer: ["--split", answer],
    )


def fractions(chosen: Chosen) -> Question | None:
    """How large the splits are."""
    if "split_fractions" in chosen.given or not chosen.settings.splits.by:
        return None
    return Question(
        "Fractions",
        "The shares of train, val and test; they add up to 1.",
        ",".join(f"{share:g}" for share in chosen.config.splits.fractions),
        lambda answer: ["--split-fractions", answer],
    )


def ranking(chosen: Chosen) -> Question | None:
    """A language model's scores, or none."""
    if chosen.given & {"enable_quality_ranking", "disable_quality_ranking"}:
        return None
    known = chosen.config.quality
    return Question(
        "Quality ranking (the name of a model, or no)",
        "A language model can score spectra: it costs money and sends numbers of them away "
        "(docs/ranking.md).",
        str(known.ranker_model) if known.enable_ranking else "no",
        _ranking_words,
    )


def _ranking_words(answer: str) -> Sequence[str]:
    if answer == "no":
        return ["--disable-quality-ranking"]
    return ["--enable-quality-ranking", "--ranker-model", answer]


QUESTIONS: tuple[Ask, ...] = (
    inputs,
    sample_size,
    output,
    spectra,
    which,
    mode,
    workers,
    split_by,
    split,
    fractions,
    ranking,
)
