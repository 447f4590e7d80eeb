"""What differs between two keys (`key.run_key`), in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_TITLES = {
    "run_id": "run id",
    "schema_version": "schema version",
    "machine": "processor architecture",
    "columns": "columns",
    "order": "order of the inputs",
}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line for each part that differs; digests are said to differ, values are shown."""
    lines = _inputs(then.get("inputs", {}), now.get("inputs", {}))
    same_inputs = not lines
    for name in sorted({*then, *now} - {"inputs", "order", "columns", "code"}):
        lines += _values(name, then.get(name), now.get(name))
    if then.get("code") != now.get("code"):
        lines.append("code version: the source code of this package differs")
    # Other inputs have another order, and may have other columns.
    if same_inputs:
        for name in ("order", "columns"):
            lines += _values(name, then.get(name), now.get(name))
    return lines


def _inputs(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    lines = []
    for name in sorted({*then, *now}):
        if name not in now:
            lines.append(f"input {name}: was part of it, is not given now")
        elif name not in then:
            lines.append(f"input {name}: was not part of it")
        elif then[name] != now[name]:
            lines.append(f"input {name}: content differs")
    return lines


def _values(path: str, then: object, now: object) -> list[str]:
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        return [
            line
            for name in sorted({*then, *now})
            for line in _values(f"{path}/{name}", then.get(name), now.get(name))
        ]
    if then == now:
        return []
    title = path.removeprefix("software/").replace("config/", "config ", 1)
    return [f"{_TITLES.get(path, title)}: was {_text(then)}, is now {_text(now)}"]


def _text(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
