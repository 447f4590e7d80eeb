"""Damaged inputs: each ends in a right result or one clear error, and never in anything else."""

from __future__ import annotations

import pytest

from tests.faults.damaged import SEED, TIERS
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
