"""Builds killed at random moments, over all ways of running one.

    python -m tests.faults.kill_campaign --kills 200 --seed 1

SIGKILL to any process of a real `msms build-shards`, at moments spread over its whole run. A
build whose parent died goes on with --resume; that too may be killed, as often as not. Ends with
a table, and with exit code 1 where something was not as it must be; what failed is kept.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.commands import ROOT
from tests.faults.kill_trial import Outcome, Stage, Way, resume, trial
from tests.unit.shards.making import make_input

WAYS = (
    Way("serial", ("--num-workers", 1), 1),
    Way("threads", ("--num-workers", 2)),
    Way("processes", ("--mode", "production", "--num-workers", 2)),
    Way("dask", ("--use-dask", "--num-workers", 2)),
    Way("dask-processes", ("--use-dask", "--mode", "production", "--num-workers", 2)),
    Way("scheduler", (), elsewhere=True),
)
ROWS = 30_000


@dataclass(slots=True)
class Tally:
    """What the trials of one way found."""

    kills: Counter[str] = field(default_factory=Counter)
    resumes: int = 0
    redone: int = 0
    gone: float = 0.0
    faults: list[str] = field(default_factory=list)

    def add(self, found: Outcome) -> None:
        """Count one trial."""
        if found.victim is not None:
            self.kills[found.victim] += 1
        self.resumes += found.resumed
        self.redone = max(self.redone, found.redone)
        self.gone = max(self.gone, found.gone)
        self.faults += found.faults


def campaign(
    kills: int, seed: int, folder: Path, ways: Sequence[Way], tell: Callable[[str], None]
) -> dict[str, Tally]:
    """Kill so many times, each way as often as the others."""
    choose = random.Random(seed)
    inputs = make_inputs(folder)
    stages = [Stage.set(way, inputs, folder) for way in ways]
    tallies = {way.name: Tally() for way in ways}
    done = builds = shown = 0
    while done < kills:
        stage = min(stages, key=lambda s: tallies[s.way.name].kills.total())
        builds += 1
        tally = tallies[stage.way.name]
        root = folder / f"{stage.way.name}-{builds}"
        before = len(tally.faults)
        while True:  # as often as not, what goes on after a kill is killed as well
            found = trial(stage, root, choose)
            done += found.victim is not None
            over = found.over or choose.random() < 0.5 or done >= kills
            if over and not found.over:
                resume(stage, root, found)
            tally.add(found)
            for fault in found.faults:
                tell(f"  {stage.way.name}, {found.victim} killed: {fault}")
            if over:
                break
        if len(tally.faults) == before:
            shutil.rmtree(root)
        tell(f"{done} of {kills} kills, {sum(len(t.faults) for t in tallies.values())} failures")
        if done // 20 > shown:  # whoever ends it early has figures
            shown = done // 20
            tell(table(tallies))
    return tallies


def make_inputs(folder: Path) -> tuple[Path, ...]:
    """Two files whose chunks do not follow the row groups."""
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(
        make_input(folder / f"{name}.hdf5", ROWS, seed, chunk_rows=7_000)
        for seed, name in enumerate("ab")
    )


def table(tallies: dict[str, Tally]) -> str:
    """One line a way."""
    lines = [f"{'way':14} {'kills':34} {'resumes':>7} {'redone':>7} {'gone':>6} {'failures':>8}"]
    for name, tally in tallies.items():
        kills = ", ".join(f"{count} {who}" for who, count in sorted(tally.kills.items()))
        lines.append(
            f"{name:14} {kills:34} {tally.resumes:7} {tally.redone:7} "
            f"{tally.gone:5.1f}s {len(tally.faults):8}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ways", nargs="+", choices=[way.name for way in WAYS])
    given = parser.parse_args(arguments)
    ways = [way for way in WAYS if not given.ways or way.name in given.ways]
    folder = Path(tempfile.mkdtemp(prefix="kill-campaign-"))
    tallies = campaign(given.kills, given.seed, folder, ways, lambda text: print(text, flush=True))
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"\nseed {given.seed}, commit {commit.stdout.strip()}\n{table(tallies)}")
    faults = [fault for tally in tallies.values() for fault in tally.faults]
    for fault in faults:
        print(f"  {fault}")
    if faults:
        print(f"what failed is in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
