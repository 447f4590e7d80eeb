"""What only the cell over SSH can show: the same bytes as here, and a link that goes away."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from remote.errors import EngineUnusable, HostUnreachable
from remote.hosts.connect import connect
from remote.model import Message, Project, RunState, StepDetail, StepStarted
from remote.results.verify import verify
from remote.run import flow, here, runs
from tests.contract.cells import Cell, Heard, in_background, now, until, written
from tests.contract.conftest import open_cell
from tests.lab.host import LabHost

SENT = re.compile(r"data\.txt: (\d+) of 40 MB")
pytestmark = [pytest.mark.integration, pytest.mark.ssh]


@pytest.fixture
def swept(ssh_cell: Cell) -> Iterator[None]:
    """Ids that a cut link left on the host go with their controller, which is this process."""
    yield
    with connect(ssh_cell.config) as host:
        for name in host.transport.names(host.layout.runs):
            if host.transport.read(host.layout.run(name) / "run.json") is None:
                host.transport.remove(host.layout.run(name))


@pytest.fixture
def impatient(swept: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead link is noticed sooner than people would like."""
    monkeypatch.setattr("remote.hosts.ssh.link.PROBE_SECONDS", 0.5)
    monkeypatch.setattr("remote.hosts.ssh.link.SILENCE_SECONDS", 3)


def test_the_same_shards_as_here(ssh_cell: Cell, shards_project: Project, tmp_path: Path) -> None:
    from remote.workloads.shards.sample import write_sample

    sample = tmp_path / "sample.hdf5"
    write_sample(sample, 12_000, seed=7)
    found = []
    for cell in (
        open_cell("local+process", shards_project),
        replace(ssh_cell, project=shards_project),
    ):
        sealed = cell.run("10_build_shards", input_hdf5=sample, run_id="same")
        assert sealed.outcome.state is RunState.SUCCEEDED, sealed.outcome.details["error"]
        found.append({n: b for n, b in written(sealed.path).items() if n.endswith(".parquet")})
    assert found[0]
    assert found[0] == found[1]


@pytest.mark.usefixtures("impatient")
def test_a_link_that_goes_for_good_and_a_run_that_does_not(
    ssh_cell: Cell, lab_host: LabHost
) -> None:
    """Cut while the run goes on: one clear error; later, the sealed folder."""
    heard = Heard()
    request = ssh_cell.request("waits")
    join = in_background(lambda: flow.execute(request, heard, clock=now))
    until(lambda: bool(heard.events("cell_started")), "it does not start")
    with lab_host.link_cut(), pytest.raises(HostUnreachable) as caught:
        join()
    assert "the link is down (nothing heard for" in caught.value.problem
    assert caught.value.exit_code == 3
    way_back = re.search(r"remote attach (waits_\S+) --host mini$", caught.value.hint)
    assert way_back

    with connect(ssh_cell.config) as host:
        run = runs.find_run(host, way_back[1])
        assert run.state is RunState.RUNNING
        ssh_cell.started(host, run.directory)
        ssh_cell.go_on(host, run.directory)
        results = ssh_cell.project.root / "results"
        sealed = runs.attach(host, run.id, results, Heard(), clock=now)
    assert sealed.outcome.state is RunState.SUCCEEDED
    assert set(written(sealed.path)) == {"started", "go", "ended"}


@pytest.mark.usefixtures("impatient")
def test_a_link_that_is_cut_while_an_input_is_sent(
    ssh_cell: Cell, lab_host: LabHost, tmp_path: Path
) -> None:
    """One clear error, no claim, nothing under its final name; the same command then goes on."""
    path = tmp_path / "data.txt"
    path.write_bytes(b"0123456789" * 4_000_000)
    heard = Heard()
    request = ssh_cell.request("reads", data=path)
    with lab_host.shaped("50mbit"):
        join = in_background(lambda: flow.execute(request, heard, clock=now))
        until(lambda: max(_megabytes(heard), default=0) > 12, "nothing is sent")
        with lab_host.link_cut(), pytest.raises(HostUnreachable, match="the link is down"):
            join()
    results = ssh_cell.project.root / "results"
    assert not list((results / ".incoming").glob("reads_*"))
    with connect(ssh_cell.config) as host:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert digest not in host.transport.names(host.layout.inputs)
    again = Heard()
    sealed = ssh_cell.run("reads", again, data=path)
    assert sealed.outcome.state is RunState.SUCCEEDED
    assert _megabytes(again)[0] > 3, "it began anew"
    with connect(ssh_cell.config) as host:
        assert not [run.id for run in runs.list_runs(host) if "reads" in run.id]


