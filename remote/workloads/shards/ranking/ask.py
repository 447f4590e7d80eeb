"""Scores of one batch: asking, asking again, and what is left without a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from remote.errors import RankerUnusable
from remote.workloads.shards.ranking.answer import Unusable, scores_in
from remote.workloads.shards.ranking.budget import Budget, Spent
from remote.workloads.shards.ranking.client import KEPT, Busy, Client, Reply
from remote.workloads.shards.ranking.options import Ranker
from remote.workloads.shards.ranking.pace import Pace
from remote.workloads.shards.ranking.prompt import Spectrum, messages, tokens_in, tokens_out
from remote.workloads.shards.ranking.service import Service

# How often spectra are asked about whose score an answer leaves out or spoils.
TRIES = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
# A service that wants to be left alone for longer is asked another day.
LONGEST_WAIT = 600.0

REFUSED, UNUSABLE = "refused", "unusable"


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a batch.

    Attributes:
        scores: by (input, row): a score, or the reason why there is none. Spectra that the
            budget did not reach are absent.
        spent: by all requests for it.
    """

    scores: Mapping[tuple[int, int], float | str]
    spent: Spent


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks a service for scores; may be called by several threads."""

    service: Service
    ranker: Ranker
    client: Client
    pace: Pace
    budget: Budget

    def __call__(self, batch: Sequence[Spectrum]) -> Asked:
        """Ask about a batch until each of its spectra has a score, or there is no hope of it.

        Raises:
            RankerUnusable: the service does not answer, or will not.
            Over: nobody waits for it any more.
        """
        found: dict[tuple[int, int], float | str] = {}
        spent = Spent()
        left = list(batch)
        for _ in range(TRIES):
            reply, taken = self._reply(left)
            spent += taken
            if reply is None:  # the budget is used up
                break
            scores, reason = _understood(reply, len(left))
            for place, spectrum in enumerate(left):
                found[spectrum.input_index, spectrum.row] = scores.get(place, reason)
            left = [spectrum for place, spectrum in enumerate(left) if place not in scores]
            if not left or reply.text is None:
                break
        return Asked(found, spent)

    def _reply(self, batch: Sequence[Spectrum]) -> tuple[Reply | None, Spent]:
        """An answer and what it took, in as many tries as are allowed.

        None where the budget has no room for one.
        """
        body = request_body(self.service, self.ranker, batch)
        expected = Spent(1, tokens_in(batch), tokens_out(batch), reckoned=True)
        spent = Spent()
        for tries in range(self.ranker.max_retries + 1):
            if not self.budget.take(expected):
                break
            taken = Spent()
            try:
                self.pace.turn()
                taken = Spent(1)
                reply = self.client.ask(body)
                taken = expected if reply.spent.reckoned else reply.spent
                return reply, spent + taken
            except Busy as busy:
                why = busy
            finally:
                self.budget.settle(expected, taken)
            spent += taken
            self._rest(why, tries)
        return None, spent

    def _rest(self, busy: Busy, tries: int) -> None:
        """Wait before the next try.

        Raises:
            RankerUnusable: there is none, or not before long.
        """
        host = self.service.host
        if tries >= self.ranker.max_retries:
            raise RankerUnusable(
                f"{host} gave no answer in {tries + 1} tries; at last: {busy}.", hint=KEPT
            )
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**tries)
        if busy.wait_seconds is not None:
            if busy.wait_seconds > LONGEST_WAIT:
                raise RankerUnusable(
                    f"{host} wants to be left alone for {busy.wait_seconds:,.0f} s: {busy}.",
                    hint=KEPT,
                )
            pause = busy.wait_seconds
            self.pace.hold(pause)
        self.pace.sleep(pause)


def request_body(service: Service, ranker: Ranker, batch: Sequence[Spectrum]) -> dict[str, object]:
    """The JSON of a request."""
    ours: dict[str, object] = {"model": service.model, "messages": messages(batch)}
    settable: dict[str, object] = {"temperature": 0, **ranker.parameters}
    return ours | {name: value for name, value in settable.items() if value is not None}


def _understood(reply: Reply, count: int) -> tuple[Mapping[int, float], str]:
    """Scores by place in the batch, and the reason for those without one."""
    if reply.text is None:
        return {}, REFUSED
    try:
        return scores_in(reply.text, count), UNUSABLE
    except Unusable:
        return {}, UNUSABLE
