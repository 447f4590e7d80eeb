"""Progress as plain lines, for pipes, logs and CI: never more than a person would read."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

import click

from remote import figures
from remote.cli.view import Progress, View
from remote.model import Message, Notice, RunRecord, StepFinished, StepStarted

SECONDS_BETWEEN_LINES = 5.0
# Steps shorter than this are not worth a line of their own.
_NOTEWORTHY_SECONDS = 0.05


class PlainDisplay:
    """Writes lines to stderr; a progress line for each stage at most every five seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._view = View()
        self._said: dict[str, float] = {}

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    @property
    def view(self) -> View:
        return self._view

    def __call__(self, message: Message) -> None:
        now = self._clock()
        seen = len(self._view.notices)
        self._view.apply(message, now)
        for notice in self._view.notices[seen:]:
            _say(notice)
        match message:
            case StepStarted(step="run", detail=run_id):
                _say(f"run {run_id}")
            case StepFinished(step=name, seconds=seconds) if name != "run":
                if seconds >= _NOTEWORTHY_SECONDS:
                    step = self._view.steps[-1]
                    _say(f"{name} {figures.seconds(seconds)}  {step.detail}".rstrip())
            case RunRecord(record={"event": "cell_started"}) if self._view.cell:
                cell = self._view.cell
                _say(f"cell {cell.number} of {cell.of}  {cell.title}".rstrip())
            case RunRecord(record={"event": "progress", "stage": str(stage)}):
                self._progress(self._view.stages.get(stage), now)
            case Notice() | _:
                pass

    def _progress(self, progress: Progress | None, now: float) -> None:
        if progress is None:
            return
        complete = progress.total is not None and progress.done >= progress.total
        last = self._said.get(progress.stage)
        if last is not None and now - last < SECONDS_BETWEEN_LINES and not complete:
            return
        if last is None and progress.done == 0:
            self._said[progress.stage] = now
            return
        self._said[progress.stage] = now
        memory = self._view.memory
        used = f", memory {figures.size(memory.current)}" if memory else ""
        _say(progress_line(progress) + used)


def progress_line(progress: Progress) -> str:
    """`shards: 612,000 of 1,000,000 spectra (61 %), 85,300/s, written 611,204, ...`."""
    done = figures.number(progress.done)
    amount = f"{done} of {figures.number(progress.total)}" if progress.total else done
    parts = [f"{progress.stage}: {amount} {progress.unit}".rstrip()]
    if progress.share is not None:
        parts[0] += f" ({progress.share:.0%})"
    if progress.rate > 0:
        parts.append(f"{figures.number(progress.rate)}/s")
    parts += [f"{name} {figures.number(count)}" for name, count in progress.counts.items()]
    return ", ".join(parts)


def _say(text: str) -> None:
    click.echo(text, err=True)
