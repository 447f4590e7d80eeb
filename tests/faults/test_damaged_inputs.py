"""Damaged inputs: each ends in a right result or one clear error, and never in anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.errors import InputUnusable
from remote.workloads.shards.inputs.opening import open_source
from tests.faults.damaged import SEED, TIERS, wipes
from tests.faults.damaged_campaign import Campaign


def check(tier: str, *, skip: bool = False) -> None:
    """No case may end badly."""
    cases = TIERS[tier](SEED)
    assert len({case.name for case in cases}) == len(cases)
    campaign = Campaign(tier, SEED, len(cases), skip=skip)
    campaign.run()
    wrong = list(campaign.wrong(cases))
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)
    # So that no kind of end is all there is.
    for verdict in ("same", "refused", *(["skipped"] if skip else [])):
        assert any(x["verdict"] == verdict for x in campaign.verdicts)


def test_a_selection() -> None:
    check("selection")


def test_a_selection_with_damage_skipped() -> None:
    check("damage", skip=True)


@pytest.mark.slow
def test_everything() -> None:
    check("everything")


@pytest.mark.slow
def test_everything_with_damage_skipped() -> None:
    check("everything", skip=True)


def test_a_chunk_at_the_head_of_the_file_is_not_believed(tmp_path: Path) -> None:
    """A wiped index may put one at address 0, where its bytes would be taken for numbers."""
    (case,) = (x for x in wipes("unpacked", 40, 8) if x.name == "wipe unpacked 38912 zeros")
    path = tmp_path / "a.hdf5"
    case.make(path)
    with pytest.raises(InputUnusable, match="the head of the file"):
        open_source(path)
    with open_source(path, skip_damaged=True) as source:
        (damage,) = source.read(0, source.rows).damaged
    assert (damage.dataset, damage.row_start, damage.row_stop) == ("RT", 100, 120)
