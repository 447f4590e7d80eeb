"""`quality_report.html`: the report for a person, in one file that needs nothing else.

Made of the report alone, so that equal reports give equal pages. It runs no script and loads
nothing, and says so to the browser, which then lets nothing through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from remote.workloads.shards.quality.axes import AXES
from remote.workloads.shards.quality.checks import limit_text, percent
from remote.workloads.shards.quality.markup import Markup, element, joined
from remote.workloads.shards.quality.plots import bar, histogram

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_SIGNS = {"PASS": "✓", "WARN": "!", "FAIL": "✕"}
_SHOWN_FILES = 25

_STAGES = {
    "canonicalisation": ("Input and cleaning", "Are the inputs sound, and what was left out?"),
    "shard_construction": ("Shards", "Do the shards hold what was kept?"),
    "training_readiness": ("Training", "Is the dataset fit to train on?"),
}
REASONS = {
    "precursor_invalid": "precursor m/z not above 0, or not finite",
    "peak_non_finite": "a peak that is not finite",
    "peak_mz_not_positive": "a peak whose m/z is not above 0",
    "peak_intensity_negative": "a peak of negative intensity",
    "precursor_above_limit": "precursor m/z above max_precursor_mz",
    "too_few_peaks": "fewer peaks than min_peaks",
    "other_ms_level": "another MS level than is asked for",
    "damaged": "cannot be read",
    "non_finite": "not finite",
    "mz_not_positive": "m/z not above 0",
    "intensity_negative": "negative intensity",
    "intensity_zero": "intensity of zero",
    "beyond_max_peaks": "beyond max_peaks, and less intense",
}


def page(report: Mapping[str, Any]) -> bytes:
    """The page of a report (see `report.quality_report`), as UTF-8."""
    name = report["dataset"]["name"]
    head = joined(
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        element("title", f"{report['overall']}: quality of {name}"),
        element("style", _style()),
    )
    main = element(
        "main",
        _summary(report),
        _advice(report["recommendations"]),
        _checks(report),
        _left_out(report),
        _written(report),
        *([_splits(report["splits"])] if "splits" in report else []),
        _distributions(report["histograms"]),
        _source_files(report["source_files"]),
        _made(report),
    )
    body = element("body", _title(report), main)
    document = element("html", element("head", head), body, lang="en")
    return f"<!DOCTYPE html>\n{document}\n".encode()


@cache
def _style() -> Markup:
    text = files("remote.workloads.shards.quality").joinpath("page.css")
    return Markup(text.read_text(encoding="utf-8"))


def _badge(status: str) -> Markup:
    sign = element("span", _SIGNS[status], aria_hidden="true")
    return element("span", sign, f" {status}", class_=f"badge {status.lower()}")


def _section(title: str, *content: str, name: str) -> Markup:
    heading = element("h2", title, id=name)
    return element("section", heading, *content, aria_labelledby=name)


def _title(report: Mapping[str, Any]) -> Markup:
    dataset = report["dataset"]
    return element(
        "header",
        element("p", "Quality report", class_="kind"),
        element("h1", dataset["name"] or "dataset", " ", _badge(report["overall"])),
    )


def _summary(report: Mapping[str, Any]) -> Markup:
    dataset, spectra = report["dataset"], report["spectra"]
    lost = spectra["read"] - spectra["written"]
    shown = {
        "spectra read": f"{spectra['read']:,}",
        "written": f"{spectra['written']:,}",
        "left out": f"{lost:,}",
        "peaks written": f"{report['peaks']['written']:,}",
        "shards": f"{dataset['num_shards']:,}",
        "size": _size(dataset["total_bytes"]),
    }
    tiles = [
        element("div", element("dt", name), element("dd", value)) for name, value in shown.items()
    ]
    return element("dl", *tiles, class_="tiles")


def _size(number: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number / 1e3:,.1f} kB"


def _advice(recommendations: Sequence[str]) -> Markup:
    if not recommendations:
        return element("p", "Every check passed. There is nothing to do.", class_="calm")
    lines = [element("li", text) for text in recommendations]
    return _section("What to do", element("ul", *lines, class_="advice"), name="advice")


def _checks(report: Mapping[str, Any]) -> Markup:
    parts = []
    for name, stage in report["stages"].items():
        title, question = _STAGES.get(name, (name, ""))
        cards = [_check(check, report["spectra"]["examples"]) for check in stage["checks"]]
        parts += [
            element("h3", title, " ", _badge(stage["status"])),
            element("p", question, class_="note"),
            element("ul", *cards, class_="checks"),
        ]
    return _section("Checks", *parts, name="checks")


def _check(check: Mapping[str, Any], examples: Mapping[str, Any]) -> Markup:
    name = element("strong", check["name"].replace("_", " "))
    lines = [element("p", _badge(check["status"]), " ", name), element("p", check["reason"])]
    if check["advice"]:
        lines.append(element("p", check["advice"], class_="do"))
    if check["status"] != "PASS":
        lines += [_examples(examples.get(reason, ()), reason) for reason in check["dropped"]]
    if check["value"] is not None:
        limits = [
            f"{verb} {limit_text(check[key], check['unit'])}"
            for verb, key in (("warns", "warn"), ("fails", "fail"))
        ]
        lines.append(element("p", "; ".join(limits), class_="note"))
    return element("li", *lines)


def _examples(rows: Sequence[Mapping[str, Any]], reason: str) -> Markup:
    """The first rows by input, as they can be looked at there."""
    if not rows:
        return Markup()
    by_input: dict[str, list[int]] = {}
    for row in rows:
        by_input.setdefault(row["input"], []).append(row["row"])
    lines = [
        element("li", element("bdi", name), f": rows {_runs(numbers)}")
        for name, numbers in by_input.items()
    ]
    summary = element("summary", f"Example rows, {reason}")
    return element("details", summary, element("ul", *lines), open="")


def _runs(numbers: Sequence[int]) -> str:
    """Rising numbers, those that follow one another as from and to."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]} to {r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs)


