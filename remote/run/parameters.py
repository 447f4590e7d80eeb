"""Parameters from the command line, made to fit what the notebook declares.

    -p NAME VALUE   a value, converted by the declared type (or the default's)
    -r NAME VALUE   a string as it stands
    -y YAML         a mapping
    -b BASE64       the same, in base64
    -f FILE         the same, in a file

A name that is given more than once takes, as with papermill, the last of -b, -f, -y, -p, -r.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from remote.errors import ConfigInvalid, ParametersRefused
from remote.model import JsonValue, Parameter
from remote.run.declared import Declared, declared
from remote.run.values import Type, Unfit, as_json, check, from_text
from remote.schema import load_yaml, nearest

__all__ = ["Declared", "Given", "declared", "resolve"]


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says, as it says it; one field for each of papermill's letters."""

    parameters: tuple[tuple[str, str], ...] = ()
    raw: tuple[tuple[str, str], ...] = ()
    yaml: tuple[str, ...] = ()
    base64: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return any((self.parameters, self.raw, self.yaml, self.base64, self.files))


@dataclass(frozen=True, slots=True)
class _Value:
    """One value on its way: `text` where it still has to be converted."""

    source: str
    value: JsonValue
    is_text: bool = False


def resolve(declared: tuple[Declared, ...], given: Given) -> tuple[Parameter, ...]:
    """Every declared parameter with its value: the given one, else a literal default.

    A default that is an expression is left to the notebook and has no entry.

    Raises:
        ParametersRefused: a name is unknown, a value does not fit, a value is missing, or -y,
            -b or -f cannot be read; every problem is named.
    """
    problems: list[str] = []
    values = dict(_values(given, problems))
    known = {item.name: item for item in declared}
    problems += [
        f"{name}: the notebook has no such parameter{nearest(name, known)}"
        for name in values
        if name not in known
    ]
    parameters = [_parameter(item, values.get(item.name), problems) for item in declared]
    if problems:
        raise _refused(problems, declared)
    return tuple(parameter for parameter in parameters if parameter is not None)


def _parameter(item: Declared, value: _Value | None, problems: list[str]) -> Parameter | None:
    if value is None:
        if item.default_text is None:
            problems.append(f"{item.name}: has no default, so a value must be given")
        elif item.is_literal:
            return Parameter(item.name, item.default, "default", item.kind)
        return None
    try:
        fitted = _fitted(value, item.type)
    except Unfit as unfit:
        problems.append(f"{item.name}: {unfit} (declared: {item})")
        return None
    return Parameter(item.name, fitted, value.source, item.kind)


def _fitted(value: _Value, wanted: Type) -> JsonValue:
    if value.is_text:
        return as_json(from_text(value.value, wanted))
    return as_json(check(value.value, wanted))


def _values(given: Given, problems: list[str]) -> Iterator[tuple[str, _Value]]:
    """Names and values in the order in which later ones win."""
    for source, text in _documents(given, problems):
        for name, value in _mapping(source, text, problems).items():
            yield str(name), _Value(source, value)
    for name, text in given.parameters:
        yield name, _Value("-p", text, is_text=True)
    for name, text in given.raw:
        yield name, _Value("-r", text)


def _documents(given: Given, problems: list[str]) -> Iterator[tuple[str, str]]:
    for encoded in given.base64:
        try:
            yield "-b", base64.b64decode(encoded, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            problems.append("-b: is not base64 of YAML text")
    for path in given.files:
        try:
            yield str(path), path.read_text(encoding="utf-8")
        except OSError as error:
            problems.append(f"-f {path}: cannot be read: {error.strerror or error}")
        except UnicodeDecodeError:
            problems.append(f"-f {path}: is not UTF-8 text")
    for text in given.yaml:
        yield "-y", text


def _mapping(source: str, text: str, problems: list[str]) -> Mapping[object, JsonValue]:
    try:
        loaded = load_yaml(text, source)
    except ConfigInvalid as error:
        problems.append(error.problem)
        return {}
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        problems.append(f'{source}: expected names and values, as in "{{epochs: 3}}"')
        return {}
    return loaded


def _refused(problems: list[str], declared: tuple[Declared, ...]) -> ParametersRefused:
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''} with the parameters"
    listed = "".join(f"\n  {problem}" for problem in problems)
    if not declared:
        hint = "The notebook declares no parameters: its cell tagged `parameters` assigns no name."
    else:
        hint = "The notebook's parameters:" + "".join(f"\n  {item}" for item in declared)
    return ParametersRefused(f"{count}{listed}", hint=hint)