def _megabytes(heard: Heard) -> list[int]:
    """What staging said that the host has, one time after the other."""
    details = [message for message in heard.messages if isinstance(message, StepDetail)]
    found = [SENT.match(one.detail) for one in details if one.step == "stage"]
    return [int(match[1]) for match in found if match]


@pytest.mark.usefixtures("impatient")
def test_a_link_that_is_cut_while_the_image_is_built(
    ssh_cell: Cell, lab_host: LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link is blamed, not the build."""
    heard = Heard()
    notebook = ssh_cell.project.notebooks / "writes.ipynb"
    original = notebook.read_text()
    notebook.write_text(original.replace("wrote", "wrote "))  # another image
    request = ssh_cell.request("writes")
    cut = lab_host.link_cut()

    def listener(message: Message) -> None:
        heard(message)
        if isinstance(message, StepStarted) and message.step == "build":
            cut.__enter__()

    try:
        with pytest.raises(HostUnreachable, match="the link is down"):
            flow.execute(request, listener, clock=now)
    finally:
        cut.__exit__(None, None, None)
        notebook.write_text(original)
    assert not list((ssh_cell.project.root / "results" / ".incoming").glob("writes_*"))
    assert ssh_cell.run("writes").outcome.state is RunState.SUCCEEDED


@pytest.mark.usefixtures("impatient")
def test_a_link_that_is_cut_when_the_result_is_sealed(ssh_cell: Cell, lab_host: LabHost) -> None:
    """The host keeps a run that nobody needs any more, until `collect` is asked for it."""
    cut = lab_host.link_cut()

    def listener(message: Message) -> None:
        if isinstance(message, StepStarted) and message.step == "seal":
            cut.__enter__()

    results = ssh_cell.project.root / "results"
    places = here.Places(this_machine=False, others=(ssh_cell.config,))
    ssh_cell.tried()
    with connect(ssh_cell.config) as host:
        run = ssh_cell.launch(host, "writes")
    try:
        with pytest.raises(HostUnreachable, match="the link is down"):
            here.attach(run.id, results, listener, clock=now, places=places)
    finally:
        cut.__exit__(None, None, None)
    verify(results / run.id, results).refuse_damage()
    assert [one.state for one in here.list_runs(places) if one.id == run.id] == ["succeeded"]
    sealed = here.collect(run.id, results, Heard(), clock=now, places=places)
    assert sealed.path == results / run.id
    assert [one for one in here.list_runs(places) if one.id == run.id] == []
    again = here.collect(run.id, results, Heard(), clock=now, places=places)
    assert again.path == sealed.path


@pytest.mark.slow
def test_a_link_that_is_cut_for_ten_seconds_is_survived(ssh_cell: Cell, lab_host: LabHost) -> None:
    heard = Heard()
    request = ssh_cell.request("waits", seconds=14)
    join = in_background(lambda: flow.execute(request, heard, clock=now))
    until(lambda: bool(heard.events("cell_started")), "it does not start")
    with lab_host.link_cut():
        time.sleep(10)
    assert join().outcome.state is RunState.SUCCEEDED


def test_no_docker_where_it_was_looked_for(ssh_cell: Cell) -> None:
    config = replace(ssh_cell.config, docker_binary="/opt/none/docker")
    with pytest.raises(EngineUnusable, match="/opt/none/docker"), connect(config):
        pass


def test_an_engine_that_the_user_may_not_use(ssh_cell: Cell, lab_host: LabHost) -> None:
    lab_host.run("chmod", "600", "/run/docker.sock")
    try:
        with (
            pytest.raises(EngineUnusable, match=f"may not be used by {lab_host.user}"),
            connect(ssh_cell.config),
        ):
            pass
    finally:
        lab_host.run("chmod", "660", "/run/docker.sock")
