"""What can be set about the quality ranker: `quality/ranker` of a sharding config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ranker:
    """Which service is asked, how fast, and for how much at most.

    Attributes:
        network: has to be true: spectra leave this machine, unless the service runs on it.
        endpoint: the base URL of an OpenAI-compatible service; None for the model's own.
        key_env: the environment variable that holds the key; None to send no key.
        batch_size: spectra in one request.
        peaks: the most intense peaks that are sent of a spectrum.
        max_spectra: how many are asked about, chosen at random by the seed; None for all.
        parameters: further keys of each request, as `max_completion_tokens: 2000`; a key of ours
            that is set to null is left out.
        parallel: requests under way at one time.
        requests_per_minute: how many begin in a minute at most.
        timeout_seconds: for one answer, from the request to its last byte.
        max_retries: after a busy or failing service, or a lost connection.
        max_requests, max_tokens, max_cost: the budget; None for no limit of the kind. Where it
            is used up, the rest stays without a score.
        input_price, output_price: of a million tokens, in the currency of `max_cost`.
    """

    network: bool = False
    endpoint: str | None = None
    key_env: str | None = "OPENAI_API_KEY"
    batch_size: int = field(default=20, metadata={"min": 1, "max": 200})
    peaks: int = field(default=20, metadata={"min": 1, "max": 128})
    max_spectra: int | None = field(default=None, metadata={"min": 1})
    parameters: Mapping[str, object] = field(default_factory=dict)
    parallel: int = field(default=4, metadata={"min": 1, "max": 64})
    requests_per_minute: float = field(default=60.0, metadata={"min": 0.1, "max": 100_000.0})
    timeout_seconds: float = field(default=120.0, metadata={"min": 1.0, "max": 3_600.0})
    max_retries: int = field(default=5, metadata={"min": 0, "max": 100})
    max_requests: int | None = field(default=1_000, metadata={"min": 1})
    max_tokens: int | None = field(default=None, metadata={"min": 1})
    max_cost: float | None = field(default=None, metadata={"min": 0.0})
    input_price: float | None = field(default=None, metadata={"min": 0.0})
    output_price: float | None = field(default=None, metadata={"min": 0.0})

    def bearing_on_scores(self) -> dict[str, object]:
        """The part that answers depend on; the rest is about speed, money and access."""
        return {
            "endpoint": self.endpoint,
            "batch_size": self.batch_size,
            "peaks": self.peaks,
            "max_spectra": self.max_spectra,
            "parameters": dict(self.parameters),
        }
