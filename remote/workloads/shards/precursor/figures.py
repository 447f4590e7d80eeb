"""Charts of how well bins were told."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from remote.workloads.shards.charts.axes import named_axis, number_axis, share_axis
from remote.workloads.shards.charts.chart import Chart, Mark, chart
from remote.workloads.shards.charts.marks import bars, cells, reach
from remote.workloads.shards.precursor.features import Task
from remote.workloads.shards.precursor.score import HIGHEST, MODEL, PRIOR, Scores

_NAMES = {PRIOR: "most common bin", HIGHEST: "highest peak", MODEL: "model"}
_KINDS = {PRIOR: "three", HIGHEST: "two", MODEL: "one"}
_FURTHEST = 5


def charts(scores: Scores, task: Task) -> Mapping[str, Chart]:
    """All of them, by the name of the file."""
    return {
        "accuracy": accuracy(scores, task),
        "bins_off": bins_off(scores),
        "told_and_actual": told_and_actual(scores, task),
    }


def accuracy(scores: Scores, task: Task) -> Chart:
    """The share of spectra told, by the model and the baselines."""
    marks: list[Mark] = []
    for at, (name, kind) in enumerate(_KINDS.items()):
        right = scores.right(name)
        marks.append(bars([(at, right.value, f"{_NAMES[name]}: {right}")], kind, 0.6))
        marks.append(reach(at, max(0.0, right.low), min(1.0, right.high)))
    return chart(
        "How often the right bin is told",
        named_axis("", [f"{_NAMES[name]} {scores.right(name).value:.1%}" for name in _KINDS]),
        share_axis("held-out spectra"),
        marks,
        note=f"bins of {task.bin_width:g} Da; {len(scores.actual):,} spectra; 95 % intervals",
    )


def bins_off(scores: Scores) -> Chart:
    """How far off model and highest peak are, in bins, with their sign."""
    marks, highest = [], 0.0
    for shift, name in ((-0.2, HIGHEST), (0.2, MODEL)):
        off = np.clip(scores.told[name] - scores.actual, -_FURTHEST, _FURTHEST)
        shares = np.bincount(off + _FURTHEST, minlength=2 * _FURTHEST + 1) / len(off)
        highest = max(highest, float(shares.max()))
        values = [
            (at - _FURTHEST + shift, share, f"{_NAMES[name]}, {at - _FURTHEST:+d}: {share:.1%}")
            for at, share in enumerate(shares.tolist())
        ]
        marks.append(bars(values, _KINDS[name], 0.36))
    return chart(
        "How far off what is told lies",
        number_axis(
            "bins above (+) or below the precursor's; the last ones hold all beyond",
            -_FURTHEST - 0.5,
            _FURTHEST + 0.5,
            12,
        ),
        share_axis("held-out spectra", min(1.0, 1.1 * highest)),
        marks,
        legend=[(_KINDS[name], _NAMES[name]) for name in (MODEL, HIGHEST)],
    )


def told_and_actual(scores: Scores, task: Task) -> Chart:
    """Of the spectra of each bin the shares that were told to be of each."""
    table = np.zeros((task.bins, task.bins))
    np.add.at(table, (scores.told[MODEL], scores.actual), 1)
    shares = table / np.maximum(1, table.sum(axis=0))
    used = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1))
    shown = slice(int(used[0]), int(used[-1]) + 1)
    edges = (np.arange(shown.start, shown.stop + 1) * task.bin_width).tolist()
    return chart(
        "What is told, by what is so",
        number_axis("precursor m/z", edges[0], edges[-1]),
        number_axis("told by the model", edges[0], edges[-1]),
        [cells(shares[shown, shown].tolist(), edges, "one")],
        note="of each column, the spectra of one bin; more where the colour is stronger",
    )
