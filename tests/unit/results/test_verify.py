from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remote.errors import IntegrityFailure, ResultsUnusable
from remote.results import manifest
from remote.results.names import CRATE, FAILED, INCOMING, LEDGER, MANIFEST
from remote.results.verify import Finding, check_ledger, verify, verify_all
from tests.unit.results.making import publish, unseal

SHARD = "train/shard_00000.parquet"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results directory with two sealed folders and a failed one."""
    base = tmp_path_factory.mktemp("pristine")
    publish(base / "results", base / "run")
    publish(base / "results", base / "run")
    publish(base / "results", base / "run", state="failed")
    return base / "results"


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(pristine, tmp_path / "results"))


@pytest.fixture
def folder(root: Path) -> Path:
    """A sealed folder whose owner gave himself write permission."""
    found = root / "10_build_shards_20250423_143022"
    unseal(found)
    return found


def damage(folder: Path) -> list[tuple[str, str]]:
    return [(found.path, found.problem) for found in verify(folder).damage]


def only(folder: Path) -> Finding:
    (found,) = verify(folder).damage
    return found


def test_what_was_sealed_is_whole(pristine: Path) -> None:
    checked = verify_all(pristine)
    assert [found.folder.name for found in checked] == [
        LEDGER,
        "10_build_shards_20250423_143022",
        "10_build_shards_20250423_143023",
        "10_build_shards_20250423_143024.attempt1",
    ]
    assert all(found.whole and found.findings == () for found in checked)
    assert checked[1].files == 10


def test_a_flipped_bit(folder: Path) -> None:
    content = bytearray((folder / SHARD).read_bytes())
    content[5000] ^= 1
    (folder / SHARD).write_bytes(content)
    assert only(folder).path == SHARD
    assert only(folder).detail == "has other bytes than those sealed"


def test_a_cut_and_a_grown_file(folder: Path) -> None:
    (folder / SHARD).write_bytes((folder / SHARD).read_bytes()[:-1])
    assert only(folder).detail == "was cut from 10,240 to 10,239 bytes"
    (folder / SHARD).write_bytes((folder / SHARD).read_bytes() + b"12")
    assert only(folder).detail == "grew from 10,240 to 10,241 bytes"


def test_a_missing_an_added_and_a_renamed_file(folder: Path) -> None:
    (folder / "kernel.log").unlink()
    (folder / "note.txt").write_text("hello")
    (folder / SHARD).rename(folder / "train" / "renamed")
    found = {one.path: (one.problem, one.detail) for one in verify(folder).damage}
    assert found == {
        "kernel.log": ("missing", "is missing"),
        "note.txt": ("added", "was added"),
        SHARD: ("renamed", "was renamed to train/renamed"),
    }


def test_other_things_in_a_files_place(folder: Path, tmp_path: Path) -> None:
    (folder / "kernel.log").rename(tmp_path / "kernel.log")
    (folder / "kernel.log").symlink_to(tmp_path / "kernel.log")
    (folder / "train" / "link").symlink_to("/etc")
    (folder / "new").mkdir()
    found = dict(damage(folder))
    assert found == {"kernel.log": "changed", "train/link": "added", "new": "added"}


def test_a_changed_mode_is_a_warning(root: Path) -> None:
    folder = root / "10_build_shards_20250423_143022"
    (folder / SHARD).chmod(0o644)
    (folder / "train").chmod(0o755)
    folder.chmod(0o755)
    found = verify(folder)
    assert found.whole
    assert {one.path for one in found.warnings} == {SHARD, "train", "."}
    assert "has mode 0644, was sealed as 0444" in str(found.warnings)


def test_a_manifest_that_was_rewritten_to_fit_is_found_by_the_ledger(folder: Path) -> None:
    (folder / SHARD).write_bytes(b"forged")
    digests = manifest.decode((folder / MANIFEST).read_bytes())
    digests[SHARD] = hashlib.sha256(b"forged").hexdigest()
    (folder / MANIFEST).write_bytes(manifest.encode(digests))
    assert damage(folder) == [(MANIFEST, "changed")]
    copy = Path(shutil.copytree(folder, folder.parents[1] / "copy"))
    assert damage(copy) == []  # Without the ledger a forged manifest cannot be told.


def test_a_missing_or_broken_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(b"nonsense")
    assert (MANIFEST, "changed") in damage(folder)
    (folder / MANIFEST).unlink()
    assert damage(folder) == [(MANIFEST, "missing")]


def test_a_damaged_crate_does_not_stop_the_check(folder: Path) -> None:
    (folder / CRATE).write_bytes(b"nonsense")
    (folder / SHARD).write_bytes(b"cut")
    assert damage(folder) == [(CRATE, "changed"), (SHARD, "changed")]


def test_a_removed_folder_and_one_that_nobody_sealed(root: Path) -> None:
    unseal(root / "10_build_shards_20250423_143022")
    stranger = root / "10_build_shards_20250423_150000"
    (root / "10_build_shards_20250423_143022").rename(stranger)
    book, *folders = verify_all(root)
    assert [(one.path, one.problem) for one in book.damage] == [
        ("10_build_shards_20250423_143022", "missing")
    ]
    assert ("ledger.jsonl", "ledger") in damage(stranger)
    assert sum(not found.whole for found in folders) == 1


def test_an_unfinished_seal_is_a_warning(root: Path) -> None:
    folder = root / "10_build_shards_20250423_143023"
    folder.rename(root / INCOMING / folder.name)
    book = verify_all(root)[0]
    assert book.whole
    assert [one.problem for one in book.warnings] == ["unfinished"]


def test_every_byte_of_the_ledger_counts(root: Path) -> None:
    whole = (root / LEDGER).read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 4
        (root / LEDGER).write_bytes(changed)
        assert not check_ledger(root).whole, position


@pytest.mark.parametrize("lines", [[1, 2], [0, 2], [0, 1], [1, 0, 2], [0, 1, 2, 2], []])
def test_lines_lost_repeated_or_in_another_order_are_found(root: Path, lines: list[int]) -> None:
    whole = (root / LEDGER).read_bytes().splitlines(keepends=True)
    (root / LEDGER).write_bytes(b"".join(whole[number] for number in lines))
    assert any(not found.whole for found in verify_all(root))


def test_a_copy_elsewhere_is_checked_against_its_manifest(root: Path, tmp_path: Path) -> None:
    folder = root / FAILED / "10_build_shards_20250423_143024.attempt1"
    copy = Path(shutil.copytree(folder, tmp_path / "elsewhere" / "copy"))
    assert verify(copy).findings == ()


def test_damage_raises_with_every_name(folder: Path) -> None:
    (folder / "kernel.log").unlink()
    with pytest.raises(IntegrityFailure, match=r"kernel\.log: is missing") as caught:
        verify(folder).refuse_damage()
    assert caught.value.exit_code == 8


def test_what_is_not_there_cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(ResultsUnusable, match="cannot be read"):
        verify(tmp_path / "nowhere")


# Random tampering is always found, and every file that was touched is named.


def _flip(path: Path, where: int) -> None:
    content = bytearray(path.read_bytes())
    if not content:
        path.write_bytes(b"\0")
        return
    content[where % len(content)] ^= 1 << (where % 8)
    path.write_bytes(content)


def _cut(path: Path, where: int) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: where % len(content)] if content else b"x")


def _extend(path: Path, where: int) -> None:
    path.write_bytes(path.read_bytes() + bytes(where % 5 + 1))


def _remove(path: Path, where: int) -> None:
    path.unlink()


def _rename(path: Path, where: int) -> None:
    path.rename(path.with_name(f"{path.name}{where}"))


def _link(path: Path, where: int) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _to_directory(path: Path, where: int) -> None:
    path.unlink()
    path.mkdir()


tampering = st.sampled_from([_flip, _cut, _extend, _remove, _rename, _link, _to_directory])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.integers(0, 10), st.tuples(tampering, st.integers(0, 20_000)), min_size=1)
)
def test_random_tampering_is_always_found_and_named(
    pristine: Path,
    tmp_path_factory: pytest.TempPathFactory,
    changes: dict[int, tuple[Callable[[Path, int], None], int]],
) -> None:
    root = Path(shutil.copytree(pristine, tmp_path_factory.mktemp("tampered") / "results"))
    folder = root / "10_build_shards_20250423_143022"
    unseal(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) == 11
    touched = {files[number].relative_to(folder).as_posix() for number in changes}
    for number, (tamper, where) in changes.items():
        tamper(files[number], where)
    found = verify(folder)
    assert not found.whole
    named = {one.path for one in found.damage}
    assert named >= (touched if MANIFEST not in touched else {MANIFEST})
    assert [other.whole for other in verify_all(root)].count(False) == 1
    shutil.rmtree(root)
