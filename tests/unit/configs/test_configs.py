"""Every configuration that is shipped works, also what is only commented out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from remote import config
from remote.config import Config, adjusted, load, state_dir
from remote.errors import ConfigInvalid, UsageError
from remote.model import DataFolder, Limits
from remote.workloads.shards.settings import read_settings


def project_with(tmp_path: Path, text: str) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "hosts.yaml").write_text(text)
    return tmp_path


def test_the_shipped_hosts_name_none(project_root: Path) -> None:
    path = project_root / "configs" / "hosts.yaml"
    assert load(project_root) == Config(path, None, {})


def test_the_documented_hosts_are_taken_and_say_the_defaults(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORKHORSE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    shipped = (project_root / "configs" / "hosts.yaml").read_text()
    documented = shipped.split("with its default:")[1].replace("hosts: {}", "")
    read = load(project_with(tmp_path, re.sub(r"(?m)^# ?", "", documented)))
    assert read.default_host == "here"
    (tmp_path / "bare" / "configs").mkdir(parents=True)
    (tmp_path / "bare" / "configs" / "hosts.yaml").write_text("hosts: {here: {}}")
    assert read.hosts == load(tmp_path / "bare").hosts
    assert read.hosts["here"].state_dir == tmp_path / ".workhorse"
    assert read.hosts["here"].limits == Limits()


def test_a_remote_host_and_its_limits(tmp_path: Path) -> None:
    text = (
        "hosts:\n  mini:\n    destination: me@mini.local\n    runtime: process\n"
        "    limits: {memory: 12 GiB, cpus: 8}\n"
    )
    host = load(project_with(tmp_path, text)).hosts["mini"]
    assert (host.transport, host.runtime) == ("ssh", "process")
    assert host.limits.memory_bytes == 12 << 30
    assert host.state_dir == Path("~/.workhorse")
    assert adjusted(host, memory=5, cpus=None).limits == Limits(memory_bytes=5, cpus=8.0)
    assert (host.build, adjusted(host).build, adjusted(host, build="host").build) == (
        "auto",
        "auto",
        "host",
    )


def test_the_home_in_a_state_directory_is_that_of_the_host(tmp_path: Path) -> None:
    text = "hosts: {mini: {destination: a@b, state_dir: ~/runs}, here: {state_dir: ~/runs}}"
    hosts = load(project_with(tmp_path, text)).hosts
    assert hosts["mini"].state_dir == Path("~/runs")
    assert hosts["here"].state_dir == Path.home() / "runs"


def test_problems_are_told_with_their_paths(tmp_path: Path) -> None:
    text = "hosts:\n  mini: {destnation: x, limits: {memory: much, pids: 1}}\n"
    with pytest.raises(ConfigInvalid) as refused:
        load(project_with(tmp_path, text))
    assert refused.value.problem.splitlines()[1:] == [
        '  hosts/mini/destnation: unknown key; did you mean "destination"?',
        '  hosts/mini/limits/memory: "much" is not a size such as "12 GiB" or "500 MB"',
        "  hosts/mini/limits/pids: must be at least 64, got 1",
    ]
    assert refused.value.exit_code == 12


def test_folders_that_a_host_sees_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ana")
    text = "hosts:\n  mini:\n    destination: mini\n    data: {/Volumes/raw/: /mnt/raw, ~/d: ~/e}\n"
    read = load(project_with(tmp_path, text))
    assert read.hosts["mini"].data == (
        DataFolder(Path("/Volumes/raw"), Path("/mnt/raw")),
        DataFolder(Path("/home/ana/d"), Path("~/e")),
    )
    assert read.data == read.hosts["mini"].data


def test_the_folders_that_docs_show(project_root: Path, tmp_path: Path) -> None:
    documented = (project_root / "docs" / "ssh.md").read_text()
    (shown,) = re.findall(r"```yaml\n(.*?)```", documented, re.DOTALL)
    folders = load(project_with(tmp_path, shown)).hosts["mini"].data
    assert [str(folder.there) for folder in folders] == ["/mnt/raw", "/srv/ana/spectra"]


def test_folders_that_cannot_be_meant(tmp_path: Path) -> None:
    text = "hosts:\n  mini:\n    destination: mini\n    data: {raw: /mnt/raw, /a: mnt, /b: 7}\n"
    with pytest.raises(ConfigInvalid) as refused:
        load(project_with(tmp_path, text))
    assert refused.value.problem.splitlines()[1:] == [
        "  hosts/mini/data/raw: the key must be an absolute path or begin with ~/, got 'raw'",
        "  hosts/mini/data//a: must be an absolute path or begin with ~/, got 'mnt'",
        "  hosts/mini/data//b: expected text, got 7",
    ]


def test_a_folder_twice_or_of_this_machine(tmp_path: Path) -> None:
    text = (
        "hosts:\n  mini: {destination: mini, data: {/a: /b, /a/: /c}}\n  here: {data: {/a: /b}}\n"
    )
    with pytest.raises(ConfigInvalid) as refused:
        load(project_with(tmp_path, text))
    assert refused.value.problem.splitlines()[1:] == [
        "  hosts/mini/data//a: the same folder as another key",
        "  hosts/mini/data//a/: the same folder as another key",
        "  hosts/here/data: this machine sees its own files; leave it out",
    ]


def test_a_default_that_is_no_host(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r'default_host: no host is named "mni".*"mini"'):
        load(project_with(tmp_path, "default_host: mni\nhosts: {mini: {}}"))


def test_this_machine_may_be_the_default(tmp_path: Path) -> None:
    assert (
        load(project_with(tmp_path, "default_host: local+process")).default_host == "local+process"
    )


def test_no_file_is_no_hosts(tmp_path: Path) -> None:
    assert load(tmp_path).hosts == {}


def test_the_state_directory(monkeypatch: pytest.MonkeyPatch, workhorse_home: Path) -> None:
    assert state_dir() == workhorse_home
    monkeypatch.setenv("WORKHORSE_HOME", "relative/path")
    with pytest.raises(UsageError, match="not an absolute path"):
        state_dir()
    assert config.environment()["WORKHORSE_HOME"] == "relative/path"


@pytest.mark.parametrize(
    ("name", "shard_size", "max_spectra"),
    [
        ("gems_local", 10**9, 100_000),
        ("gems_full_safe", 10**9, None),
        ("gems_production_48core", 2 * 10**9, None),
    ],
)
def test_the_sharding_configs(
    project_root: Path, name: str, shard_size: int, max_spectra: int | None
) -> None:
    settings = read_settings(project_root / "configs" / f"{name}.yaml")
    assert settings.max_shard_size_bytes == shard_size
    assert settings.max_spectra == max_spectra
    assert settings.canonical_hdf5 == ("data/raw/GeMS_C.9.hdf5",)
    assert settings.output_root is not None
