"""A small service that speaks the chat-completions protocol, with faults on demand.

The score of a spectrum depends on its text alone, so that whoever has the text knows the score.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-canary-4f9d1e7a2b6c8d0e5f3a"
_LINE = re.compile(r"(\d+)\. (.*)")


def score_of(text: str) -> float:
    """The score of a spectrum, by its text: three decimals."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 1001 / 1000


@dataclass(frozen=True)
class Fault:
    """How a request is answered, where not as it should be.

    Attributes:
        status, headers, body: of the response; None for a completion.
        content: what the model says; made from its proper scores.
        usage: whether tokens are reported.
        message: further keys of the message.
        seconds: before the answer begins.
        drip: seconds between its bytes.
        reset: the connection is reset in the middle of the answer.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content: Callable[[dict[str, float]], str] = lambda scores: json.dumps({"scores": scores})
    usage: bool = True
    message: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    drip: float = 0.0
    reset: bool = False


GOOD = Fault()


class ChatService:
    """What was asked of a running service.

    Attributes:
        plan: the fault of each request, by its number from 0.
        requests: headers and JSON of each, in order.
        texts: how often each spectrum was asked about.
        most: requests under way at one time, at most.
        moments: when each request came, in monotonic seconds.
    """

    def __init__(self, plan: Callable[[int], Fault]) -> None:
        self.plan = plan
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.texts: Counter[str] = Counter()
        self.moments: list[float] = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        self.endpoint = ""

    @property
    def asked(self) -> int:
        """Requests so far."""
        return len(self.requests)

    def took(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, dict[str, float]]:
        """Count a request; its number, and the scores that it is to have."""
        lines = [_LINE.fullmatch(line) for line in body["messages"][1]["content"].splitlines()]
        texts = {line[1]: line[2] for line in lines if line}
        with self._lock:
            number = len(self.requests)
            self.requests.append((headers, body))
            self.texts.update(texts.values())
            self.moments.append(time.monotonic())
            self._now += 1
            self.most = max(self.most, self._now)
        return number, {name: score_of(text) for name, text in texts.items()}

    def answered(self) -> None:
        """A request is over."""
        with self._lock:
            self._now -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    chat: ChatService

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number, scores = self.chat.took(dict(self.headers), body)
        try:
            if self.path.endswith("/chat/completions"):
                self._answer(self.chat.plan(number), scores)
            else:
                self._send(404, {}, b"{}", 0.0)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self.chat.answered()

    def _answer(self, fault: Fault, scores: dict[str, float]) -> None:
        time.sleep(fault.seconds)
        message = {"role": "assistant", "content": fault.content(scores), **fault.message}
        completion: dict[str, Any] = {"choices": [{"message": message, "finish_reason": "stop"}]}
        if fault.usage:
            taken = {"prompt_tokens": 10 * len(scores), "completion_tokens": 2 * len(scores)}
            completion["usage"] = taken
        body = json.dumps(completion).encode() if fault.body is None else fault.body
        if fault.reset:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{")
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
            return
        self._send(fault.status, fault.headers, body, fault.drip)

    def _send(self, status: int, headers: Mapping[str, str], body: bytes, drip: float) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not drip:
            self.wfile.write(body)
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            time.sleep(drip)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that the other side has left is no news."""


@contextmanager
def serving(plan: Callable[[int], Fault] = lambda _: GOOD) -> Iterator[ChatService]:
    """A service on a free port of this machine; `plan` says how each request is answered."""
    chat = ChatService(plan)
    handler = type("Handler", (_Handler,), {"chat": chat})
    with _Server(("127.0.0.1", 0), handler) as server:
        chat.endpoint = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield chat
        finally:
            server.shutdown()
            thread.join()


def faults(*first: Fault) -> Callable[[int], Fault]:
    """These for the first requests, and good answers after them."""
    return lambda number: first[number] if number < len(first) else GOOD


def always(fault: Fault) -> Callable[[int], Fault]:
    """This one for every request."""
    return lambda _: fault
