"""The guided menu, on a real terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.shards.making import make_input

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
SECONDS = 60
SMALL = ("--min-memory-gb", "0.1", "--min-disk-gb", "0.1", "--run-id", "one")
# Makes the terminal the process's own, so that Ctrl-C reaches it as it does in a shell.
OWN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
OWN += "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


@dataclass
class Terminal:
    """A process on a terminal, what it has shown, and how much of that was expected."""

    process: subprocess.Popen[bytes]
    descriptor: int
    shown: str = ""
    seen: int = 0

    def expect(self, text: str) -> None:
        """Read on until it says this, after what was expected before."""
        limit = time.monotonic() + SECONDS
        while (found := self.shown.find(text, self.seen)) < 0:
            assert time.monotonic() < limit, f"{text!r} is never shown:\n{self.shown}"
            assert self._read(), f"{text!r} is not shown:\n{self.shown}"
        self.seen = found + len(text)

    def answer(self, prompt: str, line: str) -> None:
        self.expect(prompt)
        self.expect("]: ")
        self.type(f"{line}\n")
        self.expect(line)

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def end(self) -> int:
        """Its exit code, when all is read."""
        while self._read():
            pass
        return self.process.wait(SECONDS)

    def _read(self) -> bool:
        """Whether more was shown; False at the end."""
        assert select.select([self.descriptor], [], [], SECONDS)[0], self.shown
        try:
            piece = os.read(self.descriptor, 1 << 16)
        except OSError:  # Linux says EIO where the other side is closed
            return False
        self.shown += piece.decode(errors="replace").replace("\r\n", "\n")
        return bool(piece)


@contextmanager
def on_terminal(folder: Path, *words: object) -> Iterator[Terminal]:
    """The menu in a folder, with these words beside it."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", OWN, "-m", "remote.workloads.shards"]
    process = subprocess.Popen(
        [*command, "build-shards", "--interactive", *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "300"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    with process, os.fdopen(ours, "rb", buffering=0):
        yield Terminal(process, ours)
        process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_input(tmp_path / "my run.hdf5", 5_600)
    (tmp_path / "a.txt").write_text("This is no input.\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "dataset_manifest.json").write_text("{}")
    return tmp_path


def answers(terminal: Terminal) -> None:
    """A dialogue in which every question is answered wrongly, and then right."""
    terminal.answer("Input files [a generated sample", "nowhere.hdf5")
    terminal.expect("nowhere.hdf5 does not exist")
    terminal.answer("Input files", "'my run")
    terminal.expect("No closing quotation")
    terminal.answer("Input files", "a.txt")
    terminal.expect("a.txt is none of HDF5, MGF and mzML")
    terminal.answer("Input files", "*.mgf")
    terminal.expect("No file matches *.mgf")
    terminal.answer("Input files", "my*.hdf5")
    terminal.answer("Output directory [data/shards/my run", "full")
    terminal.expect("full holds a dataset already")
    terminal.answer("Output directory", "a.txt")
    terminal.expect("a.txt is a file")
    terminal.answer("Output directory", "it's here")
    terminal.answer("How many spectra [all", "some")
    terminal.expect("'some' is not a valid integer")
    terminal.answer("How many spectra", "5500")
    terminal.answer("Which ones (prefix, random) [prefix", "none")
    terminal.expect("'none' is not one of")
    terminal.answer("Which ones", "random")
    terminal.answer("Mode (local, production) [local", "fast")
    terminal.expect("'fast' is not one of")
    terminal.answer("Mode", "")
    terminal.answer("Workers [", "0")
    terminal.expect("0 is not in the range")
    terminal.answer("Workers", "1")
    terminal.answer("Split by (source_file, lsh, inchikey14, or no) [no", "lhs")
    terminal.expect('did you mean "lsh"')
    terminal.answer("Split by", "source_file")
    terminal.answer("Fractions [0.9,0.05,0.05", "0.5,0.1,0.1")
    terminal.expect("add up to 1")
    terminal.answer("Fractions", "0.5,0.25,0.25")
    terminal.answer("Quality ranking (the name of a model, or no) [no", "openai/x")
    terminal.expect("quality/ranker/network: must be true")
    terminal.answer("Quality ranking", "")
    terminal.expect("Cleaning: normalised, sorted")
    terminal.answer("Change these rules? [y/N", "y")
    terminal.answer("Normalise intensities [yes", "perhaps")
    terminal.expect("'perhaps' is not one of 'yes', 'no'")
    terminal.answer("Normalise intensities", "no")
    terminal.answer("Sort peaks by m/z [yes", "")
    terminal.answer("Leave out spectra with impossible values [yes", "")
    terminal.answer("Fewest peaks [1", "3")
    terminal.answer("Most peaks [all", "2")
    terminal.expect("max_peaks is 2 and min_peaks 3")
    terminal.answer("Most peaks", "10")
    terminal.answer("Greatest precursor m/z [2000.0", "nan")
    terminal.expect("nan is not a finite number")
    terminal.answer("Greatest precursor m/z", "1400")
    terminal.expect("The same without questions:\n  ")


def shards(root: Path) -> dict[str, bytes]:
    found = {f"{path.parent.name}/{path.name}": path for path in root.glob("*/*.parquet")}
    return {name: path.read_bytes() for name, path in found.items()}


def test_the_command_that_is_shown_builds_what_the_menu_builds(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    with on_terminal(folder, *SMALL) as terminal:
        answers(terminal)
        began = terminal.seen
        terminal.answer("Run it now? [Y/n", "n")
        shown = terminal.shown[began:].splitlines()[0]
        assert terminal.end() == 0
    assert sorted(folder.rglob("*")) == before
    subprocess.run(
        ["bash", "-c", shown],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    by_shell = shards(folder / "it's here")
    assert {name.split("/")[0] for name in by_shell} == {"train", "val", "test"}
    (folder / "it's here").rename(folder / "by shell")
    with on_terminal(folder, *SMALL) as terminal:
        answers(terminal)
        terminal.answer("Run it now? [Y/n", "")
        terminal.expect("spectra")
        assert terminal.end() == 0, terminal.shown
    assert shards(folder / "it's here") == by_shell


def test_what_is_given_is_not_asked(folder: Path) -> None:
    config = "max_spectra: 1000\npreprocessing: {sort_mz: false, min_peaks: 2}\n"
    (folder / "c.yaml").write_text(config + "splits: {by: [source_file]}\nuse_rust: true\n")
    given = ("--config", "c.yaml", "--input", "my run.hdf5", "--num-workers", 1, "--mode", "local")
    with on_terminal(folder, *given, "--disable-quality-ranking", *SMALL) as terminal:
        terminal.answer("Output directory [data/shards/my run", "")
        terminal.answer("How many spectra [1000", "all")
        terminal.expect("'all' is not a valid integer")
        terminal.answer("How many spectra", "")
        terminal.answer("Which ones", "")
        terminal.answer("Fractions", "")
        terminal.expect("normalised, not sorted, ")
        terminal.answer("Change these rules?", "y")
        terminal.answer("Normalise", "")
        terminal.answer("Leave out", "")
        terminal.answer("Fewest peaks [2", "")
        terminal.answer("Most peaks", "")
        terminal.answer("Greatest", "")
        terminal.expect("--output-root 'data/shards/my run'\n")
        terminal.answer("Run it now?", "n")
        assert terminal.end() == 0
    for title in ("Input files", "Workers", "Mode", "Split", "Sort", "Quality", "no meaning"):
        assert title not in terminal.shown


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_it_can_be_left(key: str, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    with on_terminal(folder) as terminal:
        terminal.answer("Input files", "'my run.hdf5'")
        terminal.expect("Output directory")
        terminal.expect("]: ")
        terminal.type(key)
        terminal.expect("Stopped. Nothing was begun.")
        assert terminal.end() == 6
    assert sorted(folder.rglob("*")) == before


def test_options_that_cannot_be_are_refused_before_any_question(folder: Path) -> None:
    with on_terminal(folder, "--max-peaks", 2, "--min-peaks", 3) as terminal:
        terminal.expect("max_peaks is 2 and min_peaks 3")
        assert terminal.end() == 2
    assert "Input files" not in terminal.shown


def test_what_the_menu_runs_can_be_stopped_and_gone_on_with(tmp_path: Path) -> None:
    given = ("--output-root", "out", "--mode", "local", "--num-workers", 1, "--split", "val")
    with on_terminal(tmp_path, *given, "--disable-quality-ranking", *SMALL) as terminal:
        terminal.answer("Input files", "")
        terminal.answer("Spectra in the sample [50000", "1000000")
        terminal.answer("Change these rules?", "")
        terminal.answer("Run it now?", "y")
        terminal.expect("generating a sample of 1,000,000 spectra")
        terminal.type("\x03")
        terminal.expect("Go on with:")
        terminal.expect("build-shards --output-root out --mode local ")
        terminal.expect(" --sample-spectra 1000000 --resume\n")
        assert terminal.end() == 6
    assert "--interactive" not in terminal.shown
