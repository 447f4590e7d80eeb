"""What is said to the model: a short text of each spectrum, and what is wanted.

Nothing but numbers of the spectra: no names of files, samples, instruments or structures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from remote.workloads.shards.blocks import CleanRows

# Raised with every change of the texts below.
PROMPT_VERSION = 1

INSTRUCTIONS = """\
You judge tandem mass spectra (MS/MS) of small molecules for use as training data.
Each spectrum is one line: its number, precursor m/z, charge, number of peaks, and its most \
intense peaks as m/z:intensity in percent of the base peak, most intense first.
Give each spectrum a quality score between 0 and 1. Near 1: many distinct fragments over a wide \
range below the precursor, plausible mass differences, signal well above noise. Near 0: hardly \
any peaks, only the unfragmented precursor, or many peaks of equal low intensity without \
structure.
Answer with JSON alone, one number for each spectrum by its number, as in \
{"scores": {"1": 0.82, "2": 0.1}}"""

# Reckoned: tokens of digits are one to three of them, and a space is one of its own.
_CHARACTERS_PER_TOKEN = 1.7
_TOKENS_AROUND = 300
_ANSWER_TOKENS, _ANSWER_TOKENS_AROUND = 9, 12


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A spectrum that is to be scored: where it comes from, which is not sent, and its text."""

    input_index: int
    row: int
    text: str


def prompt_sha256() -> str:
    """Digest (hex) of the instructions, for the records."""
    return hashlib.sha256(INSTRUCTIONS.encode()).hexdigest()


def spectra_of(rows: CleanRows, wanted: npt.NDArray[np.bool_], peaks: int) -> tuple[Spectrum, ...]:
    """The wanted ones of some clean rows; `wanted` is (k,) bool."""
    return tuple(
        Spectrum(rows.input_index, int(rows.source_row[at]), describe(rows, int(at), peaks))
        for at in np.flatnonzero(wanted)
    )


def describe(rows: CleanRows, at: int, peaks: int) -> str:
    """One spectrum in words: its `peaks` most intense peaks, ties in order of m/z."""
    start, stop = rows.offsets[at], rows.offsets[at + 1]
    mz, intensity = rows.mzs[start:stop], rows.ints[start:stop].astype(np.float64)
    strongest = np.lexsort((mz, -intensity))[:peaks]
    relative = 100.0 * intensity / intensity.max()
    listed = " ".join(f"{mz[peak]:.4f}:{relative[peak]:.1f}" for peak in strongest)
    charge = _charge(rows, at)
    precursor = rows.columns["precursor_mz"][at]
    return f"precursor {precursor:.4f}, charge {charge}, {stop - start} peaks: {listed}"


def _charge(rows: CleanRows, at: int) -> str:
    charges = rows.columns.get("charge")
    charge = 0 if charges is None else int(charges[at])
    return f"{charge:+d}" if charge else "unknown"


def messages(batch: Sequence[Spectrum]) -> list[dict[str, str]]:
    """The chat that asks for scores of a batch; spectra are numbered from 1."""
    lines = [f"{number}. {spectrum.text}" for number, spectrum in enumerate(batch, start=1)]
    return [
        {"role": "system", "content": INSTRUCTIONS},
        {"role": "user", "content": "\n".join(lines)},
    ]


def tokens_in(batch: Sequence[Spectrum]) -> int:
    """About how many tokens it takes to ask for a batch."""
    return _TOKENS_AROUND + int(sum(len(s.text) + 5 for s in batch) / _CHARACTERS_PER_TOKEN)


def tokens_out(batch: Sequence[Spectrum]) -> int:
    """About how many tokens an answer has."""
    return _ANSWER_TOKENS_AROUND + _ANSWER_TOKENS * len(batch)
