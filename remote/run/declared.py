"""What a notebook's parameters cell declares, read with `ast`: nothing of it is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from remote.errors import NotebookUnusable
from remote.model import JsonValue, ParameterKind
from remote.run.notebook import Cell, Notebook, code_lines, read_notebook
from remote.run.values import ANY, Type, Unfit, as_json, of_annotation, of_text, of_value


@dataclass(frozen=True, slots=True)
class Declared:
    """One name of the parameters cell.

    Attributes:
        annotation: the type as it is written, or None.
        default_text: the default as it is written, or None where a value must be given.
        default: its value where `is_literal`: then it is JSON-serialisable.
    """

    name: str
    type: Type
    annotation: str | None
    default_text: str | None
    default: JsonValue = None
    is_literal: bool = False

    @property
    def kind(self) -> ParameterKind:
        names = {option.name for option in self.type.options()}
        if "input_path" in names:
            return "input_path"
        return "input_run" if "input_run" in names else "value"

    def __str__(self) -> str:
        annotated = f"{self.name}: {self.annotation}" if self.annotation else self.name
        return f"{annotated} = {self.default_text}" if self.default_text else annotated


def declared(notebook_path: Path) -> tuple[Declared, ...]:
    """What the notebook at `notebook_path` declares; see `declarations`."""
    return declarations(read_notebook(notebook_path))


def declarations(notebook: Notebook) -> tuple[Declared, ...]:
    """The names that the parameters cell assigns, in order; none without such a cell.

    Raises:
        NotebookUnusable: the parameters cell is not valid Python.
    """
    cell = notebook.parameters_cell
    if cell is None:
        return ()
    source = code_lines(cell.source)
    found: dict[str, Declared] = {}
    for statement in _statements(_parsed(notebook, cell, source).body):
        for item in _of_statement(statement, source):
            found[item.name] = item
    return tuple(found.values())


def _parsed(notebook: Notebook, cell: Cell, source: str) -> ast.Module:
    for type_comments in (True, False):
        try:
            return ast.parse(source, type_comments=type_comments)
        except (SyntaxError, ValueError) as error:
            fault = error
    line = getattr(fault, "lineno", None)
    raise NotebookUnusable(
        f"{notebook.path}: the parameters cell (cell {cell.number}) is not valid Python"
        f"{f', line {line}' if line else ''}: {getattr(fault, 'msg', fault)}",
        hint="Correct the cell in Jupyter and save the notebook.",
    ) from fault


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a cell, also those inside `if`, `try`, `with` and loops."""
    for statement in body:
        yield statement
        for part in ("body", "orelse", "finalbody"):
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from _statements(getattr(statement, part, []))


def _of_statement(statement: ast.stmt, source: str) -> Iterator[Declared]:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            written = ast.get_source_segment(source, annotation)
            written = _unquoted(written) if written else None
            yield _declared(name, of_annotation(annotation), written, value, source)
        case ast.Assign(targets=targets, value=value, type_comment=comment):
            wanted = of_text(comment) if comment else None
            for target in targets:
                if isinstance(target, ast.Name):
                    yield _declared(target.id, wanted, comment, value, source)


def _declared(
    name: str, wanted: Type | None, written: str | None, value: ast.expr | None, source: str
) -> Declared:
    if value is None:
        return Declared(name, wanted or ANY, written, None)
    text = ast.get_source_segment(source, value) or ""
    try:
        default = as_json(ast.literal_eval(value))
    except (Unfit, ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return Declared(name, wanted or ANY, written, text)
    return Declared(name, wanted or of_value(default), written, text, default, is_literal=True)


def _unquoted(text: str) -> str:
    return text[1:-1] if text[:1] in "'\"" and text[-1:] == text[:1] else text
