"""Many requests under way, and each answer kept as soon as it is there."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from remote.errors import WorkhorseError
from remote.workloads.progress import EVENTS_VARIABLE, notice, progress
from remote.workloads.shards.ranking.ask import Asked, Asker
from remote.workloads.shards.ranking.callers import Callers
from remote.workloads.shards.ranking.prompt import Spectrum
from remote.workloads.shards.ranking.store import Known, Store

# For answers that are on their way when somebody stops the build.
_GRACE_SECONDS = 0.5
_SECONDS_BETWEEN_LINES = 10.0


class Teller:
    """Says how far it is: to the run's events, else now and then in a line."""

    def __init__(self, known: Known, total: int) -> None:
        self._known = known
        self._total = total
        self._last = time.monotonic()

    def tell(self) -> None:
        """Say it, if it is time."""
        done, spent = len(self._known.answers), self._known.spent
        progress("ranking", done, self._total, unit="spectra", requests=spent.requests)
        now = time.monotonic()
        if EVENTS_VARIABLE not in os.environ and now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            notice(
                f"ranked {done:,} of up to {self._total:,} spectra, {spent.requests:,} requests, "
                f"{spent.tokens:,} tokens"
            )


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks for batches until there are none, or the budget is used up.

    Attributes:
        asker: asks about one batch.
        over: set when nobody wants to know any more; ends all waiting of `asker`.
        store: takes the answers.
    """

    asker: Asker
    over: threading.Event
    store: Store
    teller: Teller
    _waiting: set[Future[Asked]] = field(default_factory=set)

    def all(self, questions: Iterable[Sequence[Spectrum]]) -> None:
        """Ask.

        Raises:
            RankerUnusable: the service does not answer, or will not.
        """
        parallel = self.asker.ranker.parallel
        with Callers(self.asker, parallel) as callers:
            try:
                for batch in questions:
                    if self.asker.budget.reached:
                        break
                    self._waiting.add(callers.submit(batch))
                    if len(self._waiting) == parallel:
                        self._take()
                while self._waiting:
                    self._take()
            except BaseException as error:
                self.over.set()
                self._take_arriving(error)
                raise

    def _take(self) -> None:
        done, _ = wait(self._waiting, return_when=FIRST_COMPLETED)
        for future in done:
            self.store.add(future.result())
            self._waiting.discard(future)
        self.teller.tell()

    def _take_arriving(self, error: BaseException) -> None:
        """Requests under way are paid for: their answers are kept, if there is time for them."""
        orderly = isinstance(error, WorkhorseError)
        seconds = self.asker.ranker.timeout_seconds if orderly else _GRACE_SECONDS
        done, _ = wait(self._waiting, seconds)
        for future in done:
            if future.exception() is None:
                self.store.add(future.result())
