"""Which split a spectrum goes to: decided for groups of spectra, never for a single one.

A group is all spectra of one source file, of one lsh, or of one compound (the first 14 letters of
its InChIKey, which leave stereochemistry aside). By several keys at once, groups that share a
spectrum belong together (`linked`).

A group is a 64-bit word, a hash of key and value. A keyed mix of it says where between 0 and 1 it
lies, and so its split: by the word and the seed alone, whatever else is built with it. Spectra
that have none of the keys go to the first split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from remote.errors import InputUnusable
from remote.workloads.shards.blocks import CleanRows, taken
from remote.workloads.shards.counts import empty
from remote.workloads.shards.inputs.source import Source
from remote.workloads.shards.settings import SPLITS, SplitKey, Splits

Words = npt.NDArray[np.uint64]
Known = npt.NDArray[np.bool_]

COLUMNS: Mapping[SplitKey, str] = {
    "source_file": "source_file",
    "lsh": "lsh",
    "inchikey14": "inchikey",
}
_SKELETON = 14


def check_keys(asked: Splits, sources: Sequence[Source]) -> None:
    """Refuse to split by what no input has.

    Raises:
        InputUnusable: names the key, and those that could be used.
    """
    held = {name for source in sources for name in source.columns}
    for key in asked.by:
        if COLUMNS[key] not in held:
            could = ", ".join(one for one in COLUMNS if COLUMNS[one] in held)
            raise InputUnusable(
                f"No input has {COLUMNS[key]}, which --split-by {key} needs: "
                f"{', '.join(str(source.path) for source in sources)}.",
                hint=f"These can be split by: {could}."
                if could
                else "Build one split, with --split.",
            )


@dataclass(frozen=True, slots=True)
class Links:
    """Groups that belong together with an earlier one.

    Attributes:
        words: (n,) uint64, sorted: those groups.
        first: (n,) uint64: what each is taken for.
    """

    words: Words
    first: Words

    @classmethod
    def none(cls) -> Links:
        """Every group stands alone."""
        return cls(np.zeros(0, np.uint64), np.zeros(0, np.uint64))

    def __call__(self, words: Words) -> Words:
        """The same words, with those of linked groups made one."""
        if not len(self.words):
            return words
        places = np.minimum(np.searchsorted(self.words, words), len(self.words) - 1)
        return np.where(self.words[places] == words, self.first[places], words)


@dataclass(frozen=True, slots=True)
class Dealer:
    """Deals the kept spectra of a row group out to splits.

    Attributes:
        splits: their names, in order.
        by: what groups are made of; the first that a spectrum has names its group.
        bounds: (len(splits) - 1,) uint64: where each split but the last ends.
    """

    splits: tuple[str, ...]
    by: tuple[SplitKey, ...]
    bounds: Words
    seed: int
    links: Links

    @classmethod
    def of(cls, asked: Splits, split: str, seed: int, links: Links) -> Dealer:
        """As the settings say; everything goes to `split` where they name no key."""
        if not asked.by:
            return cls((split,), (), np.zeros(0, np.uint64), seed, links)
        used = [(name, share) for name, share in zip(SPLITS, asked.fractions, strict=True) if share]
        ends = np.cumsum([share for _, share in used])[:-1]
        bounds = np.array([int(end * 2**64) for end in ends.tolist()], np.uint64)
        return cls(tuple(name for name, _ in used), asked.by, bounds, seed, links)

    def __call__(self, rows: CleanRows) -> tuple[CleanRows, ...]:
        """A part for each split; the first has the counts of all."""
        if not self.by:
            return (rows,)
        places = self.places(rows.columns, len(rows))
        parts = [_chosen(rows, places == place) for place in range(len(self.splits))]
        return (replace(parts[0], stats=rows.stats), *parts[1:])

    def places(self, columns: Mapping[str, Any], rows: int) -> npt.NDArray[np.intp]:
        """(rows,) the split of each."""
        words, known = group_words(self.by, columns, rows)
        spread = mixed(self.links(words) ^ np.uint64(_key(self.seed)))
        places = np.searchsorted(self.bounds, spread, side="right")
        return np.where(known, places, 0)


def group_words(
    by: Sequence[SplitKey], columns: Mapping[str, Any], rows: int
) -> tuple[Words, Known]:
    """The group of each of `rows` spectra by the first key that it has, and whether it has any."""
    words, known = np.zeros(rows, np.uint64), np.zeros(rows, bool)
    for key in by:
        found, has = key_words(key, columns, rows)
        words = np.where(known, words, found)
        known |= has
    return words, known


def key_words(key: SplitKey, columns: Mapping[str, Any], rows: int) -> tuple[Words, Known]:
    """The group of each spectrum by one key, and whether it has that key.

    Args:
        columns: per-row values by schema column name, each (rows,), NumPy or Arrow.
    """
    values = columns.get(COLUMNS[key])
    if values is None:
        return np.zeros(rows, np.uint64), np.zeros(rows, bool)
    if isinstance(values, pa.Array) and pa.types.is_integer(values.type):
        known = values.is_valid().to_numpy(zero_copy_only=False)
        return _number_words(key, pc.fill_null(values, 0).to_numpy()), known
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        return _number_words(key, values), np.ones(rows, bool)
    return _text_words(key, _text(values))


def _number_words(key: SplitKey, values: npt.NDArray[Any]) -> Words:
    return mixed(values.astype(np.int64).view(np.uint64) ^ np.uint64(_key(key)))


def _text(values: Any) -> pa.Array:
    if isinstance(values, np.ndarray):
        return pa.array(values.tolist(), pa.binary()).cast(pa.string())
    plain = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    return plain.cast(pa.string())


def _text_words(key: SplitKey, values: pa.Array) -> tuple[Words, Known]:
    if key == "inchikey14":
        whole = pc.greater_equal(pc.utf8_length(values), _SKELETON)
        values = pc.if_else(whole, pc.utf8_slice_codeunits(values, 0, _SKELETON), "")
    encoded = pc.fill_null(values, "").dictionary_encode()
    names = encoded.dictionary.to_pylist()
    words = np.array([_word(key, name) for name in names], np.uint64)
    known = np.array([bool(name) for name in names], bool)
    places = encoded.indices.to_numpy()
    return words[places], known[places]


def _word(key: SplitKey, value: str) -> int:
    digest = hashlib.blake2b(value.encode(), digest_size=8, person=key.encode())
    return int.from_bytes(digest.digest(), "little")


def _key(secret: object) -> int:
    """64 bits of a seed or a name."""
    digest = hashlib.blake2b(str(secret).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def mixed(words: Words) -> Words:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a bijection."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _chosen(rows: CleanRows, mask: Known) -> CleanRows:
    """Those of the spectra that `mask` says, without counts."""
    places = np.flatnonzero(mask)
    lengths = np.diff(rows.offsets)
    peaks = np.repeat(mask, lengths)
    return replace(
        rows,
        source_row=rows.source_row[places],
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths[places])]),
        mzs=rows.mzs[peaks],
        ints=rows.ints[peaks],
        columns={name: taken(values, places) for name, values in rows.columns.items()},
        stats=empty(),
        fingerprints=rows.fingerprints[places],
    )
