"""Opening the inputs of a run: each by what it holds, and all of them against one another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from remote.errors import InputUnusable
from remote.workloads.shards.inputs.carried import check_carried, check_names
from remote.workloads.shards.inputs.hdf5 import open_hdf5
from remote.workloads.shards.inputs.kinds import kind_of
from remote.workloads.shards.inputs.source import Source
from remote.workloads.shards.schema import common_lsh
from remote.workloads.shards.settings import InputRules


def open_inputs(
    paths: Sequence[Path], *, skip_damaged: bool = False, rules: InputRules | None = None
) -> tuple[Source, ...]:
    """Open the inputs of a run, in the order given; see `open_source`.

    Raises:
        UsageError: a name to carry is that of a column.
        InputUnusable: a file is not usable; two have the same stem; only some hold lsh as text;
            a name to carry is in none of them, or has another type in each.
    """
    rules = rules or InputRules()
    check_names(rules.carry)
    check_stems(paths)
    opened: list[Source] = []
    try:
        for path in paths:
            opened.append(open_source(path, len(opened), skip_damaged, rules))
        common_lsh({str(x.path): x.lsh for x in opened if x.lsh is not None})
        check_carried(opened, rules.carry)
    except InputUnusable:
        for source in opened:
            source.close()
        raise
    return tuple(opened)


def open_source(
    path: Path, index: int = 0, skip_damaged: bool = False, rules: InputRules | None = None
) -> Source:
    """Open one input and check all that can be checked without reading its rows.

    Raises:
        InputUnusable: it cannot be used; with `skip_damaged`, not for damage of some rows.
    """
    rules = rules or InputRules()
    kind = kind_of(path)
    if kind == "hdf5":
        return open_hdf5(path, index, skip_damaged, rules)
    # Loaded where they are needed: most runs read HDF5 alone.
    if kind == "mgf":
        from remote.workloads.shards.inputs.mgf import open_mgf

        return open_mgf(path, index, skip_damaged, rules)
    from remote.workloads.shards.inputs.mzml import open_mzml

    return open_mzml(path, index, skip_damaged, rules)


def check_stems(paths: Sequence[Path]) -> None:
    """Refuse two inputs of one stem.

    Raises:
        InputUnusable: names them.
    """
    stems: dict[str, Path] = {}
    for path in paths:
        other = stems.setdefault(path.stem, path)
        if other is not path:
            raise InputUnusable(
                f"Two inputs have the name {path.stem}: {other} and {path}.",
                hint=f"Sample ids such as {path.stem}:0 are made of it; rename one of the files.",
            )
