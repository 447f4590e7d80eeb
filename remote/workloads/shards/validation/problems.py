"""What is not as it should be, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

# Of one kind in one file; the others are counted.
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: relative to the dataset's root.
        text: what is wrong.
        row_group, row, column: where in the file; rows count from the file's first one.
        kind: what problems of one sort share, for counting them.
        count: of how many of its kind this is the first.
    """

    file: str
    text: str
    row_group: int | None = None
    row: int | None = None
    column: str = ""
    kind: str = ""
    count: int = 1

    def __str__(self) -> str:
        place = [self.file]
        place += [f"row group {self.row_group}"] if self.row_group is not None else []
        place += [f"row {self.row}"] if self.row is not None else []
        place += [f"column {self.column}"] if self.column else []
        return f"{', '.join(place)}: {self.text}"


class Problems:
    """Collects problems; of very many of one sort in one file only the first are kept."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], list[Problem]] = {}
        self._more: dict[tuple[str, str, str], int] = {}
        self.count = 0

    def add(self, problems: Iterable[Problem]) -> None:
        """Take all of them."""
        for problem in problems:
            self.count += problem.count
            sort = (problem.file, problem.column, problem.kind or problem.text)
            kept = self._kept.setdefault(sort, [])
            more = problem.count
            if len(kept) < SHOWN:
                kept.append(problem)
                more -= 1
            self._more[sort] = self._more.get(sort, 0) + more

    def listed(self) -> tuple[Problem, ...]:
        """Those that were kept, in the order of their coming; the others as a number."""
        return tuple(problem for sort in self._kept for problem in self._of(sort))

    def _of(self, sort: tuple[str, str, str]) -> Iterator[Problem]:
        yield from self._kept[sort]
        more = self._more.get(sort)
        if more:
            text = f"and {more:,} more like this"
            yield replace(self._kept[sort][0], row_group=None, row=None, text=text, count=more)
