from __future__ import annotations

import json
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from remote.errors import IntegrityFailure, ResultsUnusable
from remote.results import crate, disk, ledger, manifest
from remote.results.claim import claim, record_of, staging
from remote.results.collect import collect
from remote.results.names import CRATE, FAILED, INCOMING, MANIFEST, RUN_JSON
from remote.results.seal import seal, shelve
from remote.results.verify import verify_all
from tests.unit.results.making import FILES, clock, make_run, publish, run_json


def test_a_sealed_folder_is_whole_read_only_and_in_the_ledger(tmp_path: Path) -> None:
    root = tmp_path / "results"
    folder = publish(root, tmp_path / "run")
    assert folder == root / "10_build_shards_20250423_143022"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o555
    for path in folder.rglob("*"):
        expected = 0o555 if path.is_dir() else 0o444
        assert stat.S_IMODE(path.stat().st_mode) == expected
    assert [path.name for path in (root / INCOMING).iterdir()] == [".lock"]
    (line,) = ledger.read(root).lines
    assert (line.folder, line.id) == (folder.name, folder.name)
    assert line.files == len(FILES) + 2
    assert line.previous == ledger.FIRST_PREVIOUS
    assert line.sealed_at == "2025-04-23T14:30:22.000Z"
    assert all(found.findings == () for found in verify_all(root))


def test_run_json_is_what_the_flow_gave(tmp_path: Path) -> None:
    folder = publish(tmp_path / "results", tmp_path / "run")
    record = json.loads((folder / RUN_JSON).read_bytes())
    given = run_json(record["id"], record["uuid"])
    assert record == {**given, "sealed_at": "2025-04-23T14:30:22.000Z"}


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_sha256sum_alone_checks_a_folder(tmp_path: Path) -> None:
    folder = publish(tmp_path / "results", tmp_path / "run")
    command = ["sha256sum", "--strict", "-c", MANIFEST]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    present = {path for path in folder.rglob("*") if path.is_file()}
    assert len(done.stdout.splitlines()) == len(present) - 1


def test_a_failed_attempt_is_shelved_where_no_glob_finds_it(tmp_path: Path) -> None:
    root = tmp_path / "results"
    folder = publish(root, tmp_path / "run", state="failed")
    assert folder == root / FAILED / "10_build_shards_20250423_143022.attempt1"
    assert list(root.glob("10_build_shards_*")) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o555
    assert all(found.findings == () for found in verify_all(root))


def test_a_second_attempt_succeeds_beside_the_first(tmp_path: Path) -> None:
    root = tmp_path / "results"
    claimed = claim("nb", root, clock)
    run = make_run(tmp_path / "run")
    for attempt, publisher in ((1, shelve), (2, shelve), (3, seal)):
        with staging(claimed.id, claimed.uuid, root) as incoming:
            digests = collect(run, incoming).digests
            record = run_json(claimed.id, claimed.uuid, attempt=attempt)
            publisher(incoming, root, record, digests, clock)
    assert [line.folder for line in ledger.read(root).lines] == [
        f"{FAILED}/{claimed.id}.attempt1",
        f"{FAILED}/{claimed.id}.attempt2",
        claimed.id,
    ]
    assert all(found.findings == () for found in verify_all(root))
    assert not record_of(root / INCOMING / claimed.id).exists()


@pytest.mark.parametrize("publisher", [seal, shelve])
def test_nothing_is_ever_overwritten(tmp_path: Path, publisher: Any) -> None:
    root = tmp_path / "results"
    claimed = claim("nb", root, clock)
    taken = root / (claimed.id if publisher is seal else f"{FAILED}/{claimed.id}.attempt1")
    with staging(claimed.id, claimed.uuid, root) as incoming:
        digests = collect(make_run(tmp_path / "run"), incoming).digests
        taken.mkdir()
        record = run_json(claimed.id, claimed.uuid)
        with pytest.raises(ResultsUnusable, match="nothing is ever overwritten"):
            publisher(incoming, root, record, digests, clock)
    assert list(taken.iterdir()) == []
    assert ledger.read(root).lines == ()


@pytest.mark.parametrize("change", ["added", "removed", "longer", "link"])
def test_staging_that_is_not_what_was_collected_is_refused(tmp_path: Path, change: str) -> None:
    root = tmp_path / "results"
    claimed = claim("nb", root, clock)
    with staging(claimed.id, claimed.uuid, root) as incoming:
        digests = collect(make_run(tmp_path / "run"), incoming).digests
        if change == "added":
            (incoming / "new").write_bytes(b"")
        if change in ("removed", "link"):
            (incoming / "kernel.log").unlink()
        if change == "link":
            (incoming / "kernel.log").symlink_to("/etc/passwd")
        if change == "longer":
            (incoming / "kernel.log").chmod(0o644)
            (incoming / "kernel.log").write_bytes(b"something longer")
        with pytest.raises(IntegrityFailure, match="does not hold what was collected"):
            seal(incoming, root, run_json(claimed.id, claimed.uuid), digests, clock)
    assert not (root / claimed.id).exists()


def test_staging_elsewhere_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "results"
    claimed = claim("nb", root, clock)
    with pytest.raises(IntegrityFailure, match="not where"):
        seal(tmp_path, root, run_json(claimed.id, claimed.uuid), {}, clock)


