"""One case after the other, in a process that may die of one: indices in, verdicts out.

in   {"tier": a key of TIERS, "seed": int, "case": index, "skip": bool}, one line each
out  {"verdict": "same"|"skipped"|"refused"|"wrong", "detail": str, "grown": megabytes}
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from remote.errors import InputUnusable
from remote.workloads.shards import BuildResult, build_shards
from remote.workloads.shards.meter import Progress
from tests.faults.damaged import TIERS, Case, healthy, prepare
from tests.unit.shards.reference import Kept, Rules, clean_spectrum

MEMORY_BYTES = 2 << 30
MOST_VALUES = 20_000_000
COLUMNS = {
    "charge": ("charge", int),
    "RT": ("rt", np.float32),
    "name": ("source_file", None),
    "adduct": ("adduct", None),
    "smiles": ("smiles", None),
    "lsh": ("lsh", int),
}
# Where a row has its name, after m/z, intensities and precursor.
_NAME = 3 + sorted(name for name, _ in COLUMNS.values()).index("source_file")
Rows = dict[int, tuple[Any, ...]]
Reasons = dict[int, str]


@dataclass
class Cutter:
    """Cuts the file at a report of progress."""

    path: Path
    moment: int
    share: float
    seen: int = 0

    def __call__(self, _: Progress) -> None:
        if self.seen == self.moment:
            with self.path.open("r+b") as file:
                file.truncate(int(self.path.stat().st_size * self.share))
        self.seen += 1


def read_by_library(
    path: Path, wanted: Sequence[int] | None = None, *, names: bool = True
) -> tuple[Rows, Reasons]:
    """What h5py and the plain reading of the rules make of a file, or of the rows wanted.

    Returns:
        The rows that are kept, and why the others are not.
    """
    rules, rows, reasons = Rules(), Rows(), Reasons()
    select = ... if wanted is None else list(wanted)
    with h5py.File(path, "r") as file:
        if wanted is None and file["spectrum"].size > MOST_VALUES:
            raise OSError("too large to be read whole")
        peaks = file["spectrum"][select].tolist()
        precursor = file["precursor_mz"][select].astype(float).tolist()
        more = {
            ours: _values(file[name][select], kind)
            for name, (ours, kind) in COLUMNS.items()
            if name in file and (names or name != "name")
        }
    for at, (mzs, ints) in enumerate(peaks):
        row = at if wanted is None else wanted[at]
        kept = clean_spectrum(mzs, ints, precursor[at], rules)
        if isinstance(kept, Kept):
            rows[row] = (kept.mzs, kept.ints, precursor[at], *_rest(more, at))
        else:
            reasons[row] = kept
    return rows, reasons


def _values(values: Any, kind: Any) -> list[Any]:
    if kind is not None and values.dtype.kind in "fiu":
        with np.errstate(over="ignore"):
            found: list[Any] = values.astype(kind).tolist()
        return [None if x != x else x for x in found]  # NaN is unknown
    return [_text(x) for x in values.tolist()]


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _rest(more: Mapping[str, Any], row: int) -> list[Any]:
    return [
        more[name][row] if name in more else None for name in sorted(x for x, _ in COLUMNS.values())
    ]


def read_shards(paths: tuple[Path, ...]) -> Rows:
    """What was written."""
    rows = Rows()
    for path in paths:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        columns = {name: _plain(table.column(name)) for name in table.column_names}
        for at, row in enumerate(columns["source_row"]):
            first = (columns[name][at] for name in ("mzs", "ints", "precursor_mz"))
            rows[row] = (*first, *_rest(columns, at))
    return rows


def _plain(column: pa.ChunkedArray) -> list[Any]:
    values: list[Any] = column.to_pylist()
    return values


def run(case: Case, folder: Path, skip: bool = False) -> tuple[str, str]:
    """Build from the case's file; judge what came of it."""
    path = prepare(case, folder)
    cutter = Cutter(path, *case.shrink) if case.shrink else None
    try:
        result = build_shards(
            input_hdf5=path,
            output_root=folder / "out",
            num_workers=2,
            batch_size=1_000,
            min_memory_gb=0.0,
            min_disk_gb=0.0,
            skip_damaged=skip,
            **({"watch": cutter} if cutter else {}),  # type: ignore[arg-type]
        )
    except InputUnusable as error:
        return judged(case, path, error)
    if case.oracle == "ends":
        return "same", "it ends; nothing tells what is right"
    if skip:
        return compared_without(case, path, folder, result)
    if case.oracle == "error":
        return "wrong", f"no error; {result.num_samples} spectra of {result.read}"
    found = read_shards(result.shards), dict(result.dropped)
    return compared(case, path, folder, found)


