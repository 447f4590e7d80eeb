"""Every option of every verb refuses what cannot be: one clear error, nothing written."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from remote.workloads.shards.__main__ import msms as commands
from tests.integration.shards.bad_options import AROUND, BUILD, HARMLESS, TABLE, Bad
from tests.integration.shards.commands import SMALL, msms
from tests.unit.shards.making import make_input

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the words name."""
    folder = tmp_path_factory.mktemp("places")
    made = {"input": folder / "a.hdf5", "dataset": folder / "dataset", "file": folder / "b.txt"}
    make_input(made["input"], 300)
    made["file"].write_text("This is neither.\n")
    msms("build-shards", "--input", made["input"], "--output-root", made["dataset"], *SMALL)
    made["other"] = Path(shutil.copytree(made["dataset"], folder / "other"))
    return made


def everything(*roots: Path) -> dict[Path, bytes]:
    found = [path for root in roots for path in (root, *root.rglob("*"))]
    return {path: path.read_bytes() if path.is_file() else b"" for path in found}


def cases() -> Iterator[tuple[str, str, Bad]]:
    for verb, table in TABLE.items():
        for name, bads in table.items():
            yield from ((verb, name, bad) for bad in bads)


def test_every_parameter_has_a_bad_value() -> None:
    """Whoever adds an option says what it refuses."""
    for verb, command in commands.commands.items():
        names = {parameter.name for parameter in command.params}
        assert names == {*TABLE[verb], *HARMLESS[verb]}, verb
        assert not {*TABLE[verb]} & HARMLESS[verb]
        flags = {p.name for p in command.params if isinstance(p, click.Option) and p.is_flag}
        obsolete = {p.name for p in command.params if getattr(p, "hidden", False)}
        assert HARMLESS[verb] <= flags | obsolete, "an option with a value can have a bad one"


@pytest.mark.parametrize(("verb", "name", "bad"), [*cases()], ids=lambda x: getattr(x, "words", x))
def test_what_cannot_be_is_one_clear_error(
    verb: str,
    name: str,
    bad: Bad,
    places: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused(verb, bad, places, tmp_path, capsys)


@pytest.mark.parametrize("verb", TABLE)
def test_numbers_and_choices_refuse_what_is_none(
    verb: str, places: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the table says: each bound is tried from outside, and words that are no number."""
    for option in commands.commands[verb].params:
        for value in beyond(option.type):
            words = f"{AROUND[verb]} {option.opts[0]}={value}"
            refused(verb, Bad(words, "Invalid value"), places, tmp_path, capsys)


# Ends that ask for more than a machine has.
ABOVE_MEANS = {"ms_level", "min_peaks", "min_memory_gb", "min_disk_gb", "sample_spectra"}


def test_the_greatest_numbers_work(places: dict[str, Path], tmp_path: Path) -> None:
    """No number that is allowed overflows further on."""
    found = [
        f"{option.opts[0]}={option.type.max}"
        for option in commands.commands["build-shards"].params
        if isinstance(option.type, click.IntRange | click.FloatRange)
        and option.type.max is not None
        and option.name not in ABOVE_MEANS
    ]
    assert len(found) >= 8
    msms(
        *("build-shards", *SMALL, "--input", places["input"], "--output-root", tmp_path / "out"),
        *found,
    )


def beyond(kind: click.ParamType[Any, Any]) -> Iterator[str]:
    if isinstance(kind, click.Choice):
        yield "nonsense"
    if isinstance(kind, click.IntRange | click.FloatRange):
        yield from ("nonsense", "''", "nan", "inf", "1e400")
        yield from (
            str(end) for end in (kind.min and kind.min - 1, kind.max and kind.max * 2) if end
        )
        if isinstance(kind, click.IntRange):
            assert kind.max is not None, "whole numbers without an end overflow somewhere"


def refused(
    verb: str,
    bad: Bad,
    places: dict[str, Path],
    tmp: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = shlex.split(bad.words.replace("$'a\\nb'", "'a\nb'").format(tmp=tmp, **places))
    if verb == "build-shards" and "--output-root" not in words:
        words = [*shlex.split(BUILD.format(tmp=tmp, **places)), *words]
    if verb == "build-shards" and "--input" not in words:
        words = ["--input", str(places["input"]), *words]
    small = SMALL if verb == "build-shards" else ()
    roots = (tmp, places["input"].parent)
    before = everything(*roots)
    msms(verb, *small, *words, code=bad.code)
    out, err = capsys.readouterr()
    assert bad.says in (out if verb == "doctor" and bad.code != 2 else err)
    assert "Traceback" not in out + err
    assert everything(*roots) == before
