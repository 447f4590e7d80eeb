"""Types of options: the bounds of the config's keys, and numbers that are finite."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

# More rows than any input has; and what an int64 holds.
ROWS = click.IntRange(1, 10**12)
SEED = click.IntRange(0, 2**63 - 1)
WORKERS = click.IntRange(1, 10_000)
SAMPLE_ROWS = click.IntRange(1, 100_000_000)
MOST_GB = 1e9


class Finite(click.FloatRange):
    """A number within bounds, neither NaN nor infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType.convert`."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def of(settings: type[Any], name: str) -> click.ParamType[Any, Any]:
    """The type of the option that stands for a number of the config: its bounds are the key's."""
    (key,) = (one for one in fields(settings) if one.name == name)
    low, high = key.metadata.get("min"), key.metadata.get("max")
    return Finite(low, high) if "float" in str(key.type) else click.IntRange(low, high)


class _File(click.Path):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType.convert`. An empty word would stand for the working directory."""
        if value == "":
            self.fail("a path is missing: the word is empty.", param, ctx)
        return super().convert(value, param, ctx)


class _Text(click.ParamType[str, str]):
    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType.convert`."""
        if not value.strip():
            self.fail("the word is empty.", param, ctx)
        return value


FILE = _File(path_type=Path)
TEXT = _Text()
