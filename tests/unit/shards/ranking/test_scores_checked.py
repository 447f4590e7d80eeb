"""`validate-shards` knows the scores of a dataset and the file that they came from."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remote.errors import IntegrityFailure
from remote.workloads.shards import BuildSettings, Quality, Ranker
from remote.workloads.shards.output.manifest import DATASET_MANIFEST, QUALITY_REPORT
from remote.workloads.shards.ranking.scores import SCORES_FILE
from remote.workloads.shards.reshard import reshard
from remote.workloads.shards.validate import validate
from tests.unit.shards.harmed_dataset import edit, put, rewrite, shards
from tests.unit.shards.making import make_input
from tests.unit.shards.ranking.ranked import ranked

ROWS = 300
Harm = Callable[[Path], object]
# Nobody listens there, and no key is set.
SETTINGS = BuildSettings(
    quality=Quality(True, "tiny", Ranker(endpoint="http://127.0.0.1:9/v1", key_env="NO_SUCH_KEY"))
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of three spectra of the first input one has a score, one is refused; row 5 is dropped."""
    folder = tmp_path_factory.mktemp("ranked")
    inputs = [
        make_input(folder / "a.b.hdf5", ROWS, 1, bad=(5, 6), bad_precursor=3000.0),
        make_input(folder / "c.hdf5", 40, 2),
    ]
    answers: dict[tuple[int, int], float | str] = {
        **{(0, row): row / 1000 for row in range(0, ROWS, 3)},
        **{(0, row): "refused" for row in range(1, ROWS, 3)},
        (1, 7): 1.0,
    }
    ranked(folder / "out", inputs, SETTINGS, answers)
    return folder / "out"


def test_what_was_built_is_as_recorded(whole: Path) -> None:
    for full in (False, True):
        assert validate(whole, full=full).problems == ()


def lines(change: Callable[[list[str]], object]) -> Harm:
    """Change lines of the file."""

    def harm(root: Path) -> None:
        path = root / SCORES_FILE
        found = path.read_text().splitlines(keepends=True)
        change(found)
        path.write_text("".join(found))

    return harm


def sealed(harm: Harm) -> Harm:
    """And make digest and counts of the manifest and the report right again."""

    def harmed(root: Path) -> None:
        harm(root)
        content = (root / SCORES_FILE).read_bytes()
        records = [json.loads(line) for line in content.splitlines()]

        def told(record: dict[str, Any]) -> None:
            ranking = record["ranking"]
            scored = sum(x["score"] is not None for x in records)
            ranking["not_asked"] -= len(records) - ranking["scored"] - 100
            ranking.update(scored=scored, unscored={"refused": len(records) - scored})
            ranking["scores_sha256"] = f"sha256:{hashlib.sha256(content).hexdigest()}"

        edit(root / DATASET_MANIFEST, told)
        edit(root / QUALITY_REPORT, told)

    return harmed


def replaced(line: int, old: str, new: str) -> Harm:
    return lines(lambda x: x.__setitem__(line, x[line].replace(old, new)))


def ranking(**changes: Any) -> Harm:
    def harm(root: Path) -> None:
        for name in (DATASET_MANIFEST, QUALITY_REPORT):
            edit(root / name, lambda record: record["ranking"].update(changes))

    return harm


def dataset(change: Callable[[dict[str, Any]], object]) -> Harm:
    return lambda root: edit(root / DATASET_MANIFEST, change)


FILE: dict[str, tuple[Harm, str]] = {
    "missing": (lambda root: (root / SCORES_FILE).unlink(), "is missing"),
    "another score": (replaced(2, "0.003", "0.004"), "its SHA-256 is not the recorded one"),
    "a line less": (lines(lambda x: x.pop()), "its SHA-256 is not"),
    "a line twice": (sealed(lines(lambda x: x.insert(2, x[1]))), "line 3 is not in the order"),
    "lines in another order": (sealed(lines(lambda x: x.reverse())), "line 2 is not in the order"),
    "no JSON": (replaced(4, "{", ""), "line 5 is no answer about a spectrum"),
    "a score above 1": (sealed(replaced(0, "0.0", "1.5")), "line 1 is no answer"),
    "a row that is none": (sealed(replaced(0, "a.b:0", "a.b:300")), "there is no a.b:300"),
    "an input that is none": (sealed(replaced(0, "a.b:0", "z:0")), "line 1 is no answer"),
    "fewer scores than recorded": (
        ranking(scored=99, unscored={"refused": 102}),
        "has 101 scores and {'refused': 100} without one",
    ),
}
MANIFEST: dict[str, tuple[Harm, str]] = {
    "a spectrum too many": (ranking(not_asked=999), "ranking is of 1200 spectra"),
    "no ranking": (dataset(lambda x: x.pop("ranking")), "ranking is missing, and quality_score"),
    "another file": (ranking(scores_file="../x"), "ranking.scores_file is ../x"),
    "no digest": (dataset(lambda x: x["ranking"].pop("scores_sha256")), "scores_sha256 is missing"),
    "another report": (
        dataset(lambda x: x["ranking"].update(model="m")),
        f"ranking is not what {DATASET_MANIFEST} has",
    ),
}
VALUES: dict[str, tuple[Harm, str]] = {
    "another score in the file": (
        sealed(replaced(2, "0.003", "0.004")),
        f"is 0.003, {SCORES_FILE} says 0.004",
    ),
    "another score in a shard": (
        lambda root: rewrite(shards(root)[0], 0, put("quality_score", 3, 0.5)),
        f"is 0.5, {SCORES_FILE} says 0.003",
    ),
    "a score that nobody gave": (
        lambda root: rewrite(shards(root)[0], 0, put("quality_score", 2, 0.5)),
        f"is 0.5, {SCORES_FILE} says null",
    ),
    "a spectrum that is in no shard": (
        sealed(lines(lambda x: x.insert(3, '{"sample_id": "a.b:5", "score": 0.5}\n'))),
        "a.b:5 is in no shard",
    ),
}


@pytest.mark.parametrize("name", [*FILE, *MANIFEST, *VALUES])
def test_each_harm_is_named(whole: Path, tmp_path: Path, name: str) -> None:
    harm, says = {**FILE, **MANIFEST, **VALUES}[name]
    root = Path(shutil.copytree(whole, tmp_path / "out"))
    harm(root)
    found = validate(root, full=name in VALUES)
    assert any(says in str(problem) for problem in found.problems), found.problems


def test_a_resharding_keeps_the_scores(whole: Path, tmp_path: Path) -> None:
    reshard(whole, tmp_path / "out", shard_size=1_000_000)
    assert (tmp_path / "out" / SCORES_FILE).read_bytes() == (whole / SCORES_FILE).read_bytes()
    assert validate(tmp_path / "out", full=True).problems == ()
    harmed = Path(shutil.copytree(whole, tmp_path / "harmed"))
    replaced(2, "0.003", "0.004")(harmed)
    with pytest.raises(IntegrityFailure, match=r"quality_scores.jsonl: its SHA-256"):
        reshard(harmed, tmp_path / "no", shard_size=1_000_000)