def judged(case: Case, path: Path, error: InputUnusable) -> tuple[str, str]:
    """Is the error clear, and may there be one?"""
    wanted = [str(path), *([case.says] if case.says else ())]
    missing = [text for text in wanted if text not in error.problem]
    if case.oracle == "exact":
        return "wrong", f"refused: {error.problem}"
    if missing or not error.hint or "\n" in error.problem:
        return "wrong", f"unclear, without {missing}: {error.problem!r}, hint {error.hint!r}"
    return "refused", error.problem


def compared(case: Case, path: Path, folder: Path, found: Any) -> tuple[str, str]:
    """Are the rows right?"""
    if case.undamaged is not None:
        whole = folder / "whole.hdf5"
        case.undamaged(whole)
        if equal(found, counted(read_by_library(whole))):
            return "same", "as before the damage"
        if case.oracle == "truth":
            return "wrong", "other rows than before the damage"
    if equal(found, counted(read_by_library(path))):
        return "same", "as h5py reads it"
    return "wrong", "other rows than h5py reads"


def compared_without(case: Case, path: Path, folder: Path, result: BuildResult) -> tuple[str, str]:
    """Are the rows right that were not left out?"""
    ranges = json.loads(result.manifest.read_text())["damaged_ranges"]
    lost = {row for x in ranges for row in range(x["row_start"], x["row_stop"])}
    dropped = {k: n for k, n in result.dropped.items() if k != "damaged"}
    if len(lost) != result.dropped.get("damaged", 0) or (lost and case.oracle == "exact"):
        return "wrong", f"{len(lost)} rows in damaged ranges, {result.dropped} dropped"
    wanted = sorted(set(range(result.read)) - lost)
    rows = read_shards(result.shards)
    verdict = f"without {len(lost)} rows" if lost else "all rows"
    whole: tuple[Rows, Reasons] = {}, {}
    if case.undamaged is not None:
        case.undamaged(folder / "whole.hdf5")
        whole = read_by_library(folder / "whole.hdf5", wanted)
        if equal((rows, dropped), counted(whole)):
            return "skipped" if lost else "same", f"{verdict}, as before the damage"
        if case.oracle == "truth":
            return "wrong", f"{verdict}: others than before the damage"
    differing = [row for row in wanted if not equal(_sure(rows, row), _sure(whole[0], row))]
    found, _ = read_by_library(path, differing, names=False)
    unknown = _invented(rows, whole[0], path)
    if unknown:
        return "wrong", f"{verdict}: names that the file does not hold: {unknown}"
    if all(equal(_sure(rows, row), _sure(found, row)) for row in differing):
        return "skipped" if lost else "same", f"{verdict}, {len(differing)} as h5py reads them"
    return "wrong", f"{verdict}: others than h5py reads"


def _sure(rows: Rows, row: int) -> Any:
    """A row without its name: nothing vouches for heaps, in which h5py may go round for ever."""
    return rows[row][:_NAME] + rows[row][_NAME + 1 :] if row in rows else None


def _invented(rows: Rows, before: Rows, path: Path) -> list[str]:
    """Names other than before the damage that are not in the file, as bytes, either."""
    content = path.read_bytes()
    names = {row: values[_NAME] for row, values in rows.items()}
    changed = {
        name for row, name in names.items() if row not in before or before[row][_NAME] != name
    }
    return sorted(
        name
        for name in changed - {None}
        if name.encode() not in content and name.encode("latin-1", "replace") not in content
    )


def counted(found: tuple[Rows, Reasons]) -> tuple[Rows, dict[str, int]]:
    """Rows kept, and how many were not, by reason."""
    return found[0], dict(Counter(found[1].values()))


def equal(a: Any, b: Any) -> bool:
    """Equal, where NaN is NaN."""
    return bool(a == b) or repr(a) == repr(b)


def _peak() -> int:
    """The most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Serve until stdin ends."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "warm"
        healthy_case = Case("warm", healthy, "exact")
        assert run(healthy_case, folder) == ("same", "as h5py reads it"), run(healthy_case, folder)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
        peak = _peak()
        print("ready", flush=True)
        tiers: dict[tuple[str, int], tuple[Case, ...]] = {}
        for line in sys.stdin:
            asked = json.loads(line)
            key = asked["tier"], asked["seed"]
            cases = tiers.get(key) or TIERS[asked["tier"]](asked["seed"])
            tiers[key] = cases
            try:
                folder = Path(temporary) / "case"
                verdict, detail = run(cases[asked["case"]], folder, asked["skip"])
            except Exception:  # noqa: BLE001 - whatever it is, it is a finding
                verdict, detail = "wrong", traceback.format_exc()
            grown = _peak() - peak
            peak += grown
            print(json.dumps({"verdict": verdict, "detail": detail, "grown": grown}), flush=True)


if __name__ == "__main__":
    main()
