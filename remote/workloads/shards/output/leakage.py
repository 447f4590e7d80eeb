"""What the splits of a finished build have in common: read back from the shards, not assumed.

No group that the spectra were split by may be in two splits. What other keys have in common is
told as well: spectra of one lsh look alike, those of one InChIKey are of one compound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from remote.errors import InternalError
from remote.workloads.shards.quality.checks import Check
from remote.workloads.shards.repeats import Shared, count_shared
from remote.workloads.shards.settings import SPLITS, SplitKey, Splits
from remote.workloads.shards.splits import COLUMNS, Words, group_words, key_words

_ROWS = 1 << 16
_OFF = 0.02
_OTHERS = 0.01


@dataclass(frozen=True, slots=True)
class SplitsFound:
    """How a build was split.

    Attributes:
        asked: by which keys, into which shares.
        spectra: written, by split.
        without_group: spectra that have none of the keys; they are in the first split.
        keys: what the splits have in common by each key that the shards have.
    """

    asked: Splits
    seed: int
    spectra: Mapping[str, int]
    without_group: int
    keys: Mapping[SplitKey, Shared]

    def record(self) -> dict[str, Any]:
        """As it stands in the report."""
        total = max(1, sum(self.spectra.values()))
        return {
            "by": list(self.asked.by),
            "seed": self.seed,
            "fractions": dict(zip(SPLITS, self.asked.fractions, strict=True)),
            "spectra": dict(self.spectra),
            "shares": {name: count / total for name, count in self.spectra.items()},
            "without_group": self.without_group,
            "keys": {key: self._of_key(shared) for key, shared in self.keys.items()},
        }

    def _of_key(self, shared: Shared) -> dict[str, Any]:
        in_several = dict(zip(self.spectra, shared.values, strict=False))
        return {**asdict(shared), "values": in_several}

    def checks(self) -> list[Check]:
        """What is to be said of it."""
        return [self._overlap(), self._shares(), *self._others()]

    def _overlap(self) -> Check:
        named = ", ".join(self.asked.by)
        groups = ", ".join(f"{self.keys[key].groups:,} of {key}" for key in self.asked.by)
        return Check(
            "split_overlap",
            "PASS",
            f"no {named} is in two splits ({groups}; "
            f"{self.without_group:,} spectra have none and are in {next(iter(self.spectra))})",
        )

    def _shares(self) -> Check:
        record = self.record()
        off = [
            f"{name} {record['shares'][name]:.1%} for {record['fractions'][name]:.1%}"
            for name in self.spectra
            if abs(record["shares"][name] - record["fractions"][name]) > _OFF
            or not self.spectra[name]
        ]
        found = ", ".join(f"{name} {count:,}" for name, count in self.spectra.items())
        largest = max(self.keys[key].largest for key in self.asked.by)
        return Check(
            "split_shares",
            "WARN" if off else "PASS",
            f"{'; '.join(off) or 'as asked'} ({found} spectra; the largest group has {largest:,})",
            "Groups are never divided: with few or large ones the shares come out otherwise. "
            "Another random_seed or another key of --split-by gives others."
            if off
            else "",
        )

    def _others(self) -> Iterator[Check]:
        held_out = sum(list(self.spectra.values())[1:])
        for key, shared in self.keys.items():
            if key in self.asked.by or not held_out:
                continue
            count = sum(shared.values[1 : len(self.spectra)])
            many = count > _OTHERS * held_out
            yield Check(
                f"split_{key}",
                "WARN" if many else "PASS",
                f"{count:,} of {held_out:,} spectra held out ({count / held_out:.2%}) have their "
                f"{key} in another split as well",
                f"To keep those together too: --split-by {','.join((*self.asked.by, key))}."
                if many
                else "",
            )


def find_shared(
    shards: Mapping[str, Sequence[Path]], asked: Splits, seed: int, rows: int, folder: Path
) -> SplitsFound:
    """Read the keys back from the shards, and see what the splits have in common.

    Args:
        shards: by split, in order.
        rows: spectra in all of them.
        folder: where there is room for 8 bytes a spectrum.

    Raises:
        InternalError: a group that the build was split by is in two splits.
    """
    held = {name for paths in shards.values() for path in paths[:1] for name in _columns(path)}
    keys = [key for key in COLUMNS if COLUMNS[key] in held]
    found = {key: count_shared(_tagged(shards, key), rows, folder) for key in keys}
    for key in asked.by:
        if found[key].several:
            raise InternalError(
                f"{found[key].several} groups of {key} are in more than one split.",
                hint="This is a defect in Workhorse; please report it.",
            )
    spectra = {name: sum(pq.read_metadata(p).num_rows for p in x) for name, x in shards.items()}
    return SplitsFound(asked, seed, spectra, _without(shards, asked.by), found)


def _columns(path: Path) -> list[str]:
    names: list[str] = pq.read_schema(path).names
    return names


def _tagged(shards: Mapping[str, Sequence[Path]], key: SplitKey) -> Iterator[tuple[int, Words]]:
    for split, paths in enumerate(shards.values()):
        for columns, rows in _read(paths, [key]):
            words, known = key_words(key, columns, rows)
            yield split, words[known]


def _without(shards: Mapping[str, Sequence[Path]], by: Sequence[SplitKey]) -> int:
    """Spectra without any of the keys: all of them are in the first split."""
    first = next(iter(shards.values()))
    return sum(
        int(np.count_nonzero(~group_words(by, columns, rows)[1]))
        for columns, rows in _read(first, by)
    )


def _read(
    paths: Sequence[Path], keys: Sequence[SplitKey]
) -> Iterator[tuple[Mapping[str, Any], int]]:
    wanted = [COLUMNS[key] for key in keys]
    for path in paths:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(_ROWS, columns=wanted, use_threads=False):
                yield dict(zip(batch.schema.names, batch.columns, strict=True)), len(batch)
