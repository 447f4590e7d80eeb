"""What a notebook imports, against what its environment holds: told before launch."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from remote.errors import NotebookUnusable
from remote.run.notebook import Notebook, code_lines, read_notebook

# Where the package to install has another name than the module.
PACKAGES = {
    "Bio": "biopython",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "igraph": "python-igraph",
    "jwt": "pyjwt",
    "ms_deisotope": "ms-deisotope",
    "mpl_toolkits": "matplotlib",
    "pyimzml": "pyimzML",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
_GUARDS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(frozen=True, slots=True, order=True)
class Missing:
    """A module that cell `cell` (counted from 1) imports and the environment lacks."""

    cell: int
    module: str

    @property
    def package(self) -> str:
        return PACKAGES.get(self.module, self.module)


def missing_imports(
    notebook: Notebook, modules: frozenset[str], beside: Path
) -> tuple[Missing, ...]:
    """The imports of `notebook` that nothing satisfies, each module once, in order.

    Args:
        modules: top-level modules of the environment.
        beside: the working directory of the run; modules there can be imported too.

    An import whose failure the cell itself handles is no missing import.
    """
    found: dict[str, Missing] = {}
    for cell in notebook.code_cells:
        for name in _imported(cell.source):
            if name not in found and not _satisfied(name, modules, beside):
                found[name] = Missing(cell.number, name)
    return tuple(found.values())


def refuse_missing_imports(path: Path, modules: frozenset[str], beside: Path) -> None:
    """Raises NotebookUnusable where the notebook at `path` imports what is not there."""
    missing = missing_imports(read_notebook(path), modules, beside)
    if not missing:
        return
    lines = [f"{path.name} imports what its environment does not have:"]
    lines += [f"  cell {item.cell}: {item.module}" for item in missing]
    packages = " ".join(dict.fromkeys(item.package for item in missing))
    raise NotebookUnusable(
        "\n".join(lines), hint=f"Add it, then run again: ./scripts/add-package.sh {packages}"
    )


def _satisfied(name: str, modules: frozenset[str], beside: Path) -> bool:
    if name in sys.stdlib_module_names or name in modules or name == "remote":
        return True
    return (beside / f"{name}.py").is_file() or (beside / name).is_dir()


def _imported(source: str) -> Iterator[str]:
    """Top-level names; a cell that is not valid Python fails when it runs, and says so there."""
    try:
        tree = ast.parse(code_lines(source))
    except (SyntaxError, ValueError):
        return
    yield from _of(tree)


def _of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name.partition(".")[0] for alias in names)
        case ast.ImportFrom(module=str(module), level=0):
            yield module.partition(".")[0]
        case ast.Try(handlers=handlers) if any(map(_handles_import_error, handlers)):
            for child in (*node.handlers, *node.orelse, *node.finalbody):
                yield from _of(child)
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            yield from (name for child in node.orelse for name in _of(child))
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _of(child)


def _handles_import_error(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)}
    return bool(names & _GUARDS)
