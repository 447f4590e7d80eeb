"""The checks of the quality report: from what was counted to PASS, WARN or FAIL with a reason.

They read the facts of a report (everything in it but the verdicts), so that a report can be
judged again by other limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from remote.workloads.shards.counts import ATTRITION, DAMAGED, INTEGRITY
from remote.workloads.shards.settings import Limits
from remote.workloads.shards.words import several

Status = Literal["PASS", "WARN", "FAIL"]
Unit = Literal["share", "ppm"]
Facts = Mapping[str, Any]
_ORDER: tuple[Status, ...] = ("PASS", "WARN", "FAIL")


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        advice: what to do where it did not pass, else empty.
        value: what was compared with the limits; None where there is nothing to compare.
        unit: of it: a share of spectra, or ppm.
        warn, fail: above which it warns and fails.
        dropped: the reasons of dropped spectra that it is about.
    """

    name: str
    status: Status
    reason: str
    advice: str = ""
    value: float | None = None
    unit: Unit = "share"
    warn: float | None = None
    fail: float | None = None
    dropped: tuple[str, ...] = ()


def stages(facts: Facts, limits: Limits) -> dict[str, list[Check]]:
    """All checks by stage."""
    return {
        "canonicalisation": _canonicalisation(facts["spectra"], limits),
        "shard_construction": _construction(facts["dataset"], facts["spectra"]),
        "training_readiness": _readiness(facts, limits),
    }


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of them; PASS of none."""
    return max(statuses, key=_ORDER.index, default="PASS")


def _canonicalisation(spectra: Mapping[str, Any], limits: Limits) -> list[Check]:
    read, written = spectra["read"], spectra["written"]
    lost, broken, unread = (spectra[name] for name in ("attrition", "integrity", "damaged"))
    # Not asked for, and so no loss.
    other = spectra["dropped"].get("other_ms_level", 0)
    return [
        _failing(
            "accounted",
            read == written + lost + broken + unread,
            f"{read:,} read = {written:,} written + {lost:,} attrition "
            f"+ {broken:,} integrity + {unread:,} damaged",
            "Report this as a defect: spectra are missing from the counts.",
        ),
        _failing(
            "written",
            written > 0,
            f"{written:,} of {read:,} spectra written",
            "Nothing was kept: compare the rules (min_peaks, max_precursor_mz) with the input.",
        ),
        _share(
            "integrity",
            (broken, read),
            limits,
            f"spectra with impossible values ({_named(spectra, INTEGRITY)})",
            "Look at the example rows in the input; its writer may be at fault.",
            INTEGRITY,
        ),
        _share(
            "damaged",
            (unread, read),
            limits,
            f"spectra left out because they cannot be read ({_named(spectra, (DAMAGED,))})",
            "Rows of the input are damaged (`damaged_ranges` in the dataset manifest): "
            "copy it again from where it came, and build again.",
            (DAMAGED,),
        ),
        _share(
            "attrition",
            (lost - other, read - other),
            limits,
            f"spectra outside the rules ({_named(spectra, ATTRITION)})",
            "Many spectra fall outside min_peaks or max_precursor_mz: are the limits meant so?",
            ATTRITION,
        ),
    ]


def _construction(dataset: Mapping[str, Any], spectra: Mapping[str, Any]) -> list[Check]:
    held, largest = dataset["num_samples"], dataset["largest_shard_bytes"]
    limit = dataset["max_shard_size_bytes"]
    fits = largest <= limit
    return [
        _failing(
            "complete",
            held == spectra["written"],
            f"{held:,} spectra in {several(dataset['num_shards'], 'shard')}, "
            f"{spectra['written']:,} kept",
            "Report this as a defect: shards and counts differ.",
        ),
        Check(
            "size_limit",
            "PASS" if fits else "WARN",
            f"the largest shard has {largest:,} bytes, the limit is {limit:,}",
            "" if fits else "One row group alone is over the limit: raise --shard-size.",
        ),
    ]


def _readiness(facts: Facts, limits: Limits) -> list[Check]:
    written, flags = facts["spectra"]["written"], facts["flags"]
    checks = [
        _share(
            "duplicates",
            (facts["duplicates"]["exact"], written),
            limits,
            "spectra repeat another one exactly",
            "Remove or weigh exact duplicates before splitting into train and test.",
        ),
        _share(
            "saturated",
            (flags["saturated"], facts["spectra"]["read"]),
            limits,
            "spectra fill every place of the input; weaker peaks may have been cut there",
            "Weak peaks of saturated spectra are missing: do not train on their absence.",
        ),
        _share(
            "charge_unknown",
            (flags["charge_unknown"], written),
            limits,
            "spectra have no known charge",
            "Do not use charge as a feature without a mask.",
        ),
    ]
    rounding = _rounding(facts["mz_rounding"], limits)
    return [*checks, *rounding, *_ranking(facts.get("ranking"))]


def _ranking(ranking: Mapping[str, Any] | None) -> list[Check]:
    """Whether the spectra that were to be scored have a score, where any were to be."""
    if ranking is None:
        return []
    missing = sum(ranking["unscored"].values())
    reason = f"{ranking['scored']:,} spectra have a score, {missing:,} were asked about in vain"
    stopped = ranking["stopped_by"]
    if stopped:
        reason += f", {ranking['not_asked']:,} not asked about ({stopped})"
        advice = f"Raise {stopped}, or have fewer spectra scored: quality/ranker/max_spectra."
        return [Check("ranking", "WARN", reason, advice)]
    if missing:
        return [Check("ranking", "WARN", reason, "Treat quality_score as unknown where null.")]
    return [Check("ranking", "PASS", reason)]


def _rounding(rounding: Mapping[str, Any], limits: Limits) -> list[Check]:
    """Judged where m/z were rounded; elsewhere the figure only says what it would cost."""
    if rounding["stored_as"] != "float32":
        return []
    largest = rounding["float32_max_ppm"]
    return [
        _compared(
            "mz_rounding",
            largest,
            limits,
            f"float32 moved m/z by up to {largest:.4f} ppm",
            "Build with --mz-precision float64.",
            unit="ppm",
        )
    ]


def _failing(name: str, good: bool, reason: str, advice: str) -> Check:
    return Check(name, "PASS" if good else "FAIL", reason, "" if good else advice)


def _share(
    name: str,
    counted: tuple[int, int],
    limits: Limits,
    what: str,
    advice: str,
    dropped: tuple[str, ...] = (),
) -> Check:
    count, total = counted
    share = count / total if total else 0.0
    reason = f"{count:,} of {total:,} ({percent(share)}) {what}"
    return _compared(name, share, limits, reason, advice, dropped=dropped)


def _compared(
    name: str,
    value: float,
    limits: Limits,
    reason: str,
    advice: str,
    *,
    unit: Unit = "share",
    dropped: tuple[str, ...] = (),
) -> Check:
    warn, fail = limits.of(name)
    status: Status = "PASS"
    if warn is not None and value > warn:
        status = "WARN"
    if fail is not None and value > fail:
        status = "FAIL"
    shown = "" if status == "PASS" else advice
    return Check(name, status, reason, shown, value, unit, warn, fail, dropped)


def limit_text(limit: float | None, unit: str) -> str:
    """A limit for a person."""
    if limit is None:
        return "never"
    return f"above {limit:g} ppm" if unit == "ppm" else f"above {100 * limit:g}%"


def percent(share: float) -> str:
    """A share for a person: two decimals, and more where those would all be 0."""
    if 0 < share < 0.0001:
        return "< 0.01%" if share < 0.000001 else f"{share:.4%}"
    return f"{share:.2%}"


def _named(spectra: Mapping[str, Any], reasons: Sequence[str]) -> str:
    dropped = spectra["dropped"]
    found = [f"{reason}: {dropped[reason]:,}" for reason in reasons if reason in dropped]
    return ", ".join(found) or "none"
