"""One shard, opened for reading: page checksums are verified, and errors name the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import LocalFileSystem

from remote.errors import IntegrityFailure, ResultsUnusable
from remote.workloads.shards.output.versions import refuse_newer

FORMAT = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(
        page_checksum_verification=True, pre_buffer=True
    )
)
_DISK = LocalFileSystem()
# Footers of large shards take milliseconds to parse and megabytes to hold.
_MOST_OPEN = 32


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Say of which file Arrow's complaints are.

    Raises:
        ResultsUnusable: the file is not there, or not to be opened.
        IntegrityFailure: it is damaged.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError) as error:
        raise ResultsUnusable(
            f"{path} cannot be opened: {error}.", hint="Name a dataset's folder, or a shard."
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise IntegrityFailure(
            f"{path} is damaged: {first_line(error)}",
            hint="`msms validate-shards` on its dataset names all that is damaged; build the "
            "dataset again, or fetch the file again.",
        ) from error


def first_line(error: Exception) -> str:
    """What an error of Arrow's says, without where in Arrow's own code."""
    return str(error).partition("\n")[0].rstrip(". ") + "."


def opened(path: Path) -> Any:
    """The shard as a fragment of a dataset, its footer read.

    Raises:
        ResultsUnusable, IntegrityFailure: see `damage_named`.
        ResultsUnusable: it is of a newer schema version.
    """
    with damage_named(path):
        seen = path.stat()
    return _opened(path, (seen.st_ino, seen.st_mtime_ns, seen.st_size))


@lru_cache(_MOST_OPEN)
def _opened(path: Path, as_it_is: tuple[int, ...]) -> Any:  # noqa: ARG001 - one that was replaced
    with damage_named(path):
        fragment = FORMAT.make_fragment(str(path), _DISK)
        fragment.ensure_complete_metadata()
        metadata = fragment.physical_schema.metadata or {}
    version = metadata.get(b"schema_version", b"").decode(errors="replace")
    if version.isdecimal():
        refuse_newer(int(version), str(path))
    return fragment
