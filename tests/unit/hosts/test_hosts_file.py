"""Hosts into and out of configs/hosts.yaml: what is asked for changes, and nothing else."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.config import load_file
from remote.errors import ConfigInvalid, UsageError
from remote.hosts.hosts_file import add_host, remove_host, set_default
from remote.schema import load_yaml

MINI = {"destination": "ana@mini.local:2222"}
ENTRY = "  mini:\n    destination: ana@mini.local:2222\n"
FORMS = {
    "empty": "",
    "comments": "# only words\n",
    "no hosts": "default_host: local\n",
    "braces in the middle": "# a\nhosts: {}   # b\n# c\ndefault_host: local # d\n",
    "braces": "# a\nhosts: {}  # none yet\n# end\n",
    "no newline": "hosts: {}",
    "block": "hosts:\n  # of Bo\n  bo:\n    destination: b@o  # his\n    # all\n  # end\n\n# z\n",
    "deep": "hosts:\n    bo:\n        limits:\n            cpus: 4\n\ndefault_host: bo\n",
    "flow": "hosts: {bo: {destination: b@o}}  # his\n",
    "mixed": "hosts:\n  bo: {destination: b@o, limits: {\n     cpus: 3 }}\n  jo: {}\n",
    "windows": "hosts:\r\n  bo:\r\n    destination: b@o\r\n",
    "same name in a comment": "# mini:\nhosts:\n  # mini:\n  bo: {}\n",
    "several": "hosts:\n  # of bo\n  bo:\n    destination: b@o\n\n  # of jo\n  jo: {}\n\n# end\n",
    "own ways": "---\nhosts:\n    bo:\n      limits: { cpus: 4.0,  pids: 0x100 }\n"
    "      docker_binary: ~\n    jo:\n        destination:   'j@o'\n",
}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "configs" / "hosts.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("form", FORMS)
def test_a_host_is_added_and_removed_and_all_else_stays(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, FORMS[form])
    before = load_file(path)
    add_host(path, "mini", MINI)
    after = load_file(path)
    assert after.hosts["mini"].destination == MINI["destination"]
    assert {**before.hosts, "mini": after.hosts["mini"]} == after.hosts
    assert after.default_host == before.default_host
    changed = path.read_bytes().decode()
    lines = [line.replace("hosts: {}", "hosts:") for line in FORMS[form].splitlines()]
    if form != "flow":
        assert [one for one in lines if one not in changed.splitlines()] == []
    assert not remove_host(path, "mini")
    assert load_file(path) == before
    assert sorted(os.listdir(path.parent)) == ["hosts.yaml"]  # noqa: PTH208


@pytest.mark.parametrize(
    ("form", "name", "lines"),
    [
        ("several", "bo", "  bo:\n    destination: b@o\n"),
        ("several", "jo", "  jo: {}\n"),
        ("own ways", "jo", "    jo:\n        destination:   'j@o'\n"),
        ("mixed", "bo", "  bo: {destination: b@o, limits: {\n     cpus: 3 }}\n"),
    ],
)
def test_a_host_goes_with_its_own_lines_alone(
    tmp_path: Path, form: str, name: str, lines: str
) -> None:
    path = written(tmp_path, FORMS[form])
    remove_host(path, name)
    assert path.read_text() == FORMS[form].replace(lines, "")


@pytest.mark.parametrize("form", ["block", "deep", "mixed", "several", "own ways"])
def test_a_host_comes_and_goes_without_a_trace(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, FORMS[form])
    add_host(path, "mini", MINI)
    remove_host(path, "mini")
    assert path.read_text() == FORMS[form]


@pytest.mark.parametrize("form", FORMS)
def test_the_default_is_set_and_unset(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, FORMS[form])
    before = load_file(path)
    add_host(path, "mini", MINI, default=True)
    assert load_file(path).default_host == "mini"
    set_default(path, "local+process")
    assert load_file(path).default_host == "local+process"
    set_default(path, None)
    set_default(path, None)
    assert load_file(path).default_host is None
    set_default(path, "mini")
    assert remove_host(path, "mini")
    after = load_file(path)
    assert (after.default_host, after.hosts) == (None, before.hosts)


def test_the_shipped_file_keeps_its_documentation(tmp_path: Path, project_root: Path) -> None:
    shipped = (project_root / "configs" / "hosts.yaml").read_text()
    path = written(tmp_path, shipped)
    add_host(path, "mini", MINI, default=True)
    expected = shipped.replace("hosts: {}\n", f"default_host: mini\nhosts:\n{ENTRY}")
    assert path.read_text() == expected
    remove_host(path, "mini")
    assert path.read_text() == shipped


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    path = tmp_path / "configs" / "hosts.yaml"
    add_host(path, "mini", MINI)
    assert path.read_text() == f"hosts:\n{ENTRY}"


def test_the_mode_and_a_link_are_kept(tmp_path: Path) -> None:
    real = written(tmp_path, "hosts: {}\n")
    real.chmod(0o640)
    (tmp_path / "other").mkdir()
    link = tmp_path / "other" / "hosts.yaml"
    link.symlink_to(real)
    add_host(link, "mini", MINI)
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert "mini" in load_file(real).hosts


@pytest.mark.parametrize(
    "name",
    ["", "-x", "-oProxyCommand=x", "a b", "a/b", "ä", ".x", "x" * 64, "a:b", "x\n", "a@b"],
)
def test_what_is_no_name(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, "hosts: {}\n")
    with pytest.raises(UsageError, match="is no name for a host"):
        add_host(path, name, MINI)
    assert path.read_text() == "hosts: {}\n"


@pytest.mark.parametrize("name", ["local", "local+docker", "local+process"])
def test_this_machine_keeps_its_names(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, "hosts: {}\n")
    with pytest.raises(UsageError):
        add_host(path, name, MINI)
    with pytest.raises(UsageError, match="is this machine"):
        remove_host(path, name)


def test_a_name_that_is_taken_or_unknown(tmp_path: Path) -> None:
    path = written(tmp_path, "hosts: {mini: {destination: a@b}}\n")
    with pytest.raises(UsageError, match=r"already \(a@b\)") as caught:
        add_host(path, "mini", MINI)
    assert "remote hosts remove mini" in caught.value.hint
    for refused in (lambda: remove_host(path, "mni"), lambda: set_default(path, "mni")):
        with pytest.raises(UsageError, match='did you mean "mini"'):
            refused()
    assert path.read_text() == "hosts: {mini: {destination: a@b}}\n"


@pytest.mark.parametrize(
    "text",
    [
        "{hosts: {}}\n",
        "hosts: &all\n  bo: &b {}\n  jo: *b\n? complex\n: x\n",
        "hosts: [\n",
        "hosts:\n",
    ],
)
def test_what_cannot_be_changed_is_left_alone(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigInvalid):
        add_host(path, "mini", MINI)
    assert path.read_text() == text
    assert len(list(path.parent.iterdir())) == 1


def test_a_value_of_a_later_host_that_stands_elsewhere(tmp_path: Path) -> None:
    """An alias ends where its anchor does: then the host would be torn apart."""
    text = "hosts:\n  bo:\n    limits: &l\n      cpus: 2\n    destination: b@o\n"
    text += "  jo:\n    limits: *l\n"
    path = written(tmp_path, text)
    with pytest.raises(ConfigInvalid, match="cannot be changed"):
        add_host(path, "mini", MINI)
    assert path.read_text() == text


@given(
    st.sampled_from(sorted(FORMS)),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,12}", fullmatch=True),
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12),
)
def test_any_name_and_value_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, form: str, name: str, value: str
) -> None:
    path = written(tmp_path_factory.mktemp("hosts"), FORMS[form])
    before = load_file(path)
    if name in before.hosts:
        return
    add_host(path, name, {"destination": value, "base_image": "1.5"})
    host = load_file(path).hosts[name]
    assert (host.destination, host.base_image) == (value, "1.5")
    remove_host(path, name)
    assert load_file(path) == before


def test_changes_at_once_all_count(tmp_path: Path) -> None:
    path = written(tmp_path, "hosts: {}\n")
    names = [f"host{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: add_host(path, name, MINI), names))
    assert set(load_file(path).hosts) == set(names)
    assert load_yaml(path.read_text(), "x")["hosts"]["host3"] == MINI
