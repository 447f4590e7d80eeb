"""A small build from generated spectra, validated, and what its pace predicts."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from remote.errors import IntegrityFailure
from remote.findings import Finding, ok
from remote.workloads.durable import writing_errors
from remote.workloads.shards.doctor.place import Place

SPECTRA = 20_000
_SEED = 42
_LARGE_BYTES = 9e9


def build(place: Place) -> Finding:
    """Build and validate on the disk of the shards.

    Raises:
        WorkhorseError: as the build and the check say.
    """
    from remote.workloads.shards.build import build_shards
    from remote.workloads.shards.sample import write_sample
    from remote.workloads.shards.settings import BuildSettings
    from remote.workloads.shards.validate import validate

    with (
        writing_errors(place.nearest),
        tempfile.TemporaryDirectory(prefix=".doctor-", dir=place.nearest) as made,
    ):
        path = write_sample(Path(made) / "trial.hdf5", SPECTRA, _SEED, "row-chunks")
        root = Path(made) / "shards"
        built = build_shards(
            BuildSettings(), input_hdf5=path, output_root=root, skip_preflight=True
        )
        began = time.monotonic()
        found = validate(root, full=True)
        if found.problems:
            raise IntegrityFailure(
                f"what was built is not as recorded: {found.problems[0]}",
                hint="the disk or the memory may be failing: try another --output-root",
            )
        took = time.monotonic() - began
        size = path.stat().st_size
    return of_pace(built.seconds, took, size)


def of_pace(building: float, checking: float, size: int) -> Finding:
    """What a build of SPECTRA from a file of `size` bytes says of a large file."""
    rate = SPECTRA / building
    many = _LARGE_BYTES / size * SPECTRA
    return ok(
        f"{SPECTRA:,} spectra built in {building:.1f} s ({rate:,.0f} a second, start and end "
        f"included), validated in {checking:.1f} s\n"
        f"a file of 9 GB has about {many / 1e6:.0f} million: at most {_minutes(many / rate)}, as "
        "larger files go faster; build-shards --dry-run tries the file itself"
    )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
