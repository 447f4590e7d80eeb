"""What an input is: layout, rows, columns; its first and last chunk are read."""

from __future__ import annotations

from pathlib import Path

from remote.findings import Finding, ok
from remote.workloads.shards.inputs.opening import open_inputs
from remote.workloads.shards.schema import OPTIONAL


def what_it_is(path: Path) -> Finding:
    """Open a file as a build does.

    Raises:
        InputUnusable: a build could not use it.
    """
    (source,) = open_inputs([path])
    try:
        source.probe()
        chunks = f", chunks {source.chunks}" if source.chunks else ""
        peaks = f"{source.peaks_per_spectrum():.0f} peaks"
        dtypes = ", ".join(f"{name} {kind}" for name, kind in source.dtypes.items())
        absent = sorted(OPTIONAL - source.columns - {"quality_score"})
        return ok(
            "\n".join(
                [
                    f"{path}: {source.kind}, {source.rows:,} spectra of about {peaks}{chunks}",
                    *([f"holds {dtypes}"] if dtypes else []),
                    f"fills {', '.join(sorted(source.columns))}",
                    f"leaves out {', '.join(absent) or 'none'}",
                    "what is stored first and last can be read",
                ]
            )
        )
    finally:
        source.close()
