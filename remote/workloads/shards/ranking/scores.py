"""Scores as the build's tasks use them, and as they stay in the dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from remote.workloads.shards.blocks import CleanRows, RawRows

COLUMN = "quality_score"
SCORES_FILE = "quality_scores.jsonl"

Answers = Mapping[tuple[int, int], float | str]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores by input.

    Attributes:
        rows: sorted source rows, (n,) int64.
        values: their scores in [0, 1], (n,) float32.
    """

    rows: Mapping[int, npt.NDArray[np.int64]]
    values: Mapping[int, npt.NDArray[np.float32]]

    @classmethod
    def of(cls, answers: Answers) -> Scores:
        """Those of the answers that are scores."""
        found: dict[int, list[tuple[int, float]]] = {}
        for (index, row), answer in sorted(answers.items()):
            if not isinstance(answer, str):
                found.setdefault(index, []).append((row, answer))
        return cls(
            {index: np.array([row for row, _ in pairs]) for index, pairs in found.items()},
            {i: np.array([score for _, score in pairs], np.float32) for i, pairs in found.items()},
        )

    def of_rows(
        self, input_index: int, source_row: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Scores of some rows of an input, (n,) float32; NaN for those that have none."""
        rows = self.rows.get(input_index, np.zeros(0, np.int64))
        scores = np.full(len(source_row), np.nan, np.float32)
        places = np.searchsorted(rows, source_row)
        known = places < len(rows)
        known[known] = rows[places[known]] == source_row[known]
        if known.any():
            scores[known] = self.values[input_index][places[known]]
        return scores


@dataclass(frozen=True, slots=True)
class Scored:
    """Cleaning that adds the column of scores; goes to the workers as it is."""

    clean: Callable[[RawRows], CleanRows]
    scores: Scores

    def __call__(self, raw: RawRows) -> CleanRows:
        """Clean rows with their scores."""
        rows = self.clean(raw)
        scores = self.scores.of_rows(rows.input_index, rows.source_row)
        return replace(rows, columns={**rows.columns, COLUMN: scores})


def scores_file(answers: Answers, stems: Sequence[str]) -> bytes:
    """One JSON line for each spectrum that was asked about, in source order.

    {"sample_id": "a:17", "score": 0.82}, or {..., "score": null, "why": "refused"}
    """
    return b"".join(
        json.dumps({"sample_id": f"{stems[index]}:{row}", **_outcome(answer)}).encode() + b"\n"
        for (index, row), answer in sorted(answers.items())
    )


def _outcome(answer: float | str) -> dict[str, Any]:
    return {"score": None, "why": answer} if isinstance(answer, str) else {"score": answer}
