"""What the guided menu asks: one question, and where it is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from remote.workloads.shards.cli.chosen import Chosen


@dataclass(frozen=True, slots=True)
class Question:
    """One choice.

    Attributes:
        title: what is asked.
        explained: what it means, in one line.
        default: what an empty answer stands for.
        words: what an answer adds to the command line; may raise a WorkhorseError.
        implied: whether the default needs no words.
    """

    title: str
    explained: str
    default: str
    words: Callable[[str], Sequence[str]]
    implied: bool = True


# The question, where it is open.
Ask = Callable[[Chosen], Question | None]
