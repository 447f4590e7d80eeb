"""Builds on the workers of a Dask scheduler: real programs on the loopback."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client

from remote.errors import SchedulerUnusable, WorkersRefused
from remote.workloads.shards import BuildResult, BuildSettings, build_shards
from remote.workloads.shards.execution import dask as on_dask
from remote.workloads.shards.execution.onworkers import Expected
from remote.workloads.shards.meter import Progress
from tests.integration.shards.certificates import make_certificates
from tests.integration.shards.schedulers import Scheduler, scheduler
from tests.unit.shards.making import RUN_ID, make_input, tree

pytestmark = pytest.mark.integration


def build(root: Path, inputs: Any, **options: Any) -> BuildResult:
    options = {"run_id": RUN_ID, "skip_preflight": True, "batch_size": 2_000, **options}
    settings = BuildSettings(max_shard_size_bytes=1_000_000)
    return build_shards(settings, input_hdf5=inputs, output_root=root, **options)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("inputs")
    return [
        make_input(folder / "first.hdf5", 43_333, 1),
        make_input(folder / "second.hdf5", 12_000, 2, bad=(4_900, 10_050)),
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, inputs: list[Path]) -> dict[str, bytes]:
    return tree(build(tmp_path_factory.mktemp("expected") / "out", inputs).manifest.parent)


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    with scheduler(tmp_path_factory.mktemp("dask"), workers=2) as found:
        yield found


@pytest.mark.parametrize("options", [{}, {"num_workers": 1, "batch_size": 777}, {"num_workers": 3}])
def test_bytes_are_those_of_a_build_without_dask(
    tmp_path: Path,
    inputs: list[Path],
    expected: dict[str, bytes],
    two_workers: Scheduler,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    build(tmp_path / "out", inputs, scheduler=two_workers.address, **options)
    assert tree(tmp_path / "out") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def open_files(process: subprocess.Popen[bytes]) -> list[str]:
    """The names of the files that it has open at this moment."""
    names = []
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            names.append(str(link.readlink()))
    return names


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no list of open files here")
def test_nothing_of_a_build_stays_open_in_the_workers(
    tmp_path: Path, inputs: list[Path], two_workers: Scheduler
) -> None:
    seen: list[bool] = []

    def watch(_: Progress) -> None:
        seen.append(any("first.hdf5" in name for name in open_files(two_workers.workers[0])))

    build(tmp_path / "out", inputs, scheduler=two_workers.address, watch=watch)
    assert any(seen)
    deadline = time.monotonic() + 5
    while any("first.hdf5" in name for name in open_files(two_workers.workers[0])):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_input_that_workers_see_otherwise_is_refused(
    tmp_path: Path, two_workers: Scheduler
) -> None:
    path = make_input(tmp_path / "a.hdf5", 3_000)
    problems = Expected({"numpy": "0.1"}, {str(tmp_path / "b.hdf5"): "x", str(path): "y"})
    with (
        on_dask._connected(two_workers.address, None) as client,
        pytest.raises(WorkersRefused) as caught,
    ):
        on_dask.refuse_others(client, problems)
    for part in ("numpy", "0.1 here", "b.hdf5 (No such file", f"{path} is another file there"):
        assert caught.value.problem.count(part) == 2, part
    assert caught.value.problem.count("Dask worker tcp://127.0.0.1:") == 2


def test_a_killed_worker_costs_no_byte_and_a_killed_scheduler_no_work(
    tmp_path: Path, inputs: list[Path], expected: dict[str, bytes]
) -> None:
    with scheduler(tmp_path / "dask", workers=2) as found:
        left = [found.workers[0]]

        def watch(now: Progress) -> None:
            if now.done > 10_000 and left:
                left.pop().kill()

        build(tmp_path / "out", inputs, scheduler=found.address, num_workers=4, watch=watch)
        assert not left
        assert tree(tmp_path / "out") == expected

        def watch_again(now: Progress) -> None:
            if now.done > 10_000:
                found.process.kill()

        with pytest.raises(SchedulerUnusable, match="is gone") as caught:
            build(tmp_path / "again", inputs, scheduler=found.address, watch=watch_again)
    assert "--resume" in caught.value.hint
    assert build(tmp_path / "again", inputs, resume=True).resumed_rows > 0
    assert tree(tmp_path / "again") == expected


def test_an_end_that_comes_with_an_answer_of_the_scheduler_is_heard(
    two_workers: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on_dask._connected(two_workers.address, None) as client:
        asked: list[asyncio.Future[dict[str, int]]] = []

        def ncores() -> asyncio.Future[dict[str, int]]:
            asked.append(asyncio.get_running_loop().create_future())
            return asked[-1]

        monkeypatch.setattr(client.scheduler, "ncores", ncores, raising=False)
        crew: on_dask.DaskCrew[Any, Any] = on_dask.DaskCrew(client, "nothing", str)

        async def answer_and_end() -> None:
            asked[-1].set_result({})
            await crew._stop()

        asyncio.run_coroutine_threadsafe(answer_and_end(), crew._loop).result(20)


def test_workers_that_go_are_missing_or_are_others(
    tmp_path: Path, inputs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_dask, "SECONDS_WITHOUT_WORKERS", 2)
    with scheduler(tmp_path / "dask", workers=1) as found:

        def watch(now: Progress) -> None:
            if now.done > 10_000:
                found.workers[0].kill()

        with pytest.raises(SchedulerUnusable, match="no workers for 2 seconds"):
            build(tmp_path / "gone", inputs, scheduler=found.address, watch=watch)
        with pytest.raises(SchedulerUnusable, match="no workers for 2 seconds"):
            build(tmp_path / "missing", inputs, scheduler=found.address)
        (tmp_path / "older" / "remote").mkdir(parents=True)
        (tmp_path / "older" / "remote" / "__init__.py").touch()
        found.add_worker(environment={"PYTHONPATH": str(tmp_path / "older")})
        monkeypatch.setattr(on_dask, "SECONDS_WITHOUT_WORKERS", 30)
        with pytest.raises(WorkersRefused, match=r"Dask worker tcp://.*not this version"):
            build(tmp_path / "others", inputs, scheduler=found.address)


def answering(link: socket.socket) -> None:
    """An HTTP server, as far as a client of Dask can see."""
    with link:
        while True:
            try:
                client, _ = link.accept()
            except OSError:
                return
            with client:
                client.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")


def test_where_no_dask_scheduler_is(
    tmp_path: Path, inputs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_dask, "SECONDS_TO_CONNECT", 2)
    with socket.create_server(("127.0.0.1", 0)) as link:
        nobody = f"tcp://127.0.0.1:{link.getsockname()[1]}"
    with pytest.raises(SchedulerUnusable, match=f"No Dask scheduler answers at {nobody}"):
        build(tmp_path / "out", inputs, scheduler=nobody)
    link = socket.create_server(("127.0.0.1", 0))
    other = f"tcp://127.0.0.1:{link.getsockname()[1]}"
    thread = threading.Thread(target=answering, args=(link,), daemon=True)
    thread.start()
    with pytest.raises(SchedulerUnusable, match=f"No Dask scheduler answers at {other}"):
        build(tmp_path / "out2", inputs, scheduler=other)
    link.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_over_tls_with_certificates_and_not_without(
    tmp_path: Path,
    inputs: list[Path],
    expected: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(on_dask, "SECONDS_TO_CONNECT", 2)
    ca_file, cert, key = map(str, make_certificates(tmp_path / "pki"))
    options = [f"--tls-ca-file={ca_file}", f"--tls-cert={cert}", f"--tls-key={key}"]
    with scheduler(tmp_path / "dask", workers=1, options=options, protocol="tls") as found:
        assert found.address.startswith("tls://")
        tls = {"tls_ca_file": ca_file, "tls_cert": cert, "tls_key": key}
        build(tmp_path / "out", inputs, scheduler=found.address, **tls)
        other, _, _ = map(str, make_certificates(tmp_path / "others"))
        tls["tls_ca_file"] = other
        with pytest.raises(SchedulerUnusable, match="No Dask scheduler answers"):
            build(tmp_path / "refused", inputs, scheduler=found.address, **tls)
    assert tree(tmp_path / "out") == expected


def test_tls_that_nothing_is_known_of_is_one_error(tmp_path: Path, inputs: list[Path]) -> None:
    with pytest.raises(SchedulerUnusable, match="No Dask scheduler answers") as caught:
        build(tmp_path / "out", inputs, scheduler="tls://127.0.0.1:1")
    assert "--tls-ca-file" in caught.value.hint
    gc.collect()  # clients of earlier builds
    clients = [x for x in gc.get_objects() if issubclass(type(x), Client)]
    assert {client.status for client in clients} <= {"closed"}


def test_dask_here_goes_on_without_a_killed_worker(
    tmp_path: Path, inputs: list[Path], expected: dict[str, bytes]
) -> None:
    """Its nanny starts another one."""
    killed: list[int] = []

    def watch(now: Progress) -> None:
        if now.done > 10_000 and not killed:
            workers = [p for p in psutil.Process().children(recursive=True) if is_worker(p)]
            killed.append(workers[0].pid)
            workers[0].kill()

    build(
        tmp_path / "out",
        inputs,
        mode="production",
        use_dask=True,
        num_workers=1,
        watch=watch,
    )
    assert killed
    shards = {name: data for name, data in expected.items() if name.startswith("train/")}
    found = tree(tmp_path / "out")
    assert {name: data for name, data in found.items() if name.startswith("train/")} == shards
    assert not [p for p in psutil.Process().children(recursive=True) if is_worker(p)]


@pytest.mark.parametrize("mode", ["local", "production"])
def test_dask_here_listens_to_this_machine_alone_and_leaves_no_file(
    tmp_path: Path, inputs: list[Path], mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listening: set[str] = set()
    others = psutil.Process().children(recursive=True)

    def watch(now: Progress) -> None:
        if now.done == now.total:
            me = psutil.Process()
            for process in {me, *me.children(recursive=True)}.difference(others):
                links = process.net_connections("inet")
                listening.update(link.laddr.ip for link in links if link.status == "LISTEN")

    build(tmp_path / "out", inputs, mode=mode, use_dask=True, num_workers=1, watch=watch)
    assert listening <= {"127.0.0.1"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def is_worker(process: psutil.Process) -> bool:
    """Whether it is a worker and not the helper that multiprocessing keeps."""
    return any("spawn_main" in word for word in process.cmdline())
