"""The cleaning rules in the guided menu: what they are now, and what can be changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import click

from remote.workloads.shards.cli.chosen import Chosen
from remote.workloads.shards.cli.question import Ask, Question

_YES_NO = click.Choice(["yes", "no", "y", "n"], case_sensitive=False)


def rules(chosen: Chosen) -> str:
    """The cleaning rules in a line."""
    now = chosen.settings.preprocessing
    most = f"the {now.max_peaks} highest peaks" if now.max_peaks else "all peaks"
    return ", ".join(
        (
            "normalised" if now.normalize_intensities else "in source units",
            "sorted" if now.sort_mz else "not sorted",
            "impossible values cost the spectrum"
            if now.filter_nonfinite
            else "impossible values cost the peak",
            f"at least {now.min_peaks} peak(s)",
            most,
            f"precursor m/z up to {now.max_precursor_mz:g}",
        )
    )


def _flag(name: str, key: str, title: str, explained: str, chosen: Chosen) -> Question | None:
    """A rule that is on, unless a flag or the config turns it off."""
    if name in chosen.given or not getattr(chosen.config.preprocessing, key):
        return None

    def words(answer: str) -> Sequence[str]:
        said = _YES_NO.convert(answer, None, None)
        return [] if said.startswith("y") else [f"--{name.replace('_', '-')}"]

    return Question(title, explained, "yes", words)


def _number(name: str, title: str, explained: str, chosen: Chosen) -> Question | None:
    """A rule that is a number; nothing for none."""
    if name in chosen.given:
        return None
    known = getattr(chosen.config.preprocessing, name)
    default = "all" if known is None else str(known)
    return Question(
        title, explained, default, lambda answer: [f"--{name.replace('_', '-')}", answer]
    )


CLEANING: tuple[Ask, ...] = (
    partial(
        _flag,
        "no_normalize",
        "normalize_intensities",
        "Normalise intensities",
        "yes: divided by the base peak, which is then 1; no: as in the source.",
    ),
    partial(_flag, "no_sort", "sort_mz", "Sort peaks by m/z", "no: in the order of the source."),
    partial(
        _flag,
        "no_filter_nonfinite",
        "filter_nonfinite",
        "Leave out spectra with impossible values",
        "no: only the peaks with NaN, infinite or negative values are left out.",
    ),
    partial(_number, "min_peaks", "Fewest peaks", "Spectra with fewer are left out."),
    partial(
        _number, "max_peaks", "Most peaks", "Only so many of a spectrum are kept, the highest."
    ),
    partial(
        _number,
        "max_precursor_mz",
        "Greatest precursor m/z",
        "Spectra above it are left out.",
    ),
)
