"""The ranking of a build: all spectra are asked about before the first row group is made.

So the shards depend on the inputs, the settings and the file of scores alone, and no worker
needs the network or the key.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remote.errors import IntegrityFailure
from remote.workloads.durable import write_atomic
from remote.workloads.progress import notice
from remote.workloads.shards.output.resume import BUILD_ANEW
from remote.workloads.shards.pipeline import Work
from remote.workloads.shards.plan import Task
from remote.workloads.shards.ranking.ask import Asker
from remote.workloads.shards.ranking.asking import Asking, Teller
from remote.workloads.shards.ranking.batches import batches
from remote.workloads.shards.ranking.budget import Budget
from remote.workloads.shards.ranking.choice import choose
from remote.workloads.shards.ranking.client import Client
from remote.workloads.shards.ranking.pace import Pace
from remote.workloads.shards.ranking.prompt import PROMPT_VERSION, prompt_sha256
from remote.workloads.shards.ranking.scores import SCORES_FILE, Scores, scores_file
from remote.workloads.shards.ranking.service import Service, key_of, service_of
from remote.workloads.shards.ranking.store import Known, Store
from remote.workloads.shards.settings import BuildSettings


@dataclass(frozen=True, slots=True)
class Ranked:
    """What came of it.

    Attributes:
        record: `ranking` of the dataset manifest, but for the spectra that were not asked about.
        took: of its `run` block: requests, tokens and cost, which differ from run to run.
    """

    scores: Scores
    record: Mapping[str, Any]
    took: Mapping[str, Any]

    def of(self, written: int) -> dict[str, Any]:
        """The record of a dataset of so many spectra."""
        not_asked = written - self.record["scored"] - sum(self.record["unscored"].values())
        return {**self.record, "not_asked": not_asked}


@dataclass(frozen=True, slots=True)
class Ranking:
    """What is to be ranked, and where answers are kept.

    Attributes:
        work, tasks: the build's own, without scores.
        inputs: fingerprints by name, of the inputs in order.
        stems: by input, what sample ids begin with.
        store: where answers go as they come.
        root: of the dataset.
    """

    work: Work
    tasks: Sequence[Task]
    settings: BuildSettings
    inputs: Mapping[str, str]
    stems: Sequence[str]
    store: Path
    root: Path

    def run(self, *, resume: bool, begun: bool) -> Ranked:
        """Ask about everything that has no answer yet.

        Args:
            resume: go on with the answers that are there.
            begun: whether row groups are written already; they hold scores.

        Raises:
            RankerUnusable: the service does not answer, or will not; answers are kept.
            ResumeRefused: the answers that are there are to other questions.
            IntegrityFailure: row groups are written, and the answers they were made with are gone.
        """
        service = service_of(self.settings.quality.ranker, self.settings.quality.ranker_model)
        with self._store(asked_of(service, self.settings, self.inputs), resume=resume) as store:
            if store.known.stopped is None:
                if begun:
                    raise IntegrityFailure(
                        f"Shards are begun, and the scores that they hold are not all in "
                        f"{self.store}.",
                        hint=BUILD_ANEW,
                    )
                self._ask(service, store)
            return self._ranked(service, store.known)

    def _store(self, asked: Mapping[str, object], *, resume: bool) -> Store:
        store = Store.reopen(self.store, asked) if resume and self.store.exists() else None
        return store or Store.create(self.store, asked)

    def _ask(self, service: Service, store: Store) -> None:
        ranker = self.settings.quality.ranker
        choice = choose(self.tasks, ranker.max_spectra, self.settings.random_seed)
        over = threading.Event()
        budget = Budget(ranker, store.known.spent)
        client = Client(
            service,
            key_of(service, os.environ),
            timeout_seconds=ranker.timeout_seconds,
            parallel=ranker.parallel,
        )
        asker = Asker(service, ranker, client, Pace(ranker.requests_per_minute, over), budget)
        notice(f"Ranking up to {choice.number:,} spectra with {service.model} at {service.host}.")
        try:
            asking = Asking(asker, over, store, Teller(store.known, choice.number))
            asking.all(batches(self.work, self.tasks, choice, ranker, store.known.answers))
        finally:
            client.close()
        store.finish(budget.reached)

    def _ranked(self, service: Service, known: Known) -> Ranked:
        content = scores_file(known.answers, self.stems)
        path = self.root / SCORES_FILE
        if not path.exists() or path.read_bytes() != content:
            write_atomic(path, content)
        reasons = [answer for answer in known.answers.values() if isinstance(answer, str)]
        unscored = {reason: reasons.count(reason) for reason in sorted(set(reasons))}
        record = {
            "model": service.model,
            "endpoint": service.host,
            "prompt_version": PROMPT_VERSION,
            "prompt_sha256": prompt_sha256(),
            "scored": len(known.answers) - len(reasons),
            "unscored": unscored,
            "stopped_by": known.stopped or None,
            "scores_file": SCORES_FILE,
            "scores_sha256": f"sha256:{hashlib.sha256(content).hexdigest()}",
        }
        spent = known.spent
        took = {
            "requests": spent.requests,
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
            "tokens_reckoned": spent.reckoned,
            "cost": spent.cost(self.settings.quality.ranker),
        }
        notice(_summary(record, took))
        return Ranked(Scores.of(known.answers), record, took)


def asked_of(
    service: Service, settings: BuildSettings, inputs: Mapping[str, str]
) -> dict[str, Any]:
    """What is asked of whom, as JSON gives it back: the head of the store."""
    asked = {
        "model": service.model,
        "prompt_version": PROMPT_VERSION,
        "prompt_sha256": prompt_sha256(),
        "inputs": dict(inputs),
        "random_seed": settings.random_seed,
        **settings.quality.ranker.bearing_on_scores(),
        "endpoint": service.host,
    }
    plain: dict[str, Any] = json.loads(json.dumps(asked))
    return plain


def _summary(record: Mapping[str, Any], took: Mapping[str, Any]) -> str:
    parts = [f"{record['scored']:,} spectra have a score"]
    parts += [f"{count:,} none ({reason})" for reason, count in record["unscored"].items()]
    tokens = took["input_tokens"] + took["output_tokens"]
    cost = "" if took["cost"] is None else f", cost {took['cost']:.2f}"
    text = f"{'; '.join(parts)}; {took['requests']:,} requests, {tokens:,} tokens{cost}."
    if record["stopped_by"]:
        text += f" Stopped by {record['stopped_by']}: the others have none."
    return text
