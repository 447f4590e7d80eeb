"""A fake engine: a socket that answers pings, and a docker command with images of its own."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

INFO: Mapping[str, object] = {
    "ID": "QJ3S:Q6LX",
    "MemTotal": 8 << 30,
    "NCPU": 4,
    "Architecture": "x86_64",
    "ServerVersion": "20.10.24+dfsg1",
    "SecurityOptions": ["name=seccomp,profile=default"],
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
}
PONG = b"HTTP/1.0 200 OK\r\n\r\nOK"


def answering(**different: object) -> bytes:
    """What an engine says to every question: its version and its description of itself."""
    body = json.dumps({"ApiVersion": "1.40", "MinAPIVersion": "1.12", **INFO, **different})
    return f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@contextmanager
def listening(path: Path, reply: bytes = PONG) -> Iterator[str]:
    """A socket that answers every request with the same bytes; gives its URL."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.fspath(path))
    server.listen()

    def serve() -> None:
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            with link:
                link.recv(1024)
                link.sendall(reply)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"unix://{path}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        server.close()


def fake_cli(
    folder: Path, version: str = "27.0.0", *, buildx: bool = True, pulls: bool = False
) -> Path:
    """A docker command whose images are the files in `folder/images`; `ls` prints `labelled`."""
    images = folder / "images"
    images.mkdir(parents=True)
    binary = folder / "docker"
    binary.write_text(
        "#!/bin/sh\n"
        'for last in "$@"; do :; done\n'
        f'echo "$@" >> {folder}/calls\n'
        f'case "$1 $2" in\n'
        f"  --version*) echo Docker version {version}, build 0 ;;\n"
        f"  buildx*) exit {0 if buildx else 1} ;;\n"
        f'  "image inspect") [ -e "{images}/$last" ] ;;\n'
        f'  "image ls") cat {folder}/labelled 2>/dev/null || true ;;\n'
        f'  pull*) {"touch" if pulls else "echo refused; false"} "{images}/$last" ;;\n'
        "esac\n"
    )
    binary.chmod(0o755)
    return binary
