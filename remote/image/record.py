"""What is known of an environment image on one engine: asked once, kept beside the host's runs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remote.hosts.connect import Host
from remote.hosts.docker.engine import EngineFacts
from remote.image.layers import Layer

APPENDS, WHOLE = "appends", "whole"


@dataclass(frozen=True, slots=True)
class Known:
    """`layers` are the blobs as the engine's store has them, None where it needs none named.

    `way` says whether layers can be appended to it: `APPENDS`, `WHOLE` where they cannot, and
    empty until it was tried.
    """

    modules: frozenset[str]
    layers: tuple[Layer, ...] | None
    way: str = ""


def record_of(host: Host, engine: EngineFacts, image_id: str) -> Path:
    """Another engine, or another version of it, is asked anew."""
    key = f"{engine.id} {engine.version} {engine.image_store} {image_id}"
    name = hashlib.sha256(key.encode()).hexdigest()[:32]
    return host.layout.cache / "images" / f"{name}.json"


def read(host: Host, path: Path) -> Known | None:
    """The record; None where there is none, or none that this version can use."""
    record = read_json(host, path)
    if not isinstance(record, dict) or "way" not in record:
        return None
    layers = record["layers"]
    return Known(
        modules=frozenset(record["modules"]),
        layers=None if layers is None else tuple(map(Layer.from_json, layers)),
        way=str(record["way"]),
    )


def write(host: Host, path: Path, known: Known) -> None:
    """Replace the record."""
    layers = known.layers
    record = {
        "modules": sorted(known.modules),
        "layers": None if layers is None else [one.as_json() for one in layers],
        "way": known.way,
    }
    write_json(host, path, record)


def read_json(host: Host, path: Path) -> Any:
    """A small record of the host; None where it is missing or broken."""
    data = host.transport.read(path)
    try:
        return None if data is None else json.loads(data)
    except ValueError:
        return None


def write_json(host: Host, path: Path, value: object) -> None:
    """Replace a small record of the host."""
    host.transport.make_directory(path.parent)
    host.transport.write(path, json.dumps(value).encode())
