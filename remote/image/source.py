"""Where a missing environment image comes from: this machine's engine, or the host's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from remote.config import environment, state_dir
from remote.errors import EngineUnusable
from remote.hosts.connect import connect
from remote.hosts.docker.engine import Answer, find_engine
from remote.hosts.layout import StateLayout
from remote.hosts.select import local_host
from remote.image import loading
from remote.image.blobs import SavedImage, saved_image
from remote.image.build import build_environment
from remote.image.decide import choose_place
from remote.image.layers import codec_for
from remote.image.target import Target, target_of

OnDetail = Callable[[str], None]


def make_environment(target: Target, say: OnDetail) -> SavedImage | None:
    """Build the environment image: here, giving what is to be pushed, or on the host.

    Raises:
        WorkhorseError: it could not be built; see `build_environment`, `choose_place`.
    """
    if target.host.transport.kind == "local":
        build_environment(target, say)
        return None
    asked, facts = target.host.config.build, target.engine.facts
    with _this_machine(target) as here:
        choice = choose_place(asked, facts, here.engine.facts if here else None)
        if here and choice.where == "here":
            say(f"on this machine: {choice.reason}")
            try:
                return _built_here(target, here, say)
            except EngineUnusable as error:
                if asked == "here":
                    raise
                choice = replace(choice, reason=error.problem)
    say(f"on {target.where}: {choice.reason}")
    build_environment(target, say)
    return None


def saved_here(target: Target, say: OnDetail) -> SavedImage | None:
    """The environment as this machine's engine has it; None where it has none that serves."""
    with _this_machine(target) as here:
        if here is None:
            return None
        choice = choose_place("auto", target.engine.facts, here.engine.facts)
        there = loading.inspect(here.engine, target.names.environment)
        return _saved(target, here, say) if there and choice.where == "here" else None


@contextmanager
def _this_machine(target: Target) -> Iterator[Target | None]:
    """The same project on this machine's engine, where that can be used."""
    config = local_host("docker", "to build on")
    config = replace(config, base_image=target.host.config.base_image)
    if find_engine(environment()).answer is not Answer.ANSWERS:
        yield None
        return
    with connect(config) as here:
        yield target_of(here, target.project, target.digests)


def _built_here(target: Target, here: Target, say: OnDetail) -> SavedImage:
    with here.host.transport.lock(here.lock, lambda: say("another run is building this image")):
        if not loading.inspect(here.engine, here.names.environment):
            build_environment(here, say)
    return _saved(target, here, say)


def _saved(target: Target, here: Target, say: OnDetail) -> SavedImage:
    attrs = loading.inspect(here.engine, here.names.environment)
    assert attrs is not None, here.names.environment
    codec = codec_for(target.engine.facts.version)
    store = StateLayout(state_dir()).cache / "layers"
    return saved_image(here.engine, str(attrs["Id"]), codec, store, say)
