"""The last stage of the Dockerfile, as far as it only copies code and sets the configuration.

Then an image needs no build: its layers are made here and appended to the environment's. A stage
that does more (RUN, other COPY lines) is built as it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

STAGE = "run"
_COPY = re.compile(r"(remote|notebooks)/?\s+/workspace/(remote|notebooks)/?")
_TEXT = {
    "USER": ("User", re.compile(r"[\w.:-]+")),
    "WORKDIR": ("WorkingDir", re.compile(r"/[\w./-]*")),
    "STOPSIGNAL": ("StopSignal", re.compile(r"\w+")),
}
_LISTS = {"ENTRYPOINT": "Entrypoint", "CMD": "Cmd"}


@dataclass(frozen=True, slots=True)
class RunStage:
    """What the run stage changes of the environment image's configuration."""

    config: Mapping[str, object] = field(default_factory=dict)


def run_stage(dockerfile: str) -> RunStage | None:
    """The run stage; None where it does more than can be appended."""
    copied: set[str] = set()
    config: dict[str, object] = {}
    for name, rest in _of_stage(dockerfile):
        match = _COPY.fullmatch(rest) if name == "COPY" else None
        if match and match[1] == match[2]:
            copied.add(match[1])
        elif name in _TEXT and _TEXT[name][1].fullmatch(rest):
            config[_TEXT[name][0]] = rest
        elif name in _LISTS and (items := _list(rest)) is not None:
            config[_LISTS[name]] = items
        else:
            return None
    if "Entrypoint" in config:  # takes the command of what is below away
        config.setdefault("Cmd", [])
    return RunStage(config) if copied == {"remote", "notebooks"} else None


def _of_stage(dockerfile: str) -> list[tuple[str, str]]:
    """The instructions of the last stage; none where that is not the run stage."""
    found: list[tuple[str, str]] = []
    inside = False
    for name, rest in _instructions(dockerfile):
        if name == "FROM":
            inside, found = rest.lower().split() == ["${environment}", "as", STAGE], []
        elif inside:
            found.append((name, rest))
    return found


def _instructions(dockerfile: str) -> list[tuple[str, str]]:
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\[ \t]*\n", " ", "\n".join(lines))
    words = [line.strip().split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(one[0].upper(), one[1].strip() if len(one) > 1 else "") for one in words]


def _list(text: str) -> list[str] | None:
    """An instruction in exec form."""
    try:
        items = json.loads(text)
    except ValueError:
        return None
    strings = isinstance(items, list) and all(isinstance(item, str) for item in items)
    return items if strings else None
