"""Is this machine fit to build shards? Software, machine, disk, a small build, and an input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from remote.findings import Check, Finding, examine
from remote.workloads.shards.doctor import inputs, machine, software, trial
from remote.workloads.shards.doctor.place import Place

_CHECKS = (
    Check("python", software.python),
    Check("packages", software.packages),
    Check("lock", software.lock, ("packages",)),
    Check("compiled kernels", software.kernels, ("packages",)),
    Check("HDF5 filters", software.filters, ("packages",)),
    Check("cores", machine.cores_here),
    Check("memory nodes", machine.nodes),
    Check("memory", machine.memory),
    Check("threads", machine.threads),
    Check("open files", machine.open_files),
    Check("output", machine.output),
    Check("disk", machine.disk, ("output",)),
    Check("trial build", trial.build, ("packages", "output")),
)


def findings(output_root: Path, given: Sequence[Path] = ()) -> Iterator[Finding]:
    """Ask everything, one finding at a time; nothing is left behind.

    Args:
        output_root: where shards are to be; need not exist.
        given: inputs to look at.
    """
    yield from examine(_CHECKS, Place(output_root))
    for path in given:
        yield from examine((Check("input", inputs.what_it_is),), path)
