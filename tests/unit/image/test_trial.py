"""A trial whose host goes away under it."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from requests.exceptions import ConnectionError as NoConnection

from remote.hosts.docker.engine import Engine, EngineFacts
from remote.image.trial import serve_as_base

FACTS = EngineFacts(
    memory_bytes=1 << 30,
    cpus=1,
    architecture="amd64",
    version="20.10.24",
    rootless=False,
    id="deaf",
    image_store="overlay2",
)


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[Engine]:
    """An engine's socket that ends each connection, as one whose link has gone does."""
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def refuse() -> None:
            while True:
                here, _ = listening.accept()
                with here:
                    if here.recv(1) == b"x":
                        return

        thread = threading.Thread(target=refuse)
        thread.start()
        client = docker.DockerClient(base_url=f"unix://{path}", version="1.41")
        yield Engine(client, f"unix://{path}", FACTS)
        client.close()
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(path))
            last.sendall(b"x")
        thread.join()


def test_nothing_is_left_open(deaf: Engine) -> None:
    """What is left open is reported as this test's failure, by pytest."""
    with pytest.raises(NoConnection):
        serve_as_base(deaf, "an-image")
    gc.collect()