def _left_out(report: Mapping[str, Any]) -> Markup:
    spectra, peaks = report["spectra"], report["peaks"]
    return _section(
        "What was left out",
        _counted("Spectra, by reason", spectra["dropped"], spectra["read"]),
        _counted(
            "Peaks of the written spectra, by reason",
            {name: count for name, count in peaks["removed"].items() if count},
            peaks["read"] - peaks["in_dropped"],
        ),
        name="left-out",
    )


def _counted(caption: str, counts: Mapping[str, int], total: int) -> Markup:
    """A table of counts with bars, the greatest first."""
    if not counts:
        return element("p", f"{caption}: none.", class_="note")
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    most = ordered[0][1]
    rows = [
        element(
            "tr",
            element("th", element("code", name), _explained(name), scope="row"),
            element("td", f"{count:,}"),
            element("td", percent(count / total) if total else ""),
            element("td", bar(count / most), class_="wide"),
        )
        for name, count in ordered
    ]
    head = _head("Reason", "Number", "Share", "")
    return _table(caption, head, rows)


def _explained(reason: str) -> str:
    return f" {REASONS[reason]}" if reason in REASONS else ""


def _head(*names: str) -> Markup:
    cells = [
        element("th", name, scope="col") if name else element("td", "", class_="wide")
        for name in names
    ]
    return element("tr", *cells)


def _table(caption: str, head: Markup, rows: Sequence[Markup], kind: str = "") -> Markup:
    return element(
        "table",
        element("caption", caption),
        element("thead", head),
        element("tbody", *rows),
        class_=kind,
    )


def _written(report: Mapping[str, Any]) -> Markup:
    written, flags, peaks = report["spectra"]["written"], report["flags"], report["peaks"]
    repeated = report["duplicates"]
    rounding = report["mz_rounding"]
    shown: dict[str, tuple[str, str]] = {
        "Exact duplicates of an earlier spectrum": _of(repeated["exact"], written),
        "Spectra whose lsh another one has": _of(repeated["lsh_neighbours"], written),
        "Spectra that fill every place of the input": _of(
            flags["saturated"], report["spectra"]["read"]
        ),
        "Charge unknown": _of(flags["charge_unknown"], written),
        "Spectra with peaks above the precursor": _of(flags["peaks_above_precursor"], written),
        "Peaks above the precursor": _of(peaks["above_precursor"], peaks["written"]),
        "Spectra whose peaks had to be sorted": _of(flags["sorted"], written),
        f"Greatest rounding of m/z as float32 (stored as {rounding['stored_as']})": (
            f"{rounding['float32_max_ppm']:.4f} ppm",
            "",
        ),
    }
    rows = [
        element("tr", element("th", name, scope="row"), *[element("td", x) for x in values])
        for name, values in shown.items()
    ]
    return _section(
        "What was written",
        _table("Counted, none of it removed", _head("What", "Number", "Share"), rows),
        name="written",
    )


def _of(count: int | None, total: int) -> tuple[str, str]:
    if count is None:
        return "not known", ""
    return f"{count:,}", percent(count / total) if total else ""


