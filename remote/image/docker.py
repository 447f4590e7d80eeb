"""Build and push on the docker runtime: what the host's engine lacks, and nothing else.

The environment image goes there once: built here and pushed layer by layer, or built on the host.
The code is two small layers on top of it.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, replace

from remote import figures
from remote.hosts.connect import Host
from remote.hosts.process.environment import INVENTORY
from remote.hosts.ssh.transport import SshTransport
from remote.image import loading, record, trial
from remote.image.append import EnvironmentImage, code_layers, run_image
from remote.image.archive import Image, archive
from remote.image.blobs import SavedImage
from remote.image.build import build_run_image
from remote.image.decide import refuse_emulated
from remote.image.layers import Blob, Layer, codec_for
from remote.image.push import Arrived, push_environment
from remote.image.recent import Recent
from remote.image.source import make_environment, saved_here
from remote.image.target import Target, target_of
from remote.model import CodeDigests, PlacedImage, Project, Pushed, PushWay
from remote.steps import Step, Steps

_INVENTORY_SECONDS = 120


@dataclass(frozen=True, slots=True)
class _Placed:
    """The run image on the engine, how it came there, and what of it was sent."""

    digest: str
    way: PushWay
    sent: tuple[Layer, ...] = ()


def place_image(
    host: Host, project: Project, digests: CodeDigests, steps: Steps, *, try_now: bool = True
) -> PlacedImage:
    """The run image of a project on the host's engine.

    The first of an environment is tried: whether an image of appended layers is as good as a
    built one. That takes an engine seconds; without `try_now` it goes on beside the run.

    Raises:
        BaseImageUnavailable: neither present nor to be pulled.
        BuildFailed: the build's last lines.
        ConfigInvalid: `build: here` cannot serve this host.
        DiskTooSmall: the engine's disk is full.
        EngineUnusable: no docker command has BuildKit where one is needed.
        HostRefused: the image would run under emulation, or the engine does not take it.
        ImageUnusable: the image does not run on the host.
    """
    target = target_of(host, project, digests)
    with ExitStack() as held:
        with steps.step("build") as say:
            saved = _environment(target, held, say)
            code = code_layers(project, digests, codec_for(target.engine.facts.version))
        with steps.step("push") as say:
            before = _sent_bytes(host)
            arrived = push_environment(target, saved, say) if saved else None
            base, known = _look(target, arrived, say)
            placed = _run_image(target, base, known, code, say, try_now=try_now)
            sent = (*(arrived.sent if arrived else ()), *placed.sent)
            pushed = _pushed(placed, base, sent, _sent_bytes(host) - before)
            say.result = told(pushed)
    attrs = loading.inspect(target.engine, target.names.run)
    assert attrs is not None, target.names.run
    return PlacedImage(
        host=host.config,
        digests=digests,
        environment=base.id,
        code=str(attrs["Id"]),
        image_digest=placed.digest,
        modules=known.modules,
        layers=tuple(attrs["RootFS"]["Layers"]),
        pushed=pushed,
    )


def told(pushed: Pushed) -> str:
    """What a push did, in words."""
    layers = figures.plural(pushed.layers_there, "layer")
    size = f" ({figures.size(pushed.bytes_there)})" if pushed.bytes_there else ""
    there = f"{layers}{size} there already"
    sent = figures.size(pushed.bytes_sent)
    match pushed.way:
        case "there":
            return f"nothing to send; {there}"
        case "built":
            return f"built there; {sent} sent"
        case _:
            return f"{figures.plural(pushed.layers_sent, 'layer')} sent ({sent}); {there}"


def _environment(target: Target, held: ExitStack, say: Step) -> SavedImage | None:
    """Make the environment where the engine lacks it; what is to be pushed of it, if anything.

    Whoever makes it holds the host's lock until it is there.
    """
    name = target.names.environment
    if loading.inspect(target.engine, name):
        return None
    waiting = lambda: say("another run is making this environment")  # noqa: E731
    held.enter_context(target.host.transport.lock(target.lock, waiting))
    if loading.inspect(target.engine, name):
        return None
    return make_environment(target, say)


def _look(
    target: Target, arrived: Arrived | None, say: Step
) -> tuple[EnvironmentImage, record.Known]:
    """The environment image on the engine and what is known of it; asked once."""
    name, facts = target.names.environment, target.engine.facts
    attrs = loading.inspect(target.engine, name)
    assert attrs is not None, name
    refuse_emulated(name, str(attrs["Architecture"]), facts, target.where)
    path = record.record_of(target.host, facts, str(attrs["Id"]))
    known = record.read(target.host, path)
    if known is None:
        say(f"looking at the environment on {target.where}")
        command = ("python", "-I", "-c", INVENTORY)
        said = loading.run_once(target.engine, name, command, _INVENTORY_SECONDS, target.where)
        layers = arrived.layers if arrived else None
        if layers is None and facts.image_store == "containerd":
            layers = trial.saved(target, name).layers(attrs["RootFS"]["Layers"])
        known = record.Known(frozenset(json.loads(said)["modules"]), layers)
        record.write(target.host, path, known)
    return EnvironmentImage(name, attrs, known.layers), known


def _run_image(
    target: Target,
    base: EnvironmentImage,
    known: record.Known,
    code: tuple[Blob, ...],
    say: Step,
    *,
    try_now: bool,
) -> _Placed:
    """The run image, appended where that serves, else whole."""
    if target.stage is None:
        return _built(target, say)
    image = run_image(base, target.stage, code, target.names.run)
    nameless = target.engine.facts.image_store == "containerd" and known.layers is None
    if _has(target, image):
        if not known.way and not nameless and not try_now:
            trial.try_in_background(target, image, base.id)
        return _Placed(image.config_digest, "there")
    if known.way == record.WHOLE or nameless:
        return _whole(target, image, code, say)
    fault = ""
    try:
        sent = _append(target, base, image, code)
    except loading.NotLoaded as error:
        fault = str(error)
    if not fault and not known.way:
        if try_now:
            say("trying the image: it starts, it can be saved again, it serves as FROM")
            fault = trial.try_image(target, image, base.id)
        else:
            trial.try_in_background(target, image, base.id)
    if fault:
        say(f"layers cannot be appended there: {fault}")
        return _whole(target, image, code, say)
    return _Placed(image.config_digest, "appended", sent)


def _has(target: Target, image: Image) -> bool:
    found = loading.inspect(target.engine, image.name)
    there = found["RootFS"]["Layers"] if found else None
    return there == [layer.diff_id for layer in image.layers]


def _append(
    target: Target, base: EnvironmentImage, image: Image, code: tuple[Blob, ...]
) -> tuple[Layer, ...]:
    """Load the code's layers; those that the engine has from the last time are only named.

    Raises:
        NotLoaded: the engine does not take them.
    """
    recent = Recent(target)
    shared = recent.shared(base.id, code)
    if shared:
        try:
            return _load(target, recent, base, image, code, shared)
        except loading.NotLoaded:
            pass  # it has forgotten them meanwhile
    return _load(target, recent, base, image, code, ())


def _load(
    target: Target,
    recent: Recent,
    base: EnvironmentImage,
    image: Image,
    code: tuple[Blob, ...],
    shared: tuple[Layer, ...],
) -> tuple[Layer, ...]:
    new = code[len(shared) :]
    layers = (*shared, *(blob.layer for blob in new))
    named = replace(image, layers=(*base.known_layers, *layers))
    loading.load(target.engine, archive(named, new), target.where)
    recent.note(base.id, layers)
    return tuple(blob.layer for blob in new)


def _whole(target: Target, image: Image, code: tuple[Blob, ...], say: Step) -> _Placed:
    """Send every layer, or where this machine does not have them, build on the host."""
    saved = saved_here(target, say) if isinstance(target.host.transport, SshTransport) else None
    if saved is None:
        return _built(target, say)
    blobs = (*saved.blobs, *code)
    whole = replace(image, layers=tuple(blob.layer for blob in blobs))
    say("sending the whole image")
    try:
        loading.load(target.engine, archive(whole, blobs), target.where)
    except loading.NotLoaded as error:
        say(f"it is not taken either ({error}); building there")
        return _built(target, say)
    return _Placed(image.config_digest, "loaded", whole.layers)


def _built(target: Target, say: Step) -> _Placed:
    if not loading.inspect(target.engine, target.names.run):
        build_run_image(target, say)
    attrs = loading.inspect(target.engine, target.names.run)
    assert attrs is not None, target.names.run
    return _Placed(str(attrs["Id"]), "built")


def _pushed(
    placed: _Placed, base: EnvironmentImage, sent: tuple[Layer, ...], link_bytes: int
) -> Pushed:
    """`bytes_sent` is all that went over the link; without one, the layers' own bytes."""
    layers = {*sent}
    environment_sent = {layer.diff_id for layer in sent} & {*base.diff_ids}
    total = len(base.diff_ids) + 2
    return Pushed(
        way=placed.way,
        layers_sent=len(layers),
        bytes_sent=link_bytes or sum(layer.size_bytes for layer in layers),
        layers_there=total - len(layers),
        bytes_there=0 if environment_sent else int(base.attrs["Size"]),
    )


def _sent_bytes(host: Host) -> int:
    transport = host.transport
    return transport.link.sent_bytes if isinstance(transport, SshTransport) else 0
