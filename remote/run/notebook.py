"""The notebook file as it was checked: read once, so that what was checked is what is meant."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remote.errors import NotebookUnusable
from remote.schema import nearest

_SAVE_AGAIN = "Open it in Jupyter, save it again, and start the run again."


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; `number` counts all cells from 1, as a person does."""

    number: int
    is_code: bool
    source: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Notebook:
    """A Python notebook of format 4. `sha256` is that of the bytes that were read."""

    path: Path
    sha256: str
    cells: tuple[Cell, ...]

    @property
    def parameters_cell(self) -> Cell | None:
        """The first cell tagged `parameters`, as papermill takes it."""
        return next((c for c in self.cells if "parameters" in c.tags), None)

    @property
    def code_cells(self) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.is_code)


def read_notebook(path: Path) -> Notebook:
    """Read and check the form of the notebook at `path`.

    Raises:
        NotebookUnusable: missing, unreadable, not a notebook, an old format, another language.
    """
    content = _bytes_of(path)
    document = _document(path, content)
    _check_language(path, document.get("metadata"))
    cells = tuple(_cell(path, i, raw) for i, raw in enumerate(document["cells"], start=1))
    return Notebook(path, hashlib.sha256(content).hexdigest(), cells)


def code_lines(source: str) -> str:
    """`source` with IPython's own lines (magics, shell commands, help) blanked, lines kept."""
    if source.lstrip().startswith("%%"):
        return ""
    lines = source.splitlines()
    return "\n".join("" if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)


def _bytes_of(path: Path) -> bytes:
    if path.is_dir():
        raise NotebookUnusable(f"{path} is a directory, not a notebook", hint=_listed(path))
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotebookUnusable(f"there is no notebook {path}", hint=_near(path)) from error
    except OSError as error:
        raise NotebookUnusable(
            f"{path}: cannot be read: {error.strerror or error}", hint="Check its permissions."
        ) from error


def _near(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no directory {path.parent} either; paths are relative to {Path.cwd()}."
    names = [p.name for p in path.parent.glob("*.ipynb")]
    suggestion = nearest(path.name, names).removeprefix("; ")
    return suggestion[:1].upper() + suggestion[1:] if suggestion else _listed(path.parent)


def _listed(directory: Path) -> str:
    names = sorted(p.name for p in directory.glob("*.ipynb"))
    return f"Notebooks there: {', '.join(names)}." if names else "No notebook lies there."


def _document(path: Path, content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise NotebookUnusable(f"{path}: is not UTF-8 text", hint=_SAVE_AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise NotebookUnusable(
            f"{path}: is not a notebook: not valid JSON: {error}", hint=_SAVE_AGAIN
        ) from error
    if not isinstance(document, dict) or not isinstance(document.get("nbformat"), int):
        raise NotebookUnusable(
            f"{path}: is JSON, but not a notebook: it has no nbformat", hint=_SAVE_AGAIN
        )
    if document["nbformat"] != 4 or not isinstance(document.get("cells"), list):
        raise NotebookUnusable(
            f"{path}: has notebook format {document['nbformat']}; format 4 is needed",
            hint=f"Convert it: jupyter nbconvert --to notebook --nbformat 4 --inplace '{path}'",
        )
    return document


def _check_language(path: Path, metadata: object) -> None:
    language = _language(metadata)
    if language not in ("python", "ipython"):
        raise NotebookUnusable(
            f'{path}: its language is "{language}"; runs execute Python notebooks',
            hint="Choose a Python kernel in Jupyter and save the notebook.",
        )


def _language(metadata: object) -> str:
    """As Jupyter records it; a notebook that does not say is Python."""
    if not isinstance(metadata, dict):
        return "python"
    for part, key in (("language_info", "name"), ("kernelspec", "language")):
        block = metadata.get(part)
        if isinstance(block, dict) and block.get(key):
            return str(block[key]).lower()
    return "python"


def _cell(path: Path, number: int, raw: object) -> Cell:
    if not isinstance(raw, dict) or "cell_type" not in raw:
        raise NotebookUnusable(f"{path}: cell {number} is no cell", hint=_SAVE_AGAIN)
    source = raw.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise NotebookUnusable(f"{path}: the source of cell {number} is no text", hint=_SAVE_AGAIN)
    metadata = raw.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    known = frozenset(t for t in tags if isinstance(t, str)) if isinstance(tags, list) else ()
    return Cell(number, raw["cell_type"] == "code", source, frozenset(known))
