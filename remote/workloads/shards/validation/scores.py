"""The file of scores of a ranked dataset: is it as recorded, and do the shards hold its scores?"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.workloads.shards.output.manifest import DATASET_MANIFEST
from remote.workloads.shards.ranking.scores import COLUMN, SCORES_FILE, Answers, Scores
from remote.workloads.shards.validation.columns import Fault, column_of, fault_of
from remote.workloads.shards.validation.problems import Problem
from remote.workloads.shards.validation.records import Record
from remote.workloads.shards.validation.seen import SourceRows

_FORMS = ({"sample_id", "score"}, {"sample_id", "score", "why"})


@dataclass(frozen=True, slots=True)
class Told:
    """What the file says of the spectra that were asked about.

    Attributes:
        stems: by input name, what its sample ids begin with.
        scores: by place of the input in `stems`.
        asked: by input name, sorted source rows (n,) int64.
        met: by input name, which of them a shard holds, (n,) bool; filled by `meet`.
    """

    stems: Mapping[str, str]
    scores: Scores
    asked: Mapping[str, npt.NDArray[np.int64]]
    met: Mapping[str, npt.NDArray[np.bool_]]

    @classmethod
    def of(cls, answers: Answers, stems: Mapping[str, str]) -> Told:
        """By (input, row): a score, or the reason why there is none."""
        rows: dict[str, list[int]] = {}
        names = list(stems)
        for index, row in sorted(answers):
            rows.setdefault(names[index], []).append(row)
        asked = {name: np.array(found, np.int64) for name, found in rows.items()}
        met = {name: np.zeros(len(found), bool) for name, found in asked.items()}
        return cls(stems, Scores.of(answers), asked, met)

    def faults(self, table: pa.Table, group: SourceRows) -> Iterator[Fault]:
        """Rows of a row group whose score is another one."""
        if COLUMN not in table.column_names:
            return
        told = self.scores.of_rows(list(self.stems).index(group.input), group.rows)
        found = column_of(table, COLUMN).to_numpy(zero_copy_only=False)
        same = (found == told) | (np.isnan(found) & np.isnan(told))
        yield from fault_of(
            COLUMN,
            "another score",
            ~same,
            lambda row: f"is {_word(found[row])}, {SCORES_FILE} says {_word(told[row])}",
        )

    def meet(self, group: SourceRows) -> None:
        """Take note of rows that a shard holds."""
        asked = self.asked.get(group.input)
        if asked is not None:
            places = np.searchsorted(asked, group.rows)
            known = places < len(asked)
            known[known] = asked[places[known]] == group.rows[known]
            self.met[group.input][places[known]] = True

    def unmet(self) -> Iterator[Problem]:
        """Lines of spectra that no shard holds, when all were looked at."""
        for name, rows in self.asked.items():
            for row in rows[~self.met[name]].tolist():
                text = f"{self.stems[name]}:{row} is in no shard"
                yield Problem(SCORES_FILE, text, kind="in no shard")


def _word(score: float) -> str:
    return "null" if np.isnan(score) else str(score)


def read_scores(root: Path, dataset: Record) -> tuple[Told | None, tuple[Problem, ...]]:
    """What the file of a ranked dataset says, and what is wrong with it; None without one."""
    ranking = dataset.get("ranking")
    if ranking is None:
        return None, ()
    try:
        content = (root / SCORES_FILE).read_bytes()
    except FileNotFoundError:
        return None, (Problem(SCORES_FILE, "is missing"),)
    except OSError as error:
        return None, (Problem(SCORES_FILE, f"cannot be read: {error.strerror}"),)
    found = _Lines(dataset)
    problems = tuple(found.problems(content))
    sha256 = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if sha256 != ranking["scores_sha256"]:
        problems += (Problem(SCORES_FILE, "its SHA-256 is not the recorded one"),)
    if not problems:
        problems = tuple(_counts(ranking, found.answers))
    return Told.of(found.answers, found.stems), problems


def _counts(ranking: Record, answers: Answers) -> Iterator[Problem]:
    reasons = Counter(answer for answer in answers.values() if isinstance(answer, str))
    scored = len(answers) - reasons.total()
    if (scored, reasons) != (ranking["scored"], Counter(ranking["unscored"])):
        yield Problem(
            SCORES_FILE,
            f"has {scored} scores and {dict(reasons)} without one, {DATASET_MANIFEST} says "
            f"{ranking['scored']} and {ranking['unscored']}",
        )


class _Lines:
    """Lines as they become answers, in source order and each spectrum once."""

    def __init__(self, dataset: Record) -> None:
        self.stems = stems_of(dataset)
        self._index = {stem: place for place, stem in enumerate(self.stems.values())}
        self._rows = [x["rows"] for x in dataset["inputs"]]
        self.answers: dict[tuple[int, int], float | str] = {}

    def problems(self, content: bytes) -> Iterator[Problem]:
        """Read all of them; what is wrong with one is named by its number."""
        last = (-1, -1)
        for number, line in enumerate(content.splitlines(), start=1):
            try:
                place, answer = self._read(line)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                text = f"line {number} is no answer about a spectrum: {error}"
                yield Problem(SCORES_FILE, text, kind="no answer")
                continue
            if place <= last:
                text = f"line {number} is not in the order of the inputs' rows"
                yield Problem(SCORES_FILE, text, kind="order")
            last = place
            self.answers[place] = answer

    def _read(self, line: bytes) -> tuple[tuple[int, int], float | str]:
        record: dict[str, Any] = json.loads(line)
        if set(record) not in _FORMS:
            raise ValueError(f"it has {', '.join(record)}")
        stem, _, row = record["sample_id"].rpartition(":")
        place = self._index[stem], int(row)
        if not 0 <= place[1] < self._rows[place[0]] or record["sample_id"] != f"{stem}:{place[1]}":
            raise ValueError(f"there is no {record['sample_id']}")
        if record["score"] is None:
            return place, str(record["why"])
        if not 0 <= record["score"] <= 1:
            raise ValueError(f"the score is {record['score']}")
        return place, float(record["score"])


def stems_of(dataset: Record) -> dict[str, str]:
    """By input name, what its sample ids begin with."""
    return {x["name"]: PurePosixPath(x["name"]).stem for x in dataset["inputs"]}
