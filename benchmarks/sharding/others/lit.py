"""litdata's optimize: worker processes, chunks of 64 MB, zstd."""

from __future__ import annotations

from collections.abc import Iterator

import litdata

from benchmarks.sharding.others.feed import Asked, Spectrum, run, spectra


def block(bounds: tuple[str, int, int]) -> Iterator[Spectrum]:
    """The spectra of one block of rows."""
    yield from spectra([bounds])


def pipeline(asked: Asked) -> None:
    """One dataset of chunks and an index."""
    litdata.optimize(
        fn=block,
        inputs=asked.bounds(),
        output_dir=str(asked.target),
        num_workers=asked.workers,
        chunk_bytes="64MB",
        compression="zstd",
        verbose=False,
    )


if __name__ == "__main__":
    run(pipeline)
