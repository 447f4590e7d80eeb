"""The report's files: `quality_report.json`, and `quality_report.html` made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remote.errors import QualityFailed, ResultsUnusable
from remote.workloads.durable import json_bytes, write_atomic
from remote.workloads.shards.output.manifest import QUALITY_PAGE, QUALITY_REPORT
from remote.workloads.shards.output.versions import refuse_newer
from remote.workloads.shards.quality.checks import limit_text
from remote.workloads.shards.quality.page import page

# Of the report's own form, to which the edges of the histograms belong.
REPORT_VERSION = 1

_SHOWN_ROWS = 5


def write_report(root: Path, report: Mapping[str, Any]) -> None:
    """Write the report and its page into a dataset's folder, each where it is not there already."""
    for name, data in ((QUALITY_REPORT, json_bytes(report)), (QUALITY_PAGE, page(report))):
        path = root / name
        if not path.is_file() or path.read_bytes() != data:
            write_atomic(path, data)


def read_report(path: Path) -> dict[str, Any]:
    """The report in a dataset's folder, in a folder that holds one dataset, or of that file.

    Raises:
        ResultsUnusable: there is none, there are several, or it is of a form not known here.
    """
    found = _found(path)
    try:
        report = json.loads(found.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsUnusable(
            f"{found}: cannot be read: {error}", hint="Name a dataset, or its quality_report.json."
        ) from error
    if isinstance(report, dict):
        refuse_newer_report(found, report)
    if not isinstance(report, dict) or "overall" not in report or "stages" not in report:
        raise ResultsUnusable(
            f"{found} is no quality report.", hint="Name a dataset, or its quality_report.json."
        )
    version = report.get("report_version", 0)
    if version != REPORT_VERSION:
        raise _other_version(found, version, "Build the dataset again with this Workhorse.")
    return report


def refuse_newer_report(path: Path, report: Mapping[str, Any]) -> None:
    """Refuse a report of a newer form, or of shards of a newer schema version.

    Raises:
        ResultsUnusable: says which version is known here.
    """
    refuse_newer(report.get("schema_version"), str(path))
    version = report.get("report_version")
    if isinstance(version, int) and version > REPORT_VERSION:
        raise _other_version(path, version, "Update Workhorse.")


def _other_version(path: Path, version: object, hint: str) -> ResultsUnusable:
    return ResultsUnusable(
        f"{path} is a report of version {version}, this Workhorse reads version {REPORT_VERSION}.",
        hint=hint,
    )


def _found(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.exists():
        raise ResultsUnusable(f"There is no {path}.", hint="Name a dataset that was finished.")
    if (path / QUALITY_REPORT).is_file():
        return path / QUALITY_REPORT
    found = sorted(path.rglob(QUALITY_REPORT))
    if not found:
        raise ResultsUnusable(
            f"{path} holds no quality report.",
            hint="Name a dataset that `msms build-shards` finished.",
        )
    if len(found) > 1:
        listing = "\n".join(f"  {one}" for one in found[:_SHOWN_ROWS])
        raise ResultsUnusable(
            f"{path} holds {len(found)} quality reports:\n{listing}", hint="Name one of them."
        )
    return found[0]


def refuse_failed(report: Mapping[str, Any], where: Path) -> None:
    """Nothing, unless the report says FAIL.

    Args:
        where: the dataset, for the message.

    Raises:
        QualityFailed: names the checks that failed, with their figures and example rows.
    """
    checks = [check for stage in report["stages"].values() for check in stage["checks"]]
    failed = [check for check in checks if check["status"] == "FAIL"]
    if report["overall"] != "FAIL":
        return
    lines = [f"  {line}" for check in failed for line in _told(check, report["spectra"])]
    advice = "\n".join(check["advice"] for check in failed)
    raise QualityFailed(
        "\n".join([f"{where} is complete, and its quality report says FAIL:", *lines]),
        hint=f"{advice}\nA limit that is not meant so can be set in the config: quality/limits. "
        f"Plots: {where / QUALITY_PAGE}",
    )


def _told(check: Mapping[str, Any], spectra: Mapping[str, Any]) -> list[str]:
    limit = check["fail"]
    fails = "" if limit is None else f"; it fails {limit_text(limit, check['unit'])}"
    lines = [f"{check['name']}: {check['reason']}{fails}"]
    rows = [row for reason in check["dropped"] for row in spectra["examples"].get(reason, ())]
    rows.sort(key=lambda row: (row["input"], row["row"]))
    shown = ", ".join(f"{row['input']}:{row['row']}" for row in rows[:_SHOWN_ROWS])
    return [*lines, f"  such as rows {shown}"] if shown else lines
