"""What cannot end well is refused before it begins."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from remote.errors import DiskTooSmall, InputUnusable, MemoryTooSmall
from remote.workloads.shards.preflight import check, free_disk
from tests.unit.shards.raws import spectra, write_input

OPTIONS = {"chunks": (10, 2, 16), "compression": "gzip"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_input(tmp_path / "x.h5", spectra(40), options=OPTIONS)


def test_passes_and_says_what_it_found(source: Path, tmp_path: Path) -> None:
    found = check([source], tmp_path / "not" / "yet", min_memory_gb=0.001, min_disk_gb=0.001)
    assert found.rows == 40
    assert found.memory_available > found.memory_wanted
    assert 0 < found.output_estimate < 40_000
    assert check([source], tmp_path, min_memory_gb=0, min_disk_gb=0, max_spectra=7).rows == 7


def test_too_little_memory(source: Path, tmp_path: Path) -> None:
    with pytest.raises(MemoryTooSmall, match=r"1000000\.0 GB are wanted") as caught:
        check([source], tmp_path, min_memory_gb=1e6, min_disk_gb=0)
    assert "--min-memory-gb" in caught.value.hint


def test_too_little_disk(source: Path, tmp_path: Path) -> None:
    with pytest.raises(DiskTooSmall, match=r"1000000\.0 GB are wanted") as caught:
        check([source], tmp_path, min_memory_gb=0, min_disk_gb=1e6)
    assert "--min-disk-gb" in caught.value.hint


def test_a_damaged_last_chunk_is_found(source: Path, tmp_path: Path) -> None:
    with h5py.File(source) as file:
        at = file["spectrum"].id.get_chunk_info(3).byte_offset
    with source.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff" * 50)
    with pytest.raises(InputUnusable, match="`spectrum` is damaged or cut short"):
        check([source], tmp_path, min_memory_gb=0, min_disk_gb=0)


def test_disk_of_a_directory_to_be_made(tmp_path: Path) -> None:
    assert free_disk(tmp_path / "a" / "b") > 0
