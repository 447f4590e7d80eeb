"""One request to a service that speaks the chat-completions protocol, and what may come of it.

What may pass by itself is `Busy`; everything else that is no answer is a `RankerUnusable`. The
key goes to the configured host alone: redirects are not followed, and no text of ours or of the
service that is passed on holds it.
"""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import certifi
import urllib3
from urllib3.exceptions import HTTPError, SSLError
from urllib3.util import Timeout, make_headers, parse_url

from remote.errors import RankerUnusable
from remote.workloads.shards.ranking.budget import Spent
from remote.workloads.shards.ranking.service import CONNECT_SECONDS, Service, proxy_of

_MOST_BYTES = 8 << 20
_BLOCK = 1 << 16
_SHOWN = 300
_Untrusted = ssl.SSLCertVerificationError
KEPT = "Every score that was given is kept: go on with --resume when that is settled."


class Busy(Exception):
    """No answer this time. Its text says why.

    Attributes:
        wait_seconds: how long the service wants to be left alone; None where it does not say.
    """

    def __init__(self, why: str, wait_seconds: float | None = None) -> None:
        super().__init__(why)
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the model.

    Attributes:
        text: what it says; None where it refused to, or was kept from it by a filter.
        spent: what it took; no tokens where the service does not say, and then `reckoned`.
    """

    text: str | None
    spent: Spent


class Client:
    """Connections to one service, for several threads."""

    def __init__(
        self, service: Service, key: str | None, *, timeout_seconds: float, parallel: int
    ) -> None:
        self._service = service
        self._key = key
        self._seconds = timeout_seconds
        self._pool = _pool(service, parallel)

    def __repr__(self) -> str:
        return f"Client({self._service.host})"

    def ask(self, body: dict[str, object]) -> Reply:
        """Send a request and wait for its answer.

        Raises:
            Busy: not now: too many requests, a fault of the service, a connection that was lost.
            RankerUnusable: asking again would not help.
        """
        status, headers, data = self._exchange(json.dumps(body).encode())
        if status == 200:
            return _reply(data, self._service.host)
        if status == 429 and _code(data) != "insufficient_quota":
            raise Busy("it has had too many requests (429)", _retry_after(headers))
        if status >= 500:
            raise Busy(f"it has a fault ({status})", _retry_after(headers))
        raise self._refused(status, data)

    def close(self) -> None:
        """Close the connections that are at rest."""
        self._pool.clear()

    def _exchange(self, body: bytes) -> tuple[int, Any, bytes]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        deadline = time.monotonic() + self._seconds
        try:
            response = self._pool.request(
                "POST",
                self._service.url,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=Timeout(connect=min(CONNECT_SECONDS, self._seconds), read=self._seconds),
            )
            try:
                return response.status, response.headers, _read(response, deadline)
            finally:  # at its end the connection is in the pool already, to be used again
                response.close()
                response.release_conn()
        except (HTTPError, OSError) as error:
            if isinstance(error, SSLError) and isinstance(error.args[0], _Untrusted):
                raise untrusted(self._service, str(error)) from None
            raise Busy(f"the connection failed ({type(error).__name__})") from None

    def _refused(self, status: int, data: bytes) -> RankerUnusable:
        """The error of a status that asking again does not change; each has its own hint."""
        service = self._service
        if status in (401, 403):  # what a service says here may repeat the key
            shown = service.key_env or "(none is sent: `key_env: null`)"
            return RankerUnusable(
                f"{service.host} refused the key ({status}), that of {shown}.",
                hint=f"Is it valid, for this service, and allowed to use {service.model}? {KEPT}",
            )
        if 300 <= status < 400:
            return RankerUnusable(
                f"{service.host} answered with a redirect ({status}), which is not followed: the "
                "key is for this host alone.",
                hint=f"Set quality/ranker/endpoint to the address it has moved to. {KEPT}",
            )
        said = self._said(data)
        if status == 404:
            return RankerUnusable(
                f"{service.host} knows no model {service.model}, or nothing is at "
                f"{service.url} (404){said}",
                hint=f"Compare ranker_model and endpoint with the service's own list. {KEPT}",
            )
        if status == 429 or status == 402:
            return RankerUnusable(
                f"{service.host} says that the account has no credit left ({status}){said}",
                hint=f"See to the account's billing. {KEPT}",
            )
        return RankerUnusable(
            f"{service.host} refused the request ({status}){said}",
            hint="It may want other parameters: quality/ranker/parameters, where null leaves one "
            f"out; or a smaller batch_size. {KEPT}",
        )

    def _said(self, data: bytes) -> str:
        """The message of the service on one line, without the key."""
        message = _error(data).get("message")
        if not isinstance(message, str):
            return "."
        if self._key:
            message = message.replace(self._key, "***")
        plain = " ".join("".join(c if c.isprintable() else " " for c in message).split())
        return f": {plain[:_SHOWN]}"


def untrusted(service: Service, why: str) -> RankerUnusable:
    """A service that cannot show who it is."""
    return RankerUnusable(
        f"{service.host} cannot be trusted: {why}",
        hint="Is the clock right, and the endpoint? The certificates of a network of your own are "
        "taken from the file that SSL_CERT_FILE names.",
    )


def _pool(service: Service, parallel: int) -> urllib3.PoolManager:
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    proxy = proxy_of(service)
    if proxy is None:
        return urllib3.PoolManager(maxsize=parallel, block=True, ssl_context=context)
    auth = parse_url(proxy).auth
    headers = make_headers(proxy_basic_auth=auth) if auth else None
    return urllib3.ProxyManager(
        proxy, maxsize=parallel, block=True, ssl_context=context, proxy_headers=headers
    )


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """All of it, but no longer than the time for it and no more than an answer can have."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(_BLOCK):
        parts.append(part)
        size += len(part)
        if time.monotonic() > deadline:
            raise Busy("its answer took too long")
        if size > _MOST_BYTES:
            raise Busy("its answer has no end")
    return b"".join(parts)


def _reply(data: bytes, host: str) -> Reply:
    try:
        answer = json.loads(data)
        choice = answer["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise Busy(f"what {host} sent is no chat completion") from None
    filtered = refusal or choice.get("finish_reason") == "content_filter"
    usage = answer.get("usage")
    return Reply(None if filtered or not isinstance(text, str) else text, _spent(usage))


def _spent(usage: object) -> Spent:
    if isinstance(usage, dict):
        taken = [usage.get("prompt_tokens"), usage.get("completion_tokens")]
        counts = [n for n in taken if isinstance(n, int) and n >= 0]
        if len(counts) == len(taken):
            return Spent(1, counts[0], counts[1])
    return Spent(1, 0, 0, reckoned=True)


def _error(data: bytes) -> dict[str, Any]:
    try:
        error = json.loads(data).get("error")
    except (ValueError, AttributeError, RecursionError):
        return {}
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _code(data: bytes) -> object:
    return _error(data).get("code")


def _retry_after(headers: Any) -> float | None:
    """Seconds from the header of that name, which may hold a date."""
    said = str(headers.get("Retry-After", "")).strip()
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
