"""What asking may take, and what it has taken."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from remote.workloads.shards.ranking.options import Ranker


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests that were sent and tokens that they took.

    Attributes:
        reckoned: whether some of the tokens are our own estimate: the service did not say.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reckoned: bool = False

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.reckoned or other.reckoned,
        )

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input_tokens + self.output_tokens

    def cost(self, ranker: Ranker) -> float | None:
        """In the currency of the prices; None where there are none."""
        if ranker.input_price is None or ranker.output_price is None:
            return None
        paid = self.input_tokens * ranker.input_price + self.output_tokens * ranker.output_price
        return paid / 1e6


def exceeded(ranker: Ranker, spent: Spent) -> str:
    """The first limit that is passed, by its name in the config; empty where none is."""
    cost = spent.cost(ranker)
    passed = {
        "max_requests": ranker.max_requests is not None and spent.requests > ranker.max_requests,
        "max_tokens": ranker.max_tokens is not None and spent.tokens > ranker.max_tokens,
        "max_cost": ranker.max_cost is not None and cost is not None and cost > ranker.max_cost,
    }
    return next((name for name, over in passed.items() if over), "")


class Budget:
    """Shared by all who ask: a request begins only where it is expected to fit."""

    def __init__(self, ranker: Ranker, before: Spent) -> None:
        """`before` is what earlier attempts took."""
        self._ranker = ranker
        self._lock = threading.Lock()
        self._spent = before
        self._under_way = Spent()
        self.reached = ""

    def take(self, expected: Spent) -> bool:
        """Set aside what a request is expected to take; False where that is too much."""
        with self._lock:
            reached = exceeded(self._ranker, self._spent + self._under_way + expected)
            if reached:
                self.reached = reached
                return False
            self._under_way += expected
            return True

    def settle(self, expected: Spent, taken: Spent) -> None:
        """A request that was set aside for has ended."""
        with self._lock:
            self._under_way = Spent(
                self._under_way.requests - expected.requests,
                self._under_way.input_tokens - expected.input_tokens,
                self._under_way.output_tokens - expected.output_tokens,
            )
            self._spent += taken
