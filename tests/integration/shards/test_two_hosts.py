"""Builds on the workers of other hosts: what a person with three machines and a share does.

`pytest -s` shows what crossed the links.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from remote.workloads.shards.sample import write_sample
from tests.integration.shards.certificates import make_certificates
from tests.integration.shards.onhosts import Program, Traffic, cluster, environment
from tests.lab.host import LabHost
from tests.unit.shards.making import RUN_ID, tree

pytestmark = [pytest.mark.integration, pytest.mark.ssh]

ROWS = 80_000
A_RESULT = 1_800_000  # bytes of 5,000 spectra


@pytest.fixture(scope="module")
def share(
    tmp_path_factory: pytest.TempPathFactory, lab_host: LabHost, other_lab_host: LabHost
) -> Iterator[Path]:
    """A directory that both hosts can read and this machine can write to, with an input."""
    folder = tmp_path_factory.mktemp("share")
    folder.chmod(0o755)
    write_sample(folder / "input.hdf5", ROWS, seed=1, layout="contiguous")
    with ExitStack() as stack:
        for host in (lab_host, other_lab_host):
            stack.enter_context(environment(host))
            stack.enter_context(host.shared(folder))
        yield folder


@pytest.fixture(scope="module")
def expected(share: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("expected") / "out"
    subprocess.run(msms(share, out), check=True)
    return tree(out)


def msms(share: Path, out: Path, *options: str) -> list[str]:
    """A build of the share's input in tasks of one row group each."""
    build = [sys.executable, "-m", "remote.workloads.shards", "build-shards", "--skip-preflight"]
    build += [f"--input-hdf5={share / 'input.hdf5'}", f"--output-root={out}", f"--run-id={RUN_ID}"]
    return [*build, "--batch-size=5000", *options]


def test_a_worker_killed_on_one_of_two_hosts_costs_no_byte(
    tmp_path: Path,
    share: Path,
    expected: dict[str, bytes],
    lab_host: LabHost,
    other_lab_host: LabHost,
) -> None:
    hosts = [lab_host, other_lab_host]
    ca_file, certificate, key = make_certificates(share / "pki")
    tls = [f"--tls-ca-file={ca_file}", f"--tls-cert={certificate}", f"--tls-key={key}"]
    with ExitStack() as stack:
        for host in hosts:
            stack.enter_context(host.shaped("100mbit"))
        address, workers = stack.enter_context(cluster(hosts, tmp_path, tls=tls))
        assert address.startswith("tls://")
        before = [Traffic.of(host) for host in hosts]
        command = msms(share, share / "out", f"--scheduler={address}", *tls)
        of_the_killed = run_and_kill(command, workers[1], tmp_path / "msms.log")
        crossed = [Traffic.of(host) - was for host, was in zip(hosts, before, strict=True)]
    assert tree(share / "out") == expected
    shards = sum(len(data) for name, data in expected.items() if name.endswith(".parquet"))
    tell(hosts, crossed, shards)
    # Had results gone through the scheduler, its host would have received those of the other one.
    assert crossed[0].received < of_the_killed / 4
    assert sum(traffic.received for traffic in crossed) < ROWS * 5
    assert sum(traffic.sent for traffic in crossed) < 1.1 * shards + 2 * A_RESULT


def run_and_kill(command: list[str], worker: Program, log: Path) -> int:
    """Run a build; kill the worker once it has sent two results. How much it had sent by then."""
    before = Traffic.of(worker.host).sent
    with log.open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as build:
        while (sent := Traffic.of(worker.host).sent - before) < 2.5 * A_RESULT:
            assert build.poll() is None, log.read_text()
            time.sleep(0.01)
        worker.kill()
        assert build.wait(120) == 0, log.read_text()
    assert "1 Dask worker(s) left" in log.read_text()
    return sent


def tell(hosts: Sequence[LabHost], crossed: Sequence[Traffic], shards: int) -> None:
    """Print what crossed the links, beside what was written."""
    print(f"\nbytes a spectrum: {shards / ROWS:.1f} in shards")
    for host, traffic in zip(hosts, crossed, strict=True):
        print(
            f"{host.name}: {traffic.sent / ROWS:.1f} from it, {traffic.received / ROWS:.1f} to it"
        )


def test_results_of_workers_out_of_reach_come_through_the_scheduler(
    tmp_path: Path, share: Path, expected: dict[str, bytes], lab_host: LabHost
) -> None:
    with cluster([lab_host], tmp_path, worker_at="127.0.0.1") as (address, _):
        command = msms(share, tmp_path / "out", f"--scheduler={address}")
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "1 Dask worker(s) cannot be reached from here (tcp://127.0.0.1:" in done.stderr
    assert tree(tmp_path / "out") == expected
