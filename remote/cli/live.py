"""The live display on a terminal: steps with their times, cells, progress, memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from remote import figures
from remote.cli.view import RUN, Memory, Progress, Step, View
from remote.model import Message

_REFRESH_PER_SECOND = 8
_NAME_WIDTH = 9
_BAR_WIDTH = 40


class LiveDisplay:
    """Draws a `View` on stderr while the block runs; what is drawn last stays on the screen."""

    def __init__(
        self, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._view = View()
        self._lock = threading.Lock()
        self._spinner = Spinner("dots" if self._console.encoding == "utf-8" else "line")
        self._live = Live(
            self,
            console=self._console,
            refresh_per_second=_REFRESH_PER_SECOND,
            vertical_overflow="crop",
        )

    def __enter__(self) -> LiveDisplay:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    @property
    def view(self) -> View:
        return self._view

    def __call__(self, message: Message) -> None:
        with self._lock:
            seen = len(self._view.notices)
            self._view.apply(message, self._clock())
            fresh = self._view.notices[seen:]
        for notice in fresh:
            self._console.print(Text(notice, style="yellow"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            yield draw(self._view, self._clock(), options.max_width, self._spinner)


def draw(view: View, now: float, width: int, spinner: Spinner) -> RenderableType:
    """The whole display, at most `width` columns wide."""
    rows: list[RenderableType] = []
    for step in view.steps:
        rows.append(_step_row(step, view, now, width, spinner))
        if step.name == RUN:
            rows += [row for p in view.stages.values() for row in _progress_rows(p, width)]
            if view.memory:
                rows.append(_indented("memory", _memory(view.memory), width))
    return Group(*rows)


def _step_row(step: Step, view: View, now: float, width: int, spinner: Spinner) -> RenderableType:
    under_way = step.seconds is None
    took = now - step.started if step.seconds is None else step.seconds
    row = Text(no_wrap=True, overflow="ellipsis")
    row.append(f"{step.name:<{_NAME_WIDTH}}", style="bold" if under_way else "")
    row.append(f"{figures.seconds(took):>11}  ", style="cyan")
    row.append(_detail(step, view))
    row.truncate(max(1, width - 2), overflow="ellipsis")
    grid = Table.grid(padding=(0, 1))
    mark: RenderableType = spinner if under_way else Text("\N{CHECK MARK}", style="green")
    grid.add_row(mark, row)
    return grid


def _detail(step: Step, view: View) -> str:
    if step.name == RUN and step.seconds is None and view.cell:
        cell = view.cell
        return f"cell {cell.number} of {cell.of}  {cell.title}"
    return step.doing or step.detail


def _progress_rows(progress: Progress, width: int) -> list[RenderableType]:
    rows: list[RenderableType] = []
    if progress.total:
        bar_width = max(4, min(_BAR_WIDTH, width - _NAME_WIDTH - 4 - 6))
        grid = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=progress.total, completed=progress.done, width=bar_width)
        share = Text(f"{progress.share or 0:>4.0%}")
        grid.add_row(_name(progress.stage), bar, share)
        rows.append(grid)
        rows.append(_indented("", _amount(progress), width))
    else:
        rows.append(_indented(progress.stage, _amount(progress), width))
    rows.append(_indented("", _counts(progress), width))
    return rows


def _amount(progress: Progress) -> Text:
    text = Text(figures.number(progress.done), style="bold")
    if progress.total:
        text.append(f" of {figures.number(progress.total)}", style="not bold")
    text.append(f" {progress.unit}", style="not bold")
    if progress.rate > 0:
        text.append(f"  {figures.number(progress.rate)}/s", style="not bold cyan")
    if progress.seconds_left is not None:
        text.append(f"  {figures.seconds(progress.seconds_left)} left", style="not bold dim")
    return text


def _counts(progress: Progress) -> Text:
    text = Text()
    for name, count in progress.counts.items():
        alarming = name == "errors" and count > 0
        text.append(f"{name} {figures.number(count)}  ", style="red" if alarming else "dim")
    text.rstrip()
    return text


def _memory(memory: Memory) -> Text:
    text = Text(figures.size(memory.current))
    if memory.limit:
        text.append(f" of {figures.size(memory.limit)}")
    text.append(f"  peak {figures.size(memory.peak)}", style="dim")
    return text


def _indented(name: str, text: Text, width: int) -> Text:
    row = Text(no_wrap=True, overflow="ellipsis")
    row.append_text(_name(name)).append(" ").append_text(text)
    row.truncate(max(1, width), overflow="ellipsis")
    return row


def _name(name: str) -> Text:
    return Text(f"  {name[:_NAME_WIDTH]:<{_NAME_WIDTH}}")
