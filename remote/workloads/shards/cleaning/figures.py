"""A survey as charts and as a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from remote.workloads.shards.charts.axes import number_axis, share_axis
from remote.workloads.shards.charts.chart import Axis, Chart, chart
from remote.workloads.shards.charts.marks import line, sticks, upright
from remote.workloads.shards.cleaning.examples import Pair
from remote.workloads.shards.cleaning.survey import OF_CURRENT, Survey
from remote.workloads.shards.counts import attrition, damaged, integrity
from remote.workloads.shards.quality.checks import percent
from remote.workloads.shards.quality.page import REASONS

_AXES: Mapping[str, str] = {
    "min_peaks": "fewest peaks that a spectrum may have (min_peaks)",
    "max_precursor_mz": "largest precursor m/z (max_precursor_mz)",
    "max_peaks": "most intense peaks that are kept (max_peaks)",
}


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """What the rules left out, in lines."""

    survey: Survey

    def __repr__(self) -> str:
        counts = self.survey.counts
        read = max(1, counts["read"])
        groups = {"attrition": attrition, "integrity": integrity, "damaged": damaged}
        head = [
            f"{self.survey.rows:,} of {sum(self.survey.inputs.values()):,} spectra looked at",
            f"kept {counts['written']:,} ({percent(counts['written'] / read)})",
            *(
                f"left out, {name}: {count(counts):,} ({percent(count(counts) / read)})"
                for name, count in groups.items()
            ),
        ]
        return "\n".join([*head, *self._reasons(), *self._peaks()])

    def _reasons(self) -> Iterator[str]:
        names = list(self.survey.inputs)
        for reason, count in self.survey.counts["dropped"].items():
            index, row = self.survey.counts["examples"][reason][0]
            yield f"  {REASONS[reason]}: {count:,}, such as row {row} of {names[index]}"

    def _peaks(self) -> Iterator[str]:
        peaks = self.survey.counts["peaks"]
        yield f"peaks kept {peaks['written']:,} of {peaks['read']:,}"
        for reason, count in self.survey.counts["removed"].items():
            if count:
                yield f"  {REASONS[reason]}: {count:,}"
        above = self.survey.counts["flags"]["peaks_above_precursor"]
        yield f"spectra with peaks above the precursor, which no rule removes: {above:,}"


def rule_chart(survey: Survey, name: str) -> Chart:
    """What is left for each value of a rule, with the one that was asked for marked."""
    points, asked = survey.tried[name], getattr(survey.rules, name)
    of = "ion current" if name in OF_CURRENT else "spectra"
    marks = [line(points, "one")]
    if asked:
        marks.insert(0, upright(asked, f"{name} {asked:g}"))
    low, high = min(0.0, points[0][0]), points[-1][0]
    note = f"{name} is {asked:g}: dashed" if asked else f"{name} is not set: all peaks are kept"
    return chart(
        f"What {name} leaves",
        number_axis(_AXES[name], low, high),
        share_axis(f"{of} left"),
        marks,
        note=f"{survey.rows:,} spectra; {note}",
    )


def pair_chart(pair: Pair) -> Chart:
    """Above the line the spectrum as stored, below it what a build writes."""
    highest = max([pair.precursor_mz if pair.precursor_mz < 1e5 else 0, *_mz(pair)], default=1.0)
    marks = [
        sticks(pair.before, "three"),
        sticks([(mz, -share) for mz, share in pair.after], "one"),
    ]
    if 0 < pair.precursor_mz <= highest:
        marks.insert(0, upright(pair.precursor_mz, f"precursor {pair.precursor_mz:.4f}"))
    both = Axis("of the base peak", -1.05, 1.05, ((-1, "100%"), (0, "0%"), (1, "100%")))
    why = REASONS.get(pair.why, pair.why)
    what = f"{len(pair.before)} peaks as stored, {len(pair.after)} written; precursor dashed"
    return chart(
        f"{pair.sample_id}: {why}",
        number_axis("m/z", 0.0, highest * 1.02),
        both,
        marks,
        note=what,
    )


def _mz(pair: Pair) -> list[float]:
    return [mz for mz, _ in (*pair.before, *pair.after)]
