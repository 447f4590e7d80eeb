"""Settings files into frozen dataclasses, strictly.

Unknown keys are refused with the nearest name, every value is checked against the field's type,
and all problems are reported at once, each with its path: `hosts/mini/limits/memory: ...`.

A field may narrow its type through `field(metadata={...})`:

    min, max    bounds of a number, inclusive
    choices     the values allowed
    bytes       an int that may also be written as a size: "12 GiB", "500 MB"
    absolute    text that is an absolute path, or begins with ~/; so are the keys of a mapping

A dataclass may have a method `faults()`, which yields (key, text) where values that fit by
themselves contradict each other.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from remote.errors import ConfigInvalid

T = TypeVar("T")
Meta = Mapping[str, Any]

_HINT = "Correct the lines named above; nothing was started."
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(I?)B?")
_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


class _Refused(Exception):
    """One value that does not fit; its text is the second half of a problem line."""


class _Problems(list[str]):
    def add(self, path: str, text: str) -> None:
        self.append(f"{path or '(top level)'}: {text}")


def read_yaml(path: Path, cls: type[T], prepare: Callable[[object], object] | None = None) -> T:
    """Read the YAML file `path` as a `cls`.

    Args:
        prepare: makes of what the file holds what is to fit.

    Raises:
        ConfigInvalid: the file cannot be read, is no YAML, or does not fit; every fault is named.
    """
    loaded = load_yaml(_text_of(path), str(path))
    content = {} if loaded is None else loaded
    return from_mapping(prepare(content) if prepare else content, cls, str(path))


def load_yaml(text: str, where: str) -> Any:
    """Parse `text` as YAML; `where` names it in errors. Keys given twice are refused.

    Raises:
        ConfigInvalid: `text` is no YAML; names line and column.
    """
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a SafeLoader subclass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        spot = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigInvalid(
            f"{where}: not valid YAML: {spot}{error.problem or error}", hint=_HINT
        ) from error
    except yaml.YAMLError as error:
        raise ConfigInvalid(f"{where}: not valid YAML: {error}", hint=_HINT) from error


def dump_yaml(value: object) -> str:
    """A value as YAML that `load_yaml` reads as it was: keys in order, text quoted where it must.

    `value` is made of mappings, lists, text, numbers, truth values and None.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        # What the loader takes for a number is quoted where it is text.
        yaml_implicit_resolvers = _loader().yaml_implicit_resolvers

    return yaml.dump(value, Dumper=Dumper, sort_keys=False)


def from_mapping(mapping: object, cls: type[T], where: str) -> T:
    """Make a `cls` from `mapping`; `where` (a file's path, say) heads the list of problems.

    Raises:
        ConfigInvalid: something does not fit; `problem` has one line for each fault.
    """
    problems = _Problems()
    value = _build(mapping, cls, "", problems)
    if problems:
        lines = "".join(f"\n  {line}" for line in problems)
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise ConfigInvalid(f"{where}: {count}{lines}", hint=_HINT)
    return typing.cast(T, value)


