"""A build on the workers of two hosts: what a person with three machines and a share does."""

from __future__ import annotations

import subprocess
import sys
import time
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
MSMS = [sys.executable, "-m", "remote.workloads.shards", "build-shards", "--skip-preflight"]


def test_a_worker_killed_on_one_of_two_hosts_costs_no_byte(
    tmp_path: Path, lab_host: LabHost, other_lab_host: LabHost
) -> None:
    hosts = [lab_host, other_lab_host]
    share = tmp_path / "share"
    ca_file, certificate, key = make_certificates(share / "pki")
    source = write_sample(share / "input.hdf5", ROWS, seed=1)
    command = [*MSMS, f"--input-hdf5={source}", f"--run-id={RUN_ID}", "--batch-size=5000"]
    subprocess.run([*command, f"--output-root={tmp_path / 'expected'}"], check=True)
    tls = [f"--tls-ca-file={ca_file}", f"--tls-cert={certificate}", f"--tls-key={key}"]
    with ExitStack() as stack:
        for host in hosts:
            stack.enter_context(environment(host))
            stack.enter_context(host.shared(share))
            stack.enter_context(host.shaped("100mbit"))
        address, workers = stack.enter_context(cluster(hosts, tmp_path, tls))
        before = [Traffic.of(host) for host in hosts]
        command += [f"--output-root={share / 'out'}", f"--scheduler={address}", *tls]
        killed_at = run_and_kill(command, workers[1], tmp_path / "msms.log")
        crossed = [Traffic.of(host) - was for host, was in zip(hosts, before, strict=True)]
    assert tree(share / "out") == tree(tmp_path / "expected")
    shards = sum(path.stat().st_size for path in (share / "out").rglob("*.parquet"))
    print(f"\nshards: {shards / ROWS:.0f} bytes a spectrum")
    for host, traffic in zip(hosts, crossed, strict=True):
        print(f"{host.name}: {traffic} bytes")
    sent, received = (sum(getattr(t, way) for t in crossed) for way in ("sent", "received"))
    print(f"from the hosts {sent / ROWS:.0f}, to them {received / ROWS:.1f} bytes a spectrum")
    # Had results gone through the scheduler, its host would have received those of the other one.
    assert crossed[0].received < killed_at
    assert sent < 1.4 * shards


def run_and_kill(command: list[str], worker: Program, log: Path) -> int:
    """Run a build; kill the worker once it has sent a result. How much it had sent by then."""
    before = Traffic.of(worker.host).sent
    with log.open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as build:
        while (sent := Traffic.of(worker.host).sent - before) < 3_000_000:
            assert build.poll() is None, log.read_text()
            time.sleep(0.01)
        worker.kill()
        assert build.wait(120) == 0, log.read_text()
    assert "1 Dask worker(s) left" in log.read_text()
    return sent
