"""python -m remote.runner RUNDIR: run, write outcome.json, end with its exit code."""

from __future__ import annotations

import sys
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from remote.errors import InternalError, UsageError, WorkhorseError
from remote.model import RunState
from remote.runner.directory import RunDirectory, room_for_outcome, write_json
from remote.runner.ending import Ending, Failure, of_error
from remote.runner.events import Emit, emitter
from remote.runner.execute import Attempt, execute
from remote.runner.outcome import outcome
from remote.runner.spec import read_spec
from remote.runner.stop import stop_on_signals
from remote.runner.watch import MemoryWatch


def main(arguments: list[str]) -> int:
    """The runner's exit code: that of the outcome it wrote."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        sys.stderr.write("usage: python -m remote.runner RUNDIR (an existing run directory)\n")
        return UsageError.exit_code
    directory = RunDirectory(Path(arguments[0]).absolute())
    started = datetime.now(UTC)
    emit = emitter(directory.events)
    directory.outcome.unlink(missing_ok=True)
    memory = MemoryWatch(emit)
    memory.start()
    with room_for_outcome(directory):
        ending = _ending(directory, emit, memory)
    memory.end()
    emit("finished", state=ending.state.value, exit_code=ending.exit_code)
    write_json(directory.outcome, outcome(ending, started, datetime.now(UTC), memory))
    return ending.exit_code


def _ending(directory: RunDirectory, emit: Emit, memory: MemoryWatch) -> Ending:
    """Whatever happens, there is an ending."""
    try:
        with stop_on_signals() as stop:
            spec = read_spec(directory)
            ending = execute(Attempt(directory, spec, emit, stop, memory))
            return replace(ending, signal=stop.signal)
    except WorkhorseError as error:
        return of_error(error)
    except Exception as error:  # noqa: BLE001 - the outermost edge: a defect, with traceback
        return _defect(error)


def _defect(error: Exception) -> Ending:
    text = traceback.format_exc()
    sys.stderr.write(text)
    failure = Failure(
        kind=InternalError.__name__,
        problem=f"the runner failed: {error!r}",
        hint="this is a defect in Workhorse; please report it with this traceback",
        traceback=tuple(text.splitlines()),
    )
    return Ending(RunState.FAILED, InternalError.exit_code, failure)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
