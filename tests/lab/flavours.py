"""The engines a lab host can have: this machine's own, and later ones with either image store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from remote.hosts.command import run
from tests.lab.machine import lab_directory

_FETCH = Path(__file__).with_name("other-engine.sh")
_FETCH_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Flavour:
    """An engine's program and its image store."""

    name: str
    release: str | None = None
    """Which of the fetched engines; None is the one that is installed."""
    containerd_store: bool = False

    @property
    def programs(self) -> Path | None:
        """A directory to look into before PATH."""
        return None if self.release is None else lab_directory() / "engines" / self.release

    def fetch(self) -> None:
        """Get the engine from Debian, once."""
        if self.programs is not None:
            run(["bash", str(_FETCH), str(self.programs)], timeout=_FETCH_SECONDS)

    def configure(self, directory: Path) -> None:
        """Write daemon.json into what becomes the host's /etc/docker."""
        directory.mkdir(parents=True, exist_ok=True)
        features = {"containerd-snapshotter": self.containerd_store}
        settings = {} if self.release is None else {"features": features}
        (directory / "daemon.json").write_text(json.dumps(settings))


INSTALLED = Flavour("installed")
OVERLAY2_26 = Flavour("26-overlay2", "26")
CONTAINERD_26 = Flavour("26-containerd", "26", containerd_store=True)
FLAVOURS = {flavour.name: flavour for flavour in (INSTALLED, OVERLAY2_26, CONTAINERD_26)}
