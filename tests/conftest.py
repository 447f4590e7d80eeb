"""What every test stands on: data, and a net under the user's own files."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
pytest_plugins = ("tests.lab.fixtures",)

# Taken before any test can change HOME.
FORBIDDEN = tuple(
    os.fspath(path) + os.sep
    for path in (Path.home() / ".workhorse", Path.home() / ".ssh", ROOT / "results")
)
# Of these tiers nothing may be left out where CI=true.
WHOLE_IN_CI = ("browser", "docker", "mounts", "ssh", "strace")
WRITES = frozenset(
    {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
)

# Under nohup, or in the background of a script, what tests start would not hear its terminal.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# CI looks at the same examples every time; at a desk each run looks at new ones.
settings.register_profile("workhorse", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "workhorse")


class TouchedRealFiles(AssertionError):
    """A test went for the user's own state, keys or results."""


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse writes below FORBIDDEN (an audit hook: it sees every call of this process)."""
    if event == "open":
        flags = arguments[2]
        if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        paths = arguments[:1]
    elif event in WRITES:
        paths = arguments[:2]
    else:
        return
    for path in paths:
        if isinstance(path, str) and os.path.join(path, "").startswith(FORBIDDEN):  # noqa: PTH118
            raise TouchedRealFiles(f"{event} on {path}: tests keep to temporary directories")


@pytest.fixture(scope="session", autouse=True)
def workhorse_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state directory of this session's own, for this process and those it starts."""
    home = tmp_path_factory.mktemp("workhorse-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKHORSE_HOME", os.fspath(home))
        yield home


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The checkout under test. Its results/ may be read and never written."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Small real inputs that lie beside the checkout, where they do."""
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip(f"the real input files are not beside this checkout ({data})")
    return data


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CI=true, a test of these tiers that skips has failed."""
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    whole = any(item.get_closest_marker(tier) for tier in WHOLE_IN_CI)
    if skipped and whole and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {report.longrepr}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the long tier take its time."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(0))


def pytest_configure(config: pytest.Config) -> None:
    """Spread the net before the first test is collected."""
    sys.addaudithook(_guard)
