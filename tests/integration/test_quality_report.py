"""A build whose quality fails is complete, says so with a code of its own, and can be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import pytest

from remote.workloads.shards import BuildSettings, build_shards
from remote.workloads.shards.meter import Progress
from remote.workloads.shards.notebook import quality_verdict
from remote.workloads.shards.settings import Limits, Quality
from remote.workloads.shards.validate import validate
from tests.integration.shards.commands import heard as msms
from tests.unit.shards.making import RUN_ID, make_input, tree

pytestmark = pytest.mark.integration
FAILED = 31


def build(root: Path, path: Path, *more: object, code: int = 0) -> Any:
    given = ("--input-hdf5", path, "--output-root", root, "--run-id", RUN_ID, "--skip-preflight")
    return msms("build-shards", *given, *more, code=code)


@pytest.fixture(scope="module")
def bad_input(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 of 6,000 spectra have an impossible precursor: 0.2 %."""
    return make_input(tmp_path_factory.mktemp("bad") / "a.hdf5", 6_000, bad=(100, 112))


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory, bad_input: Path) -> Path:
    root = tmp_path_factory.mktemp("failed") / "out"
    done = build(root, bad_input, "--json", code=FAILED)
    result = json.loads(done.stdout)
    assert (result["quality"], result["num_samples"]) == ("FAIL", 5_988)
    assert "says FAIL" in done.stderr
    assert "integrity: 12 of 6,000 (0.20%) spectra with impossible values" in done.stderr
    assert "precursor_invalid: 12" in done.stderr
    assert "fails above 0.1%" in done.stderr
    assert "a.hdf5:100, a.hdf5:101" in done.stderr
    assert "example rows in the input" in done.stderr
    assert "quality/limits" in done.stderr
    assert "Traceback" not in done.stderr
    return root


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    build(folder / "out", make_input(folder / "a.hdf5", 6_000, 5))
    return folder / "out"


def test_what_failed_is_complete(failed: Path) -> None:
    assert validate(failed).problems == ()
    assert not list(failed.glob("checkpoints/journal_*"))
    assert (failed / "quality_report.html").read_bytes().startswith(b"<!DOCTYPE html>")
    shown = msms("quality-report", failed, code=FAILED)
    assert shown.stdout.startswith("overall FAIL")
    assert "a.hdf5:100" in shown.stderr
    assert json.loads(msms("quality-report", failed, "--json", code=FAILED).stdout)["limits"]


def test_in_a_notebook_it_returns_and_is_shown(tmp_path: Path, bad_input: Path) -> None:
    result = build_shards(input_hdf5=bad_input, output_root=tmp_path / "out", skip_preflight=True)
    assert result.quality == "FAIL"
    verdict = quality_verdict(tmp_path / "out")
    assert "quality: FAIL" in repr(verdict)
    assert "12 of 6,000" in repr(verdict)
    assert 'href="quality_report.html"' in verdict._repr_html_()


def test_a_limit_of_the_config_judges_alone(tmp_path: Path, failed: Path, bad_input: Path) -> None:
    """Also what is there already: a resume takes it, judges it anew, and changes no shard."""
    (tmp_path / "c.yaml").write_text("quality: {limits: {integrity_fail: 0.01}}\n")
    root = tmp_path / "out"
    build(root, bad_input, code=FAILED)
    before = tree(root)
    build(root, bad_input, "--resume", "--config", tmp_path / "c.yaml")
    after = tree(root)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"quality_report.json", "quality_report.html"}
    assert json.loads(after["quality_report.json"])["overall"] == "WARN"
    # As if it had been built so at first.
    at_first = tmp_path / "first"
    build(at_first, bad_input, "--config", tmp_path / "c.yaml")
    first = tree(at_first)
    assert {name for name in after if after[name] != first[name]} <= {"dataset_manifest.json"}
    build(root, bad_input, "--resume", code=FAILED)
    assert tree(root) == before == tree(failed)


def test_limits_that_change_half_way_do_not_refuse_a_resume(
    tmp_path: Path, bad_input: Path
) -> None:
    root = tmp_path / "out"

    def stop(now: Progress) -> None:
        if now.done == 5_000:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"output_root": root, "run_id": RUN_ID, "skip_preflight": True}
    with pytest.raises(KeyboardInterrupt):
        build_shards(input_hdf5=bad_input, watch=stop, **options)
    lenient = BuildSettings(quality=Quality(limits=Limits(integrity_fail=None)))
    result = build_shards(lenient, input_hdf5=bad_input, resume=True, **options)
    assert (result.quality, result.resumed_rows) == ("WARN", 5_000)


