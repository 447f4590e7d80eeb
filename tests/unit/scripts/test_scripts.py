"""The scripts: what they change, and what they refuse."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def add_package(project_root: Path) -> ModuleType:
    path = project_root / "scripts" / "add_package.py"
    spec = importlib.util.spec_from_file_location("add_package", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROJECT = '[dependency-groups]\nrun = [\n  "numpy>=2",\n  # why\n  "scikit-learn",\n]\ndev = []\n'


def test_a_package_goes_into_the_run_group_once(add_package: ModuleType) -> None:
    changed = add_package.with_packages(PROJECT, ["polars>=1", "Scikit_Learn", "NumPy"])
    assert changed == PROJECT.replace('-learn",\n', '-learn",\n  "polars>=1",\n')
    assert add_package.with_packages(changed, ["polars"]) == changed


def test_the_real_group_takes_a_package(add_package: ModuleType, project_root: Path) -> None:
    text = (project_root / "pyproject.toml").read_text()
    changed = add_package.with_packages(text, ["zzz-new"])
    assert changed.count('"zzz-new"') == 1
    assert add_package.with_packages(text, ["numba", "H5PY"]) == text


@pytest.mark.parametrize("name", ["../x", "a b", 'x"]', "-r", "https://x/y.whl", "x\n"])
def test_what_is_no_name_is_refused(
    add_package: ModuleType, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add_package.main([name]) == 2
    assert "is not the name of a package" in capsys.readouterr().err


@pytest.mark.parametrize(
    "script", ["run-remote.sh", "remote", "msms", "test.sh", "lock.sh", "bootstrap.sh"]
)
def test_scripts_are_executable_and_parse(project_root: Path, script: str) -> None:
    path = project_root / "scripts" / script
    assert path.stat().st_mode & 0o111 == 0o111
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_what_users_run_first_keeps_to_the_bash_of_macos(project_root: Path) -> None:
    newer = re.compile(r"\b(mapfile|readarray|declare -A|coproc)\b|\$\{\w+(\^|,,|@)|&>>|\|&")
    for script in ("run-remote.sh", "remote", "msms", "bootstrap.sh", "add-package.sh", "lock.sh"):
        assert not newer.search((project_root / "scripts" / script).read_text()), script


def test_continuous_integration_runs_the_tests_command(project_root: Path) -> None:
    lines = (project_root / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "CI=true exec ./scripts/test.sh"


@pytest.fixture
def bare(tmp_path: Path, project_root: Path) -> Path:
    """A checkout with the set-up script and locks alone, with a space in its path."""
    root = tmp_path / "a checkout"
    shutil.copytree(project_root / "scripts", root / "scripts")
    return root


def bootstrap(
    root: Path, python: str, before: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """With one Python on PATH and no others to be found, but for those in `before`."""
    bin_directory = root / "bin"
    bin_directory.mkdir()
    (bin_directory / "python3").write_text(python)
    (bin_directory / "python3").chmod(0o755)
    script = root / "scripts" / "bootstrap.sh"
    text = script.read_text()
    text = re.sub(r"/(opt/homebrew|usr/local|usr)/bin/python3(\.\d+)?", "", text)
    script.write_text(re.sub(r"python3\.\d+(?= )", "python3", text))
    tools = [shutil.which(name) for name in ("bash", "cat", "mkdir", "rm", "sha256sum", "dirname")]
    for tool in tools:
        assert tool is not None
        (bin_directory / Path(tool).name).symlink_to(tool)
    return subprocess.run(
        ["bash", str(script)],
        env={"PATH": f"{before}:{bin_directory}" if before else str(bin_directory)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_old_python_is_refused_with_what_to_do(bare: Path) -> None:
    done = bootstrap(bare, "#!/bin/sh\nexit 1\n")
    assert done.returncode == 18
    assert done.stderr.startswith("error: Python 3.11 or later is needed")
    assert "WORKHORSE_PYTHON=" in done.stderr
    assert not (bare / ".venv").exists()
    assert not (bare / ".venv.lock").exists()


def test_a_python_without_venv_is_one_clear_error(bare: Path) -> None:
    # Answers everything but the question for venv; apt is not there.
    python = '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; *print*) echo 3.12;; esac\n'
    script = bare / "scripts" / "bootstrap.sh"
    script.write_text(script.read_text().replace("$(id -u)", "1000"))
    done = bootstrap(bare, python)
    assert done.returncode == 18
    assert "lacks the venv module" in done.stderr
    assert "sudo apt install python3.12-venv" in done.stderr
    assert not (bare / ".venv.lock").exists()


def test_the_python_of_an_environment_that_is_active_does_not_make_it_anew(bare: Path) -> None:
    """It goes with the environment that is replaced."""
    active = bare / ".venv" / "bin"
    active.mkdir(parents=True)
    (active / "python3").write_text("#!/bin/sh\nexit 0\n")
    (active / "python3").chmod(0o755)
    done = bootstrap(bare, "#!/bin/sh\nexit 1\n", active)
    assert done.returncode == 18
    assert done.stderr.startswith("error: Python 3.11 or later is needed")