def test_a_torn_line_is_replaced_and_a_whole_one_kept(tmp_path: Path) -> None:
    root = tmp_path / "results"
    publish(root, tmp_path / "run")
    path = root / "ledger.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"files":3,"fol')
    publish(root, tmp_path / "run")
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines[0] == whole
    assert len(lines) == 2
    path.write_bytes(b"".join(lines).removesuffix(b"\n"))
    publish(root, tmp_path / "run")
    assert path.read_bytes().startswith(b"".join(lines))
    assert len(ledger.read(root).lines) == 3
    assert ledger.read(root).faults == ()


def test_rename_never_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for offered in (True, False):
        if not offered:
            monkeypatch.setattr(disk, "_exclusive_rename", lambda *_: 38)
        source, taken = tmp_path / f"s{offered}", tmp_path / f"t{offered}"
        source.mkdir()
        taken.mkdir()
        with pytest.raises(FileExistsError):
            disk.rename_new(source, taken)
        disk.rename_new(source, tmp_path / f"free{offered}")
        assert not source.exists()
        with pytest.raises(FileNotFoundError):
            disk.rename_new(source, tmp_path / "other")


# The crate, checked against what RO-Crate 1.1 and Process Run Crate 0.5 demand.


def graph_of(folder: Path) -> dict[str, dict[str, Any]]:
    document = json.loads((folder / CRATE).read_bytes())
    assert document["@context"][0] == crate.CONTEXT
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    assert len(entities) == len(document["@graph"]), "an @id is used twice"
    return entities


def references(value: object) -> list[str]:
    if isinstance(value, list):
        return [found for one in value for found in references(one)]
    return [value["@id"]] if isinstance(value, dict) else []


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_the_crate_is_a_process_run_crate(tmp_path: Path, state: str) -> None:
    folder = publish(tmp_path / "results", tmp_path / "run", state=state)
    entities = graph_of(folder)
    for entity in entities.values():
        dangling = {one for value in entity.values() for one in references(value)} - set(entities)
        assert dangling <= {crate.SPECIFICATION}
    descriptor, root = entities[CRATE], entities["./"]
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": crate.SPECIFICATION}
    assert root["@type"] == "Dataset"
    assert {"name", "description", "datePublished", "license"} <= set(root)
    assert root["conformsTo"] == {"@id": crate.PROFILE}
    assert entities[crate.PROFILE]["@type"] == "CreativeWork"
    (action,) = (one for one in entities.values() if one["@type"] == "CreateAction")
    assert root["mentions"] == {"@id": action["@id"]}
    assert entities[action["instrument"]["@id"]]["@type"] == "SoftwareSourceCode"
    assert entities[action["agent"]["@id"]]["@type"] == "Person"
    assert action["startTime"] == "2025-04-23T14:30:23.250+00:00"
    assert action["endTime"] == "2025-04-23T14:31:00.000+00:00"
    assert ("error" in action) == (state == "failed")
    status = "Completed" if state == "succeeded" else "Failed"
    assert action["actionStatus"] == f"http://schema.org/{status}ActionStatus"


def test_the_crate_describes_every_file(tmp_path: Path) -> None:
    folder = publish(tmp_path / "results", tmp_path / "run")
    entities = graph_of(folder)
    digests = manifest.decode((folder / MANIFEST).read_bytes())
    local = {
        unquote(one["@id"]): one
        for one in entities.values()
        if one["@type"] == "File" and not one["@id"].startswith("ni:")
    }
    assert set(local) == set(digests) - {CRATE}
    for path, one in local.items():
        assert one["sha256"] == digests[path]
        assert int(one["contentSize"]) == (folder / path).stat().st_size
        assert {"@id": one["@id"]} in entities["./"]["hasPart"]
    (action,) = (one for one in entities.values() if one["@type"] == "CreateAction")
    made = {unquote(one["@id"]) for one in action["result"]}
    assert made == set(local) - {RUN_JSON}


def test_a_parameter_that_json_has_no_number_for(tmp_path: Path) -> None:
    record = {**run_json("nb_20250423_143022", "u"), "sealed_at": "2025-04-23T14:31:01Z"}
    record["parameters"] = [{"name": "limit", "value": float("nan")}]
    content = crate.encode(record, {}).decode()
    assert '"value": "NaN"' in content


def test_the_crate_says_what_went_in(tmp_path: Path) -> None:
    entities = graph_of(publish(tmp_path / "results", tmp_path / "run"))
    (action,) = (one for one in entities.values() if one["@type"] == "CreateAction")
    used = [entities[one["@id"]] for one in action["object"]]
    values = {one["name"]: one.get("value") for one in used if one["@type"] == "PropertyValue"}
    assert values == {"max_spectra": 50000, "limits": "[1, null]"}
    (file,) = (one for one in used if one["@type"] == "File")
    assert file["name"] == "GeMS_C.9.hdf5"
    assert file["@id"].startswith("ni:///sha-256;")


@pytest.mark.parametrize("outcome", [None, [], {"finished_at": 7, "state": "failed", "error": "x"}])
def test_whatever_the_host_says_the_crate_can_be_written(outcome: object) -> None:
    record = {**run_json("nb_20250423_143022", "u"), "sealed_at": "2025-04-23T14:31:01Z"}
    document = json.loads(crate.encode({**record, "outcome": outcome}, {}))
    (action,) = (one for one in document["@graph"] if one["@type"] == "CreateAction")
    assert action["endTime"] == "2025-04-23T14:31:01.000+00:00"
