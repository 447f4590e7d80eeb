"""A Dask scheduler and workers as the user of lab hosts starts them, and what crosses the links."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.shards.schedulers import ROOT, SECONDS_TO_START
from tests.lab.host import LabHost

PORT = 8786
_ONE_THREAD = ("--nthreads=1", "--memory-limit=0", "--no-nanny")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes over the link of a host, as its interface counts them."""

    received: int
    sent: int

    @classmethod
    def of(cls, host: LabHost) -> Traffic:
        """So far."""
        lines = Path(f"/proc/{host.process_1}/net/dev").read_text().splitlines()
        counts = next(line for line in lines if line.strip().startswith("eth0:")).split()[1:]
        return cls(int(counts[0]), int(counts[8]))

    def __sub__(self, before: Traffic) -> Traffic:
        return Traffic(self.received - before.received, self.sent - before.sent)


@dataclass(frozen=True, slots=True)
class Program:
    """A Dask program of the user of a host."""

    host: LabHost
    session: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """SIGKILL, as where memory ends."""
        pid = self.log.read_text().split(maxsplit=1)[0]
        self.host.run("kill", "-KILL", pid, check=False)

    def wait_for(self, text: str) -> None:
        """Until it has said so."""
        deadline = time.monotonic() + SECONDS_TO_START
        while text not in self.log.read_text():
            assert self.session.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)


@contextmanager
def environment(host: LabHost) -> Iterator[None]:
    """This checkout and its Python are on the host too, where its user can read them."""
    with ExitStack() as stack:
        stack.callback(host.run, "chmod", "700", "/root", check=False)
        host.run("chmod", "711", "/root")  # where a Python of root's own lies
        for folder in sorted({ROOT, Path(sys.prefix), Path(sys.base_prefix)}):
            if host.ssh("ls", os.fspath(folder / "*"), check=False).returncode != 0:
                stack.enter_context(host.shared(folder))
        yield


@contextmanager
def cluster(
    hosts: Sequence[LabHost], folder: Path, *, tls: Sequence[str] = (), worker_at: str = ""
) -> Iterator[tuple[str, list[Program]]]:
    """A scheduler on the first host, a worker on each; its address, and the workers.

    `folder` gets what they say; `tls` are options that every one of them is given; workers listen
    at `worker_at`, or at their host's own address.
    """
    address = f"{'tls' if tls else 'tcp'}://{hosts[0].address}:{PORT}"
    protocol = f"--protocol={address.split(':', maxsplit=1)[0]}"
    with ExitStack() as stack:
        options = [protocol, f"--host={hosts[0].address}", f"--port={PORT}", *tls]
        scheduler = stack.enter_context(
            _started(hosts[0], folder / "scheduler.log", "scheduler", options)
        )
        scheduler.wait_for("Scheduler at:")
        workers = []
        for host in hosts:
            options = [address, f"--host={worker_at or host.address}", *_ONE_THREAD, *tls]
            log = folder / f"{host.name}.log"
            workers.append(stack.enter_context(_started(host, log, "worker", options)))
        for worker in workers:
            worker.wait_for("Registered to:")
        yield address, workers


@contextmanager
def _started(host: LabHost, log: Path, program: str, options: Iterable[str]) -> Iterator[Program]:
    """The session ends when the program does, which nobody could end through it."""
    dask = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--no-dashboard", *options]
    ours = ["env", f"PYTHONPATH={ROOT}", "OMP_NUM_THREADS=1", *dask]
    ssh = ["ssh", "-F", os.fspath(host.ssh_config), "-o", "BatchMode=yes", host.name]
    with log.open("ab") as said:
        session = subprocess.Popen(
            [*ssh, "echo $$; exec", *ours], stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    found = Program(host, session, log)
    with session:
        try:
            yield found
        finally:
            if session.poll() is None and host.slot.process_1() is not None:
                found.kill()
            session.terminate()