def test_what_was_said_of_splits_stays_where_it_is_judged_again(
    tmp_path: Path, bad_input: Path
) -> None:
    (tmp_path / "c.yaml").write_text("quality: {limits: {integrity_fail: null}}\n")
    given = ("--split-by", "source_file", "--split-fractions", "0.5,0.3,0.2")
    build(tmp_path / "out", bad_input, *given, code=FAILED)
    build(tmp_path / "out", bad_input, *given, "--resume", "--config", tmp_path / "c.yaml")
    again = json.loads((tmp_path / "out" / "quality_report.json").read_text())
    checks = {x["name"]: x["status"] for x in again["stages"]["training_readiness"]["checks"]}
    assert checks["split_overlap"] == "PASS"
    assert (again["overall"], again["splits"]["by"]) == ("WARN", ["source_file"])
    page = (tmp_path / "out" / "quality_report.html").read_text()
    assert all(f">{count:,}</td>" in page for count in again["splits"]["spectra"].values())
    build(tmp_path / "first", bad_input, *given, "--config", tmp_path / "c.yaml")
    assert (tmp_path / "first" / "quality_report.json").read_text() == json.dumps(
        again, indent=2, ensure_ascii=False
    ) + "\n"


def test_against_an_earlier_report(tmp_path: Path, sound: Path, failed: Path) -> None:
    same = msms("quality-report", sound, "--against", sound).stdout
    assert "the largest effect is negligible" in same
    (tmp_path / "20_run" / "shards").mkdir(parents=True)
    run = tmp_path / "20_run"
    (run / "shards" / "quality_report.json").write_bytes(
        (failed / "quality_report.json").read_bytes()
    )
    table = msms("quality-report", sound, "--against", run).stdout
    assert "dropped: precursor_invalid" in table
    assert "Peaks per spectrum" in table
    found = json.loads(
        msms("quality-report", sound, "--against", failed / "quality_report.json", "--json").stdout
    )
    assert {m["name"] for m in found["moved"]} >= {"num_peaks", "rt", "charge", "mz_defect"}
    integrity = next(c for c in found["changed"] if c["name"] == "integrity")
    assert (integrity["then"], integrity["now"]) == (0.002, 0.0)
    assert found["largest"] in ("negligible", "small", "medium", "large")


def test_reports_that_cannot_be_read_are_refused_in_one_line(tmp_path: Path, sound: Path) -> None:
    report = json.loads((sound / "quality_report.json").read_text())

    def refused(content: str | bytes) -> str:
        path = tmp_path / "r.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        for given in ((path,), (sound, "--against", path)):
            text = msms("quality-report", *given, code=13).stderr
            assert "Traceback" not in text
        return text

    assert "Update Workhorse" in refused(json.dumps(report | {"report_version": 2}))
    assert "version 0" in refused(json.dumps({"overall": "PASS", "stages": {}}))
    assert "no quality report" in refused("[1]")
    assert "cannot be read" in refused("{")
    assert "cannot be read" in refused(b"\xff\xfe")
    other = msms("quality-report", sound, "--against", tmp_path / "nowhere", code=13).stderr
    assert "There is no" in other
    report["histograms"]["rt"]["edges"][0] = 1
    (tmp_path / "edges.json").write_text(json.dumps(report))
    edges = msms("quality-report", sound, "--against", tmp_path / "edges.json", code=13).stderr
    assert "other edges" in edges
    for name in ("one", "two"):
        (tmp_path / "many" / name).mkdir(parents=True)
        (tmp_path / "many" / name / "quality_report.json").write_text(json.dumps(report))
    many = msms("quality-report", tmp_path / "many", code=13).stderr
    assert "holds 2 quality reports" in many


def test_the_page_is_written_anywhere(tmp_path: Path, sound: Path) -> None:
    page = tmp_path / "page.html"
    msms("quality-report", sound, "--html", page)
    assert page.read_bytes() == (sound / "quality_report.html").read_bytes()
    assert "exists already" in msms("quality-report", sound, "--html", page, code=2).stderr
    assert "cannot" in msms("quality-report", sound, "--html", tmp_path / "x" / "p", code=13).stderr


def test_file_names_in_the_input_stay_text(tmp_path: Path) -> None:
    path = make_input(tmp_path / "a.hdf5", 600, bad=(3, 6))
    with h5py.File(path, "a") as file:
        names = ["<script>alert(1)</script>"] * 600
        del file["name"]
        file.create_dataset("name", data=names, dtype=h5py.string_dtype())
    build(tmp_path / "out", path, code=FAILED)
    page = (tmp_path / "out" / "quality_report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
