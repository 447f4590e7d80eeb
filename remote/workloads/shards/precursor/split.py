"""Which spectra a model is trained on, and which are held out.

A dataset that has splits of its own is taken as it was dealt out. Otherwise groups are held out,
of the first of some keys (source files, say), never single spectra. Of both, those held-out
spectra are left out whose value of any of the keys is trained on as well: a group of no key is on
both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from remote.errors import InputUnusable
from remote.workloads.shards.settings import SplitKey
from remote.workloads.shards.splits import Known, Words, mixed

TRAIN, HELD_OUT, LEFT_OUT = 0, 1, 2
Sides = npt.NDArray[np.int8]
Keys = Mapping[SplitKey, tuple[Words, Known]]


@dataclass(frozen=True, slots=True)
class Split:
    """Where each spectrum is.

    Attributes:
        sides: (n,) TRAIN, HELD_OUT or LEFT_OUT.
        groups: (n,) the group of each, by the first key.
        how: what was done, in words.
    """

    sides: Sides
    groups: Words
    how: str

    def record(self) -> dict[str, Any]:
        """Spectra and groups of each side, as JSON values."""
        names = {"trained_on": TRAIN, "held_out": HELD_OUT, "left_out": LEFT_OUT}
        spectra = {name: int((self.sides == side).sum()) for name, side in names.items()}
        groups = {
            name: len(np.unique(self.groups[self.sides == names[name]]))
            for name in ("trained_on", "held_out")
        }
        return {"how": self.how, "spectra": spectra, "groups": groups}


def split_by_groups(keys: Keys, rows: int, fraction: float, seed: int) -> Split:
    """Hold out groups of the first key, together as near to a fraction of the spectra as can be.

    The seed puts the groups in order; each is held out if that brings the number nearer to what
    is wanted. Spectra without the key are groups of their own.

    Raises:
        InputUnusable: all would be on one side.
    """
    groups = _groups(keys, rows)
    words, places, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    chosen = np.zeros(len(words), bool)
    wanted, count = fraction * rows, 0
    for group in np.argsort(mixed(words ^ np.uint64(seed)), kind="stable"):
        if abs(count + sizes[group] - wanted) < abs(count - wanted):
            chosen[group] = True
            count += int(sizes[group])
    sides = np.where(chosen[places], HELD_OUT, TRAIN).astype(np.int8)
    named = next(iter(keys), "single spectra")
    return _checked(Split(_apart(sides, keys), groups, f"groups of {named}"), keys)


def split_as_dealt(trained_on: int, held_out: int, keys: Keys, name: str) -> Split:
    """The dataset's own: its split `name` is held out, whose spectra come last.

    Raises:
        InputUnusable: all would be on one side.
    """
    sides = np.repeat(np.array([TRAIN, HELD_OUT], np.int8), [trained_on, held_out])
    groups = _groups(keys, len(sides))
    return _checked(Split(_apart(sides, keys), groups, f"the dataset's own split {name}"), keys)


def _groups(keys: Keys, rows: int) -> Words:
    own = np.arange(rows, dtype=np.uint64)
    for words, known in keys.values():
        return np.where(known, words, mixed(own))
    return own


def _apart(sides: Sides, keys: Keys) -> Sides:
    """The same without held-out spectra that share a value of a key with those trained on."""
    apart = sides.copy()
    for words, known in keys.values():
        trained = np.unique(words[known & (sides == TRAIN)])
        shared = known & (sides == HELD_OUT) & np.isin(words, trained)
        apart[shared] = LEFT_OUT
    return apart


def _checked(split: Split, keys: Keys) -> Split:
    if not all((split.sides == side).any() for side in (TRAIN, HELD_OUT)):
        found = len(np.unique(split.groups))
        raise InputUnusable(
            f"Nothing can be held out without a group of {', '.join(keys)} on both sides; "
            f"there {'is' if found == 1 else 'are'} {found:,} of {next(iter(keys), 'spectra')}.",
            hint="Group by something else, as -p group_by '[lsh]'; '[]' takes single spectra.",
        )
    return split
