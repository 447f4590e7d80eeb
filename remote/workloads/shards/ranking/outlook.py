"""What ranking would take: for a dry run, which asks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from remote.workloads.shards.pipeline import Work
from remote.workloads.shards.plan import Task
from remote.workloads.shards.ranking.batches import batches
from remote.workloads.shards.ranking.budget import Spent, exceeded
from remote.workloads.shards.ranking.choice import choose
from remote.workloads.shards.ranking.options import Ranker
from remote.workloads.shards.ranking.prompt import tokens_in, tokens_out
from remote.workloads.shards.ranking.service import service_of
from remote.workloads.shards.settings import BuildSettings

_BATCHES_TRIED = 20


@dataclass(frozen=True, slots=True, repr=False)
class Outlook:
    """What ranking is expected to take, if the service answers each request at once.

    Attributes:
        spectra: that would be asked about, at most.
        cost: in the currency of the prices; None where none are given.
        minutes: at the set pace; the service may be slower.
        stopped_by: the limit of the budget that would end it, empty where none would.
        reached: spectra that are asked about until then.
    """

    model: str
    endpoint: str
    spectra: int
    requests: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    minutes: float
    stopped_by: str
    reached: int

    def __repr__(self) -> str:
        tokens = self.input_tokens + self.output_tokens
        cost = "" if self.cost is None else f", cost {self.cost:,.2f}"
        text = (
            f"up to {self.spectra:,} spectra with {self.model} at {self.endpoint}: about "
            f"{self.requests:,} requests, {tokens:,} tokens{cost}, {self.minutes:,.0f} min or more"
        )
        if self.stopped_by:
            text += (
                f"; {self.stopped_by} ends it after about the first {self.reached:,} "
                f"(`max_spectra: {self.reached}` would choose as many at random)"
            )
        return text


def outlook(work: Work, tasks: Sequence[Task], settings: BuildSettings) -> Outlook:
    """Reckon from the texts of the first spectra."""
    ranker = settings.quality.ranker
    service = service_of(ranker, settings.quality.ranker_model)
    choice = choose(tasks, ranker.max_spectra, settings.random_seed)
    tried = list(islice(batches(work, tasks, choice, ranker, set()), _BATCHES_TRIED))
    known = sum(map(len, tried))
    requests = -(-choice.number // ranker.batch_size)
    share = requests / max(1, len(tried))
    whole = Spent(
        requests,
        int(sum(map(tokens_in, tried)) * share),
        int(sum(map(tokens_out, tried)) * share),
    )
    fitting = _fitting(ranker, whole)
    return Outlook(
        model=service.model,
        endpoint=service.host,
        spectra=choice.number if known else 0,
        requests=whole.requests,
        input_tokens=whole.input_tokens,
        output_tokens=whole.output_tokens,
        cost=whole.cost(ranker),
        minutes=whole.requests / ranker.requests_per_minute,
        stopped_by=exceeded(ranker, whole),
        reached=min(choice.number, fitting * ranker.batch_size),
    )


def _fitting(ranker: Ranker, whole: Spent) -> int:
    """How many of the requests the budget has room for."""
    low, high = 0, whole.requests
    while low < high:
        some = (low + high + 1) // 2
        part = some / max(1, whole.requests)
        taken = Spent(some, int(whole.input_tokens * part), int(whole.output_tokens * part))
        low, high = (low, some - 1) if exceeded(ranker, taken) else (some, high)
    return low
