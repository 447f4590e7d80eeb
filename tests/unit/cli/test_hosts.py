"""`remote hosts` as far as no host is asked: list, default, remove, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from remote.cli import edge
from remote.model import Project


@pytest.fixture
def hosts_file(tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped file with two hosts, in a checkout of this test's own."""
    path = tmp_path / "configs" / "hosts.yaml"
    path.parent.mkdir()
    shutil.copyfile(project_root / "configs" / "hosts.yaml", path)
    hosts = "hosts:\n  mini: {destination: ana@mini.local}\n  here: {runtime: process}\n"
    path.write_text(path.read_text().replace("hosts: {}\n", hosts))
    monkeypatch.setattr("remote.cli.hosts.project", lambda: Project(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    assert edge.main(["hosts", *arguments]) == code
    heard = capsys.readouterr()
    return heard.out, heard.err


def test_the_list(hosts_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "default", "mini")
    assert said(capsys, "list")[0] == (
        "* mini  ana@mini.local  docker\n  here  this machine    process\n"
    )
    rows = json.loads(said(capsys, "list", "--json")[0])
    assert [(row["name"], row["destination"], row["default"]) for row in rows] == [
        ("mini", "ana@mini.local", True),
        ("here", None, False),
    ]


def test_no_hosts_yet(hosts_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts_file.unlink()
    out, err = said(capsys, "list")
    assert (out, "remote hosts add" in err) == ("", True)
    assert json.loads(said(capsys, "list", "--json")[0]) == []


def test_the_default(hosts_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = hosts_file.read_text()
    out, err = said(capsys, "default")
    assert (out, err) == ("local\n", "no host is the default: runs go to this machine\n")
    said(capsys, "default", "here")
    assert said(capsys, "default")[0] == "here\n"
    said(capsys, "default", "--unset")
    assert said(capsys, "default")[0] == "local\n"
    assert hosts_file.read_text() == before
    assert "contradict" in said(capsys, "default", "mini", "--unset", code=2)[1]
    assert 'did you mean "mini"?' in said(capsys, "default", "mimi", code=2)[1]


def test_removing(hosts_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "default", "mini")
    out, err = said(capsys, "remove", "mini")
    assert out == ""
    assert "it was the default" in err
    assert "nothing on the host was deleted" in err
    assert "remote ps --host ana@mini.local" in err
    assert "default_host: mini" not in hosts_file.read_text()
    assert 'has no host "mini"' in said(capsys, "remove", "mini", code=2)[1]
    assert "is this machine" in said(capsys, "remove", "local", code=2)[1]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["mini", "ana@mini.local"], "already (ana@mini.local)"),
        (["local", "ana@mini.local"], "is always this machine"),
        (["a b", "ana@mini.local"], "is no name for a host"),
        (["--", "-x", "ana@mini.local"], "is no name for a host"),
        (["--", "new", "-oProxyCommand=touch x"], "is no SSH destination"),
        (["new", "ana@mini;reboot"], "is no SSH destination"),
        (["new", "ana@mini", "--state-dir", "runs"], "is no path on the host"),
        (["new", "ana@mini", "--docker-binary", "/a\nb"], "is no path on the host"),
        (["new", "ana@mini", "--fingerprint", "SHA256:x"], "is no fingerprint"),
        (["mini", "ana@mini.local"], "if its key is not known here: remote hosts add mini"),
        (["minni"], 'did you mean "mini"?'),
        (["new"], "a new host needs one: remote hosts add NAME user@host"),
        (["here"], "is this machine"),
        (["local"], "is this machine"),
        (["mini", "--default"], "stays as it is: no --default"),
        (["mini", "--state-dir", "/x", "--runtime", "docker"], "no --state-dir, --runtime"),
        (["mini", "--fingerprint", "SHA256:x"], "is no fingerprint"),
    ],
)
def test_what_is_refused_before_anything_is_asked(
    hosts_file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    before = hosts_file.read_text()
    out, err = said(capsys, "add", *arguments, code=2)
    assert out == ""
    assert problem in err
    assert hosts_file.read_text() == before


def test_the_doctor_of_this_machine(
    hosts_file: Path, capsys: pytest.CaptureFixture[str], workhorse_home: Path
) -> None:
    document = json.loads(said(capsys, "doctor", "here", "--json")[0])
    assert document["exit_code"] == 0
    levels = {one["check"]: one["level"] for one in document["checks"]}
    assert levels["state directory"] == "ok"
    out, _ = said(capsys, "doctor", "here")
    assert out.startswith("here (this machine)\n")
    assert " failed" not in out


def test_the_doctor_of_an_unknown_host(
    hosts_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 'did you mean "mini"?' in said(capsys, "doctor", "minni", code=27)[1]
