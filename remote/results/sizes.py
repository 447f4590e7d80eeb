"""Sizes of sealed files, as the crate records them: they tell a cut file from a changed one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from remote.results.names import CRATE


def recorded(
    folder: Path, expected: Mapping[str, str], actual: Mapping[str, str]
) -> dict[str, int]:
    """Bytes by path, empty where the crate itself is not what was sealed."""
    if not expected.get(CRATE) or expected[CRATE] != actual.get(CRATE):
        return {}
    graph = json.loads((folder / CRATE).read_bytes())["@graph"]
    return {
        unquote(entity["@id"]): int(entity["contentSize"])
        for entity in graph
        if entity["@type"] == "File" and unquote(entity["@id"]) in expected
    }
