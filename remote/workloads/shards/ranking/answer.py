"""What the model answered: scores by number, or nothing that can be used."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_OBJECT = re.compile(r"\{.*\}", re.DOTALL)
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")


class Unusable(Exception):
    """An answer that says nothing about the spectra; its text says why."""


def scores_in(text: str, count: int) -> dict[int, float]:
    """The scores of an answer by spectrum, from 0; those that it leaves out are absent.

    Text around the JSON object is passed over, as models put it there in spite of everything. A
    value that is no number in [0, 1] counts as left out.

    Raises:
        Unusable: there is no JSON object of scores in it, or it has scores of spectra that were
            not asked about, so that none of it can be trusted.
    """
    found: dict[int, float] = {}
    for number, value in _scores(text).items():
        if not _NUMBER.fullmatch(number) or int(number) > count:
            raise Unusable("it has scores of spectra that were not asked about")
        score = _score(value)
        if score is not None:
            found[int(number) - 1] = score
    return found


def _scores(text: str) -> Mapping[str, Any]:
    match = _OBJECT.search(text)
    if match is None:
        raise Unusable("it holds no JSON object")
    try:
        answer = json.loads(match[0], object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        raise Unusable("its JSON is broken") from None
    scores = answer.get("scores", answer)
    if not isinstance(scores, dict):
        raise Unusable("its JSON has another form")
    return scores


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unusable("it scores a spectrum twice")
    return found


def _score(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value + 0.0 if 0.0 <= value <= 1.0 else None