def _splits(found: Mapping[str, Any]) -> Markup:
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", f"{count:,}"),
            element("td", percent(found["shares"][name])),
            element("td", percent(found["fractions"].get(name, 0.0))),
        )
        for name, count in found["spectra"].items()
    ]
    groups = [
        element(
            "tr",
            element("th", element("code", key), scope="row"),
            element("td", f"{shared['groups']:,}"),
            element("td", f"{shared['largest']:,}"),
            element("td", f"{shared['several']:,}"),
        )
        for key, shared in found["keys"].items()
    ]
    return _section(
        "Splits",
        element("p", f"By {', '.join(found['by'])}; groups are never divided.", class_="note"),
        _table("Spectra of each split", _head("Split", "Spectra", "Share", "Asked"), rows),
        _table("What they share", _head("Key", "Groups", "Largest", "In several"), groups),
        name="splits",
    )


def _distributions(histograms: Mapping[str, Any]) -> Markup:
    figures = [
        histogram(name, axis, histograms[name]) for name, axis in AXES.items() if name in histograms
    ]
    return _section(
        "Distributions",
        element("p", "Of what was written. Each bar says what it holds.", class_="note"),
        element("div", *figures, class_="plots"),
        name="distributions",
    )


def _source_files(found: Mapping[str, Any]) -> Markup:
    if not found["number"]:
        return _section(
            "Source files", element("p", "The inputs name none.", class_="note"), name="files"
        )
    losers = [entry for entry in found["listed"] if entry["read"] > entry["written"]]
    return _section(
        "Source files",
        _losses(found["by_share_lost"], found["number"]),
        _losers(losers[:_SHOWN_FILES]),
        name="files",
    )


def _losses(classes: Sequence[Mapping[str, Any]], number: int) -> Markup:
    rows = []
    below = None
    for one in classes:
        name = "nothing" if below is None else f"over {100 * below:g}% to {100 * one['up_to']:g}%"
        below = one["up_to"]
        rows.append(
            element(
                "tr",
                element("th", name, scope="row"),
                element("td", f"{one['files']:,}"),
                element("td", percent(one["files"] / number)),
                element("td", bar(one["files"] / number), class_="wide"),
            )
        )
    head = _head("Lost", "Files", "Share", "")
    return _table(f"{number:,} files, by the share of their spectra that was left out", head, rows)


def _losers(entries: Sequence[Mapping[str, Any]]) -> Markup:
    if not entries:
        return element("p", "No file lost a spectrum.", class_="note")
    rows = [
        element(
            "tr",
            element("th", element("bdi", entry["file"] or "(no name)"), scope="row"),
            element("td", f"{entry['read']:,}"),
            element("td", f"{entry['read'] - entry['written']:,}"),
            element("td", percent(1 - entry["written"] / entry["read"])),
            element("td", f"{entry['integrity']:,}"),
        )
        for entry in entries
    ]
    head = _head("File", "Read", "Lost", "Share", "Impossible values")
    return _table("Files that lost most", head, rows, "files")


def _made(report: Mapping[str, Any]) -> Markup:
    dataset = report["dataset"]
    inputs = [element("li", element("bdi", name)) for name in dataset["inputs"]]
    rules = [
        element("tr", element("th", element("code", name), scope="row"), element("td", _value(x)))
        for name, x in report["preprocessing"].items()
    ]
    return _section(
        "How it was made",
        element("h3", "Inputs"),
        element("ul", *inputs),
        _table("Rules of cleaning", _head("Rule", "Value"), rules),
        _limits(report["limits"]),
        element(
            "p",
            "Hash of the dataset ",
            element("code", dataset["dataset_hash"]),
            f". Schema version {report['schema_version']}, report version "
            f"{report['report_version']}. All figures: ",
            element("code", "quality_report.json"),
            ".",
            class_="note",
        ),
        name="made",
    )


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _limits(limits: Mapping[str, float | None]) -> Markup:
    names = [name.removesuffix("_warn") for name in limits if name.endswith("_warn")]
    rows = [
        element(
            "tr",
            element("th", element("code", name), scope="row"),
            *[
                element("td", limit_text(limits[f"{name}_{kind}"], _unit(name)))
                for kind in ("warn", "fail")
            ],
        )
        for name in names
    ]
    return _table("Limits of the checks", _head("Check", "Warns", "Fails"), rows)


def _unit(check: str) -> str:
    return "ppm" if check == "mz_rounding" else "share"
