"""Notebooks from readable text: tests/contract/notebooks/NAME.cells, `# %%` before each cell."""

from __future__ import annotations

import json
from pathlib import Path

SOURCES = Path(__file__).with_name("notebooks")


def write_notebooks(folder: Path) -> None:
    """Write every notebook of the contract into a project's notebooks/."""
    for source in sorted(SOURCES.glob("*.cells")):
        document = notebook(source.read_text(encoding="utf-8"))
        path = folder / f"{source.stem}.ipynb"
        path.write_text(json.dumps(document), encoding="utf-8")


def notebook(text: str) -> dict[str, object]:
    """A notebook of the cells in `text`; what follows `# %%` on its line is the cell's tag."""
    _, *parts = f"\n{text}".split("\n# %%")
    cells = [part.partition("\n") for part in parts]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}
        },
        "cells": [
            _cell(f"cell-{index}", source.strip("\n"), tag.split())
            for index, (tag, _, source) in enumerate(cells)
        ],
    }


def _cell(name: str, source: str, tags: list[str]) -> dict[str, object]:
    return {
        "id": name,
        "cell_type": "code",
        "metadata": {"tags": tags},
        "execution_count": None,
        "outputs": [],
        "source": source,
    }
