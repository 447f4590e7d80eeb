"""The types a parameters cell can declare, and values made to fit them.

Text from the command line converts by the declared type and only where nothing is lost: `007`
for a str stays "007", `1e3` is the int 1000, `1.5` is no int. Values from YAML must already be
of the type; a whole number serves as a float.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from remote.errors import ConfigInvalid
from remote.model import JsonValue
from remote.schema import load_yaml, nearest

Name = Literal[
    "int", "float", "str", "bool", "list", "dict", "none", "any",
    "literal", "union", "input_path", "input_run",
]  # fmt: skip

# An int from text has at most this many digits; 1e999999999 is a slip of the finger.
_MAX_DIGITS = 40
_THOUSANDS = re.compile(r"[-+]?[0-9]{1,3}(_[0-9]{3})+")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NONE = ("None", "null")


class Unfit(Exception):
    """A value does not fit; the text says why."""


@dataclass(frozen=True, slots=True)
class Type:
    """A declared type.

    Attributes:
        args: list: the item's; dict: the value's; union: the options.
        choices: literal: the values allowed.
    """

    name: Name
    args: tuple[Type, ...] = ()
    choices: tuple[JsonValue, ...] = ()

    def __str__(self) -> str:
        match self.name:
            case "union":
                return " | ".join(map(str, self.args))
            case "literal":
                return " or ".join(map(repr, self.choices))
            case "list" if self.args:
                return f"list[{self.args[0]}]"
            case "dict" if self.args:
                return f"dict[str, {self.args[0]}]"
        return _TITLES.get(self.name, self.name)

    def options(self) -> tuple[Type, ...]:
        """Itself, or what a union is made of."""
        return self.args if self.name == "union" else (self,)


_TITLES = {"none": "None", "input_path": "InputPath", "input_run": "InputRun"}
ANY = Type("any")
_NAMED: dict[str, Type] = {
    "int": Type("int"),
    "float": Type("float"),
    "str": Type("str"),
    "bool": Type("bool"),
    "list": Type("list"),
    "List": Type("list"),
    "Sequence": Type("list"),
    "dict": Type("dict"),
    "Dict": Type("dict"),
    "Mapping": Type("dict"),
    "None": Type("none"),
    "InputPath": Type("input_path"),
    "InputRun": Type("input_run"),
}


def of_annotation(node: ast.expr) -> Type:
    """The type that an annotation means; what is not understood is `any`."""
    match node:
        case ast.Constant(value=None):
            return Type("none")
        case ast.Constant(value=str(text)):
            return of_text(text)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _NAMED.get(name, ANY)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _union((of_annotation(left), of_annotation(right)))
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            return _subscript(name, inner)
    return ANY


def of_text(text: str) -> Type:
    """The type that an annotation in quotes or in a type comment means."""
    try:
        return of_annotation(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError:
        return ANY


def of_value(value: JsonValue) -> Type:
    """The type that a default without annotation stands for."""
    return _NAMED.get(type(value).__name__, ANY) if value is not None else ANY


def from_text(text: str, wanted: Type) -> JsonValue:
    """`text` as `wanted`. Raises Unfit."""
    return _FROM_TEXT[wanted.name](text, wanted)


def check(value: JsonValue, wanted: Type) -> JsonValue:
    """`value`, from YAML, as `wanted`. Raises Unfit."""
    match wanted.name:
        case "any":
            return value
        case "union":
            return _check_union(value, wanted)
        case "literal" if any(type(c) is type(value) and c == value for c in wanted.choices):
            return value
        case "list" if isinstance(value, list):
            return [check(item, wanted.args[0]) for item in value] if wanted.args else value
        case "dict" if isinstance(value, dict):
            return {k: check(v, wanted.args[0]) for k, v in value.items()} if wanted.args else value
        case "float" if isinstance(value, int | float) and not isinstance(value, bool):
            return _finite(float(value))
    if type(value) in _EXACT.get(wanted.name, ()):
        return value
    raise Unfit(f"{_shown(value)} is not {article(wanted)}")


_EXACT: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "str": (str,),
    "bool": (bool,),
    "none": (type(None),),
    "input_path": (str,),
    "input_run": (str,),
}


def article(wanted: Type) -> str:
    """The type in words: "a whole number"."""
    words = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "str": "text",
        "input_path": "the path of a file",
        "input_run": "a run: latest:NOTEBOOK or an id",
        "literal": f"one of {', '.join(map(str, wanted.choices))}",
    }
    return words.get(wanted.name, str(wanted))


def _subscript(name: str, inner: ast.expr) -> Type:
    items = tuple(inner.elts) if isinstance(inner, ast.Tuple) else (inner,)
    match name:
        case "Optional":
            return _union((of_annotation(inner), Type("none")))
        case "Union":
            return _union(tuple(map(of_annotation, items)))
        case "Annotated" | "Final":
            return of_annotation(items[0])
        case "Literal" if all(isinstance(item, ast.Constant) for item in items):
            return Type("literal", choices=tuple(ast.literal_eval(item) for item in items))
    base = _NAMED.get(name, ANY)
    if base.name in ("list", "dict"):
        return Type(base.name, (of_annotation(items[-1]),))
    return ANY


def _union(options: tuple[Type, ...]) -> Type:
    flat = tuple(dict.fromkeys(inner for option in options for inner in option.options()))
    if ANY in flat:
        return ANY
    return flat[0] if len(flat) == 1 else Type("union", flat)


def _first_that_fits(text: str, wanted: Type) -> JsonValue:
    """None first, text last, the others as declared."""
    rank = {"none": 0, "str": 2, "input_path": 2, "input_run": 2}
    for option in sorted(wanted.args, key=lambda o: rank.get(o.name, 1)):
        try:
            return from_text(text, option)
        except Unfit:
            continue
    raise Unfit(f'"{text}" is not {" or ".join(map(article, wanted.args))}')


def _check_union(value: JsonValue, wanted: Type) -> JsonValue:
    for option in wanted.args:
        try:
            return check(value, option)
        except Unfit:
            continue
    raise Unfit(f"{_shown(value)} is not {' or '.join(map(article, wanted.args))}")


def _choice(text: str, wanted: Type) -> JsonValue:
    for choice in wanted.choices:
        if str(choice) == text:
            return choice
    suggestion = nearest(text, map(str, wanted.choices))
    raise Unfit(f'"{text}" is not {article(wanted)}{suggestion}')


def _guess(text: str, _: Type) -> JsonValue:
    """Without a type: a number or a bool where the text writes back the same, else text."""
    if text in ("True", "False"):
        return text == "True"
    if text == "None":
        return None
    if re.fullmatch(r"-?(0|[1-9][0-9]*)", text) and len(text) <= _MAX_DIGITS:
        return int(text)
    try:
        value = float(text)
    except ValueError:
        return text
    return value if repr(value) == text else text


def _collection(text: str, wanted: Type) -> JsonValue:
    try:
        value = load_yaml(text, "the value")
    except ConfigInvalid as error:
        raise Unfit(f'"{text}" is not {article(wanted)}') from error
    if not isinstance(value, list if wanted.name == "list" else dict):
        example = "[1, 2]" if wanted.name == "list" else "{a: 1}"
        raise Unfit(f'"{text}" is not {article(wanted)}; write it as "{example}"')
    return check(value, wanted)


def _int(text: str, _: Type) -> int:
    plain = text.replace("_", "") if _THOUSANDS.fullmatch(text) else text
    try:
        number = Decimal(plain) if "_" not in plain else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    if number.is_finite() and abs(number.adjusted()) < _MAX_DIGITS and number == int(number):
        return int(number)
    raise Unfit(f'"{text}" is not a whole number')


def _float(text: str, _: Type) -> float:
    try:
        return _finite(float(text if "_" not in text else "x"))
    except ValueError as error:
        raise Unfit(f'"{text}" is not a number') from error


def as_json(value: JsonValue) -> JsonValue:
    """`value` again if JSON can say it. Raises Unfit."""
    try:
        same = json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError):
        same = False
    if not same:
        raise Unfit(f"{_shown(value)} cannot be recorded: JSON has no such value")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Unfit(f"{value} is not a finite number")
    return value


def _bool(text: str, _: Type) -> bool:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    raise Unfit(f'"{text}" is not true or false')


def _none(text: str, _: Type) -> None:
    if text not in _NONE:
        raise Unfit(f'"{text}" is not None')


def _as_it_is(text: str, _: Type) -> str:
    return text


_FROM_TEXT: dict[str, Callable[[str, Type], JsonValue]] = {
    "any": _guess,
    "bool": _bool,
    "dict": _collection,
    "float": _float,
    "input_path": _as_it_is,
    "input_run": _as_it_is,
    "int": _int,
    "list": _collection,
    "literal": _choice,
    "none": _none,
    "str": _as_it_is,
    "union": _first_that_fits,
}


def _shown(value: JsonValue) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
