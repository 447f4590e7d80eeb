"""Earlier runs that a run reads: on its host before it starts, kept there once they are sealed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from remote import figures
from remote.errors import HostRefused, IntegrityFailure
from remote.hosts.command import CommandFailed
from remote.hosts.connect import Host
from remote.hosts.ssh.transport import SshTransport
from remote.hosts.stores.results import Copy, ResultStore
from remote.model import Parameter, RunState, SealedRun, StagedRun
from remote.results import manifest
from remote.run.inputs import folder_of
from remote.steps import Steps


def stage_runs(
    host: Host,
    parameters: tuple[Parameter, ...],
    results_root: Path,
    on_detail: Callable[[str], None],
    on_notice: Callable[[str], None],
) -> tuple[StagedRun, ...]:
    """Make the run that every InputRun parameter names available on the host.

    This machine's results are used where they lie; another host uses the copy that it kept or
    was sent before, or is sent one.

    Raises:
        DiskTooSmall: the host lacks the room.
        IntegrityFailure: a folder here is not what was sealed.
    """
    staged = []
    for parameter in parameters:
        if parameter.kind != "input_run" or not parameter.value:
            continue
        folder = folder_of(parameter)
        sealed = manifest.read(results_root.absolute() / folder)
        copy = _copy(host, sealed, on_detail, on_notice)
        staged.append(StagedRun(parameter.name, folder, copy.path, sealed.sha256, copy.taken_from))
    return tuple(staged)


def keep(host: Host, sealed: SealedRun, steps: Steps) -> None:
    """Leave the files of a run that succeeded on its host, for runs that read them.

    The run is sealed: where no copy can be kept, this is said and nothing else.

    Raises:
        HostUnreachable: the link is down.
    """
    if not isinstance(host.transport, SshTransport):
        return
    if sealed.outcome.state is not RunState.SUCCEEDED:
        return
    name, store = host.config.name, ResultStore(host.transport, host.layout)
    with steps.step("keep", f"a copy on {name}"):
        try:
            store.keep(host.layout.run(sealed.id), manifest.read(sealed.path))
        except (CommandFailed, HostRefused, IntegrityFailure, OSError) as error:
            why = getattr(error, "problem", str(error))
            steps.notice(f"{name} keeps no copy of {sealed.id} for later runs: {why}")


def _copy(
    host: Host,
    sealed: manifest.Sealed,
    on_detail: Callable[[str], None],
    on_notice: Callable[[str], None],
) -> Copy:
    if not isinstance(host.transport, SshTransport):
        return Copy(sealed.folder, "here")
    name = sealed.folder.name
    on_detail(f"{name}: its copy on {host.config.name}")

    def told(done: int, total: int) -> None:
        on_detail(f"{name}: {figures.part(done, total)}")

    def damaged(path: Path) -> None:
        on_notice(
            f"{host.config.name}: {path} is not what was sealed any more; it is removed and sent "
            "again"
        )

    return ResultStore(host.transport, host.layout).provide(sealed, told, damaged)
