"""The one error base and the table of exit codes.

Every foreseeable problem is a `WorkhorseError` subclass: it says what is wrong and where
(`problem`), what to do next (`hint`), and which exit code the process ends with. It is caught
once, at the edge of each command line.

Exit code 2 is also what the option parser uses for a malformed command line. Codes travel
between machines (through `outcome.json`), so a code is never reused for another meaning.
"""

from __future__ import annotations

from typing import ClassVar


class WorkhorseError(Exception):
    """A problem a person can act on.

    Attributes:
        problem: what is wrong and where, one or more plain lines.
        hint: what to do next; may hold a command to paste.
        exit_code: the process exit code, owned by the class.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}\n{self.hint}" if self.hint else self.problem

    def __reduce__(self) -> tuple[object, ...]:
        # Keeps the keyword-only hint when the error crosses a process boundary.
        return _rebuild, (type(self), self.problem, self.hint)


def _rebuild(cls: type[WorkhorseError], problem: str, hint: str) -> WorkhorseError:
    return cls(problem, hint=hint)


class NotebookFailed(WorkhorseError):
    """A cell of the user's notebook raised."""

    exit_code = 1


class UsageError(WorkhorseError):
    """The command line contradicts itself."""

    exit_code = 2


class HostUnreachable(WorkhorseError):
    """The link to the host is down; says nothing about the run's state."""

    exit_code = 3


class HostRefused(WorkhorseError):
    """The host answered and cannot take the run."""

    exit_code = 4


class OutOfMemory(WorkhorseError):
    """The run was ended by its memory limit."""

    exit_code = 5


class Cancelled(WorkhorseError):
    """Somebody stopped the run."""

    exit_code = 6


class Interrupted(WorkhorseError):
    """The run is gone and left no outcome: host rebooted, daemon or supervisor killed."""

    exit_code = 7


class IntegrityFailure(WorkhorseError):
    """Bytes differ from what was recorded for them."""

    exit_code = 8


class InputUnusable(WorkhorseError):
    """An input data file is missing, unreadable, damaged or of the wrong form."""

    exit_code = 9


class NotebookUnusable(WorkhorseError):
    """The notebook file cannot be run: missing, unreadable, other language, no parameters cell."""

    exit_code = 10


class ParametersRefused(WorkhorseError):
    """A parameter is unknown or does not convert to its declared type."""

    exit_code = 11


class ConfigInvalid(WorkhorseError):
    """A configuration file is broken; `problem` lists every fault with its path."""

    exit_code = 12


class ResultsUnusable(WorkhorseError):
    """Results cannot be written, do not exist, or were written by a newer version."""

    exit_code = 13


class EngineUnusable(HostRefused):
    """No Docker Engine can be used: none is there, or it does not answer."""

    exit_code = 14


class BaseImageUnavailable(HostRefused):
    """The base image is neither present nor to be pulled."""

    exit_code = 15


class DiskTooSmall(HostRefused):
    """Not enough free disk for the run."""

    exit_code = 16


class MemoryTooSmall(HostRefused):
    """Not enough free memory for the run."""

    exit_code = 17


class BuildFailed(WorkhorseError):
    """The image or environment could not be built."""

    exit_code = 18


class OutputBusy(WorkhorseError):
    """Another writer holds the lock of the output directory."""

    exit_code = 19


class ResumeRefused(WorkhorseError):
    """What is to be resumed was made from other input, configuration or code."""

    exit_code = 20


class HostKeyRefused(WorkhorseError):
    """A server's host key is unknown, changed or revoked; nothing was sent to it."""

    exit_code = 21


class LoginRefused(WorkhorseError):
    """The host answered and does not let this user in."""

    exit_code = 22


class ImageUnusable(HostRefused):
    """The environment's image is on the host and does not run there."""

    exit_code = 23


class DockerMissing(EngineUnusable):
    """No docker command is where it was looked for."""

    exit_code = 24


class EngineForbidden(EngineUnusable):
    """A Docker Engine is there, for others than this user."""

    exit_code = 25


class EngineTooOld(EngineUnusable):
    """A Docker Engine answers and lacks what a run needs."""

    exit_code = 26


class HostUnknown(UsageError):
    """No host has that name."""

    exit_code = 27


class WorkerLost(WorkhorseError):
    """Worker processes die again and again, at one task or before they can begin."""

    exit_code = 28


class SchedulerUnusable(WorkhorseError):
    """A Dask scheduler does not answer, has no workers, or is gone."""

    exit_code = 29


class WorkersRefused(WorkhorseError):
    """Workers would make other bytes: they have other software or see other inputs."""

    exit_code = 30


class QualityFailed(WorkhorseError):
    """A dataset is complete, and its quality report says FAIL."""

    exit_code = 31


class NotReady(WorkhorseError):
    """A dataset is not fit to train on; `problem` lists the checks that failed."""

    exit_code = 33


class PackageMissing(WorkhorseError):
    """A library that is used only where it is asked for is not installed."""

    exit_code = 34


class RankerUnusable(WorkhorseError):
    """The service that ranks spectra has no key, does not answer, or refuses."""

    exit_code = 35


class InternalError(WorkhorseError):
    """A defect in Workhorse; the hint names the log file."""

    exit_code = 70