def out_of_bounds(settings: Any, above: str = "") -> Iterator[str]:
    """One line for each number of a settings object made in code that its field does not allow."""
    for field in dataclasses.fields(settings):
        value, path = getattr(settings, field.name), _join(above, field.name)
        if dataclasses.is_dataclass(value):
            yield from out_of_bounds(value, path)
        elif value is not None:
            try:
                _bounded(value, field.metadata)
            except _Refused as refused:
                yield f"{path}: {refused}"


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean "x"?` for the name closest to `name`, or nothing."""
    by_fold = {known.casefold(): known for known in names}
    close = difflib.get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
    return f'; did you mean "{by_fold[close[0]]}"?' if close else ""


def parse_size(text: str) -> int:
    """Bytes of a size such as "12 GiB", "500 MB" or "4096". Raises ValueError."""
    match = _SIZE.fullmatch(text.strip().upper())
    if match is None:
        raise ValueError(f'"{text}" is not a size such as "12 GiB" or "500 MB"')
    number, prefix, binary = match.groups()
    base = 1024 if binary else 1000
    return int(Decimal(number) * base ** _POWER[prefix])


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigInvalid(f"{path}: cannot be read: {reason}", hint="Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path}: not UTF-8 text (byte {error.start})", hint=_HINT) from error


@functools.cache
def _loader() -> Any:
    """A SafeLoader without repeated keys and dates; `1e-3` is a number, as in YAML 1.2."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in rules if not tag.endswith(":timestamp")]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def mapping(loader: Loader, node: yaml.MappingNode) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = getattr(key_node, "value", None)
            if isinstance(key, str) and key != "<<" and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key "{key}" is given twice', key_node.start_mark
                )
            seen.add(key if isinstance(key, str) else id(key_node))
        loader.flatten_mapping(node)
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
        list("-+0123456789"),
    )
    return Loader


def _deeper(key: str, hints: Mapping[str, object]) -> str:
    """Where the key is known after all: one level down."""
    for name, hint in hints.items():
        if dataclasses.is_dataclass(hint) and key in {f.name for f in dataclasses.fields(hint)}:
            return f'; it belongs under "{name}"'
    return ""


def _build(raw: object, cls: type[Any], path: str, problems: _Problems) -> object:
    if not isinstance(raw, Mapping):
        problems.add(path, f"expected keys and values, got {_shown(raw)}")
        return None
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for key in raw:
        if key not in fields:
            said = nearest(str(key), fields) or _deeper(str(key), hints)
            problems.add(_join(path, key), f"unknown key{said}")
    values: dict[str, object] = {}
    before = len(problems)
    for name, field in fields.items():
        spot = _join(path, name)
        if name in raw:
            values[name] = _convert(raw[name], hints[name], field.metadata, spot, problems)
        elif not _has_default(field):
            problems.add(spot, "is missing")
    if len(problems) > before:
        return None
    made = cls(**values)
    for key, text in made.faults() if hasattr(made, "faults") else ():
        problems.add(_join(path, key), text)
    return typing.cast(object, made)


def _convert(raw: object, wanted: Any, meta: Meta, path: str, problems: _Problems) -> object:
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (Union, types.UnionType):
        return _convert_optional(raw, args, meta, path, problems)
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return _build(raw, wanted, path, problems)
    if origin in (list, tuple):
        return _convert_items(raw, origin, args[0], meta, path, problems)
    if origin is not None and issubclass_of_mapping(origin):
        return _convert_entries(raw, args[1], meta, path, problems)
    try:
        value = _scalar(raw, wanted, meta)
        _bounded(value, meta)
    except _Refused as refused:
        problems.add(path, str(refused))
        return None
    return value


def issubclass_of_mapping(origin: object) -> bool:
    """True for dict and the abstract mappings."""
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _convert_optional(
    raw: object, args: tuple[Any, ...], meta: Meta, path: str, problems: _Problems
) -> object:
    if raw is None and type(None) in args:
        return None
    kinds = [kind for kind in args if kind is not type(None)]
    if len(kinds) == 1:
        return _convert(raw, kinds[0], meta, path, problems)
    for kind in kinds:
        attempt = _Problems()
        value = _convert(raw, kind, meta, path, attempt)
        if not attempt:
            return value
    problems.add(path, f"expected {' or '.join(map(_name, args))}, got {_shown(raw)}")
    return None


def _convert_items(
    raw: object, origin: Any, kind: Any, meta: Meta, path: str, problems: _Problems
) -> object:
    if not isinstance(raw, list):
        problems.add(path, f"expected a list, got {_shown(raw)}")
        return None
    return origin(_convert(v, kind, meta, f"{path}/{i}", problems) for i, v in enumerate(raw))


def _convert_entries(raw: object, kind: Any, meta: Meta, path: str, problems: _Problems) -> object:
    if not isinstance(raw, Mapping):
        problems.add(path, f"expected keys and values, got {_shown(raw)}")
        return None
    for key in raw:
        if not isinstance(key, str):
            problems.add(_join(path, key), "a key must be text; put it in quotes")
        elif meta.get("absolute") and not _is_absolute(key):
            problems.add(_join(path, key), f"the key {_not_absolute(key)}")
    return {str(k): _convert(v, kind, meta, _join(path, k), problems) for k, v in raw.items()}


def _scalar(raw: object, wanted: Any, meta: Meta) -> object:
    if wanted in (Any, object):
        return raw
    if typing.get_origin(wanted) is Literal:
        return _one_of(raw, typing.get_args(wanted))
    if wanted is int and meta.get("bytes") and isinstance(raw, str):
        try:
            return parse_size(raw)
        except ValueError as error:
            raise _Refused(str(error)) from error
    check = _CHECKS.get(wanted)
    if check is None:
        raise TypeError(f"a settings field cannot have the type {wanted!r}")
    return check(raw)


def _exactly(kind: type) -> Callable[[object], object]:
    def check(raw: object) -> object:
        if type(raw) is not kind:
            raise _Refused(f"expected {_name(kind)}, got {_shown(raw)}")
        return raw

    return check


def _float(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise _Refused(f"expected a number, got {_shown(raw)}")
    return float(raw)


def _path(raw: object) -> Path:
    if not isinstance(raw, str) or not raw:
        raise _Refused(f"expected a path, got {_shown(raw)}")
    return Path(raw).expanduser()


_CHECKS: Mapping[object, Callable[[object], object]] = {
    int: _exactly(int),
    str: _exactly(str),
    bool: _exactly(bool),
    float: _float,
    Path: _path,
}


def _one_of(raw: object, choices: tuple[object, ...]) -> object:
    for choice in choices:
        if type(choice) is type(raw) and choice == raw:
            return raw
    listed = ", ".join(map(str, choices))
    suggestion = nearest(raw, map(str, choices)) if isinstance(raw, str) else ""
    raise _Refused(f"expected one of {listed}, got {_shown(raw)}{suggestion}")


def _bounded(value: object, meta: Meta) -> None:
    if "choices" in meta:
        _one_of(value, tuple(meta["choices"]))
    if meta.get("absolute") and isinstance(value, str) and not _is_absolute(value):
        raise _Refused(_not_absolute(value))
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if isinstance(value, float) and not math.isfinite(value):  # NaN lies inside no bounds
        raise _Refused(f"must be a finite number, got {value}")
    if "min" in meta and value < meta["min"]:
        raise _Refused(f"must be at least {meta['min']}, got {value}")
    if "max" in meta and value > meta["max"]:
        raise _Refused(f"must be at most {meta['max']}, got {value}")


def _is_absolute(text: str) -> bool:
    return text == "~" or text.startswith(("/", "~/"))


def _not_absolute(text: str) -> str:
    return f"must be an absolute path or begin with ~/, got {_shown(text)}"


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _join(path: str, key: object) -> str:
    return f"{path}/{key}" if path else str(key)


_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def _name(kind: Any) -> str:
    if kind is type(None):
        return "nothing"
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(kind)))
    return _NAMES.get(kind, getattr(kind, "__name__", str(kind)))


def _shown(raw: object) -> str:
    if raw is None:
        return "nothing"
    if isinstance(raw, Mapping):
        return "keys and values"
    if isinstance(raw, list):
        return "a list"
    text = repr(raw) if isinstance(raw, str) else str(raw)
    return text if len(text) <= 60 else f"{text[:57]}..."
