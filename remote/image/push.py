"""Push an environment image: layer by layer, each one that the host lacks.

After each layer the engine has an image of all up to there, so that a push that was cut goes on
with the layer that was under way; an engine by itself forgets what an unfinished load brought.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError

from remote import figures
from remote.errors import HostRefused, IntegrityFailure
from remote.hosts.docker.engine import Engine
from remote.image import loading, record
from remote.image.archive import Image, archive
from remote.image.blobs import SavedImage
from remote.image.layers import Blob, Layer
from remote.image.target import Target

# How long an engine may take to clean up after what was taken away from it.
_CLEANING_SECONDS = 3

OnDetail = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Arrived:
    """An environment image on its host: the blobs that its store has, and what was sent."""

    layers: tuple[Layer, ...]
    sent: tuple[Layer, ...]


def push_environment(target: Target, saved: SavedImage, say: OnDetail) -> Arrived:
    """Give the target's engine the environment image; what of it is there is not sent.

    Raises:
        DiskTooSmall: the engine's disk is full; the layers before stay for the next try.
        HostRefused: the engine does not take it.
        HostUnreachable: the link is down; the layers before stay for the next try.
        IntegrityFailure: the host's image is not the one that was sent.
    """
    parts = _Parts(target)
    have = parts.longest(tuple(blob.layer.diff_id for blob in saved.blobs))
    try:
        try:
            arrived = _push(target, saved, parts, have, say)
        except loading.NotLoaded:  # an engine that cleans up takes layers away that it has told of
            parts.forget()
            time.sleep(_CLEANING_SECONDS)
            arrived = _push(target, saved, parts, (), say)
    except loading.NotLoaded as error:
        raise HostRefused(
            f"{target.where}: its Docker Engine does not take the environment's image: {error}",
            hint="`build: host` in configs/hosts.yaml has it built there instead",
        ) from error
    _check(target.engine, saved.config, target.names.environment, target.where)
    parts.forget()
    return arrived


def _push(
    target: Target, saved: SavedImage, parts: _Parts, have: tuple[Layer, ...], say: OnDetail
) -> Arrived:
    """Send all layers but those that the engine has.

    Raises:
        NotLoaded: the engine does not take one.
    """
    engine, name, total = target.engine, target.names.environment, len(saved.blobs)
    layers, sent = list(have), []
    for count in range(len(have) + 1, total + 1):
        blob = saved.blobs[count - 1]
        layers.append(blob.layer)
        image = Image(saved.config, tuple(layers), name)
        if count < total:
            image = Image(_part(saved.config, count), tuple(layers), parts.name)
        pieces = _told(archive(image, [blob]), blob, f"layer {count} of {total}", say)
        loading.load(engine, pieces, target.where)
        sent.append(blob.layer)
        if count < total:
            parts.note(layers)
    if not sent:  # all layers are there, below another name
        loading.load(engine, archive(Image(saved.config, have, name), []), target.where)
    return Arrived(tuple(layers), tuple(sent))


class _Parts:
    """Images of the host that begin as this one does, and the one of a push that was cut."""

    def __init__(self, target: Target) -> None:
        self._host = target.host
        self._engine = target.engine
        self.name = f"workhorse-part:{target.names.environment.rpartition(':')[2]}"
        self._path = target.host.layout.cache / "images" / f"{self.name.replace(':', '-')}.json"

    def longest(self, diff_ids: Sequence[str]) -> tuple[Layer, ...]:
        """The leading layers that the engine has already, as its store knows them."""
        found = max(self._candidates(), key=lambda one: _shared(one, diff_ids), default=())
        return found[: _shared(found, diff_ids)]

    def note(self, layers: Sequence[Layer]) -> None:
        """Remember what the store has by now."""
        record.write_json(self._host, self._path, [one.as_json() for one in layers])

    def forget(self) -> None:
        """The whole image is there: the part is only a name for some of it."""
        with suppress(APIError):
            self._engine.client.images.remove(self.name)
        self._host.transport.discard(self._path)

    def _candidates(self) -> Iterator[tuple[Layer, ...]]:
        noted = record.read_json(self._host, self._path)
        part = loading.inspect(self._engine, self.name)
        if noted and part:
            yield _agreeing(tuple(map(Layer.from_json, noted)), part)
        for image in self._engine.client.images.list():
            facts = self._engine.facts
            known = record.read(self._host, record.record_of(self._host, facts, str(image.id)))
            if known and known.layers:
                yield _agreeing(known.layers, image.attrs)
            elif facts.image_store != "containerd":  # found by diff ids; no blob is to be named
                yield tuple(Layer(one, one, 0, "") for one in image.attrs["RootFS"]["Layers"])


def _agreeing(layers: tuple[Layer, ...], attrs: Any) -> tuple[Layer, ...]:
    there = attrs["RootFS"]["Layers"]
    return layers if [one.diff_id for one in layers] == there else ()


def _shared(layers: Sequence[Layer], diff_ids: Sequence[str]) -> int:
    """How many layers two images share from the bottom up."""
    count = 0
    for layer, diff_id in zip(layers, diff_ids, strict=False):
        if layer.diff_id != diff_id:
            break
        count += 1
    return count


def _part(config: bytes, count: int) -> bytes:
    """The configuration of the image that the first layers make."""
    whole = json.loads(config)
    rootfs = {"type": "layers", "diff_ids": whole["rootfs"]["diff_ids"][:count]}
    kept = {name: whole[name] for name in ("architecture", "os", "variant") if name in whole}
    return json.dumps({**kept, "config": {}, "rootfs": rootfs}, sort_keys=True).encode()


def _told(pieces: Iterator[bytes], blob: Blob, title: str, say: OnDetail) -> Iterator[bytes]:
    done, size = 0, blob.layer.size_bytes
    for piece in pieces:
        yield piece
        done += len(piece)
        say(f"{title}: {figures.part(min(done, size), size)} sent")
    say(f"{title}: the host unpacks it")


def _check(engine: Engine, config: bytes, name: str, where: str) -> None:
    found = loading.inspect(engine, name)
    there = found["RootFS"]["Layers"] if found else []
    if there != json.loads(config)["rootfs"]["diff_ids"]:
        raise IntegrityFailure(
            f"{where}: the image {name} that arrived is not the one that was sent",
            hint=f"docker image rm {name} there, and start the run again",
        )
