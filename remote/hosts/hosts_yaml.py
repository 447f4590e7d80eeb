"""Changes to the text of configs/hosts.yaml that leave all else in it, comments too, as it is.

Texts in, texts out. What is asked for may not be possible in every form that YAML has; whoever
writes the file reads the result first.

The text is cut where the parser says that things stand. A library that loads and dumps would do
less: ruamel.yaml 0.19 indents the whole file anew, writes CRLF as LF, and drops with a host the
comments below it, which are those of the next one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from remote.errors import ConfigInvalid
from remote.schema import load_yaml

if TYPE_CHECKING:
    from yaml import Node

# Nothing that YAML would read as part of its own.
_PLAIN = re.compile(r"[A-Za-z0-9/~](?:[A-Za-z0-9_./~@:+-]*[A-Za-z0-9_./~@+-])?")


def with_host(text: str, name: str, keys: Mapping[str, str]) -> str:
    """One more host, below the others."""
    found = _find(text, "hosts")
    if found is None:
        return _with_lines(text, len(text), f"hosts:\n{_block(name, keys, '  ')}")
    _, hosts = found
    entries = _entries(hosts)
    if not entries:
        start, end = _span(hosts)
        bare = text[:start].rstrip(" ") + text[end:]
        return _with_lines(bare, len(text[:start].rstrip(" ")), _block(name, keys, "  "))
    if _is_flow(hosts):
        start = hosts.start_mark.index + 1
        return f"{text[:start]}{_flow(name, keys)}, {text[start:]}"
    indent = " " * entries[0][0].start_mark.column
    return _with_lines(text, _last(hosts).end_mark.index, _block(name, keys, indent))


def without_host(text: str, name: str) -> str:
    """Without that host; comments around it stay."""
    found = _find(text, "hosts")
    assert found is not None
    title, hosts = found
    entries = _entries(hosts)
    place = next(number for number, (key, _) in enumerate(entries) if key.value == name)
    key, value = entries[place]
    start, end = key.start_mark.index, _last(value).end_mark.index
    if _is_flow(hosts):
        if len(entries) == 1:
            start, end = hosts.start_mark.index + 1, hosts.end_mark.index - 1
        elif place == 0:
            end = entries[1][0].start_mark.index
        else:
            start = _last(entries[place - 1][1]).end_mark.index
        return text[:start] + text[end:]
    text = _without_lines(text, start, end)
    if len(entries) > 1:
        return text
    colon = text.index(":", title.end_mark.index) + 1
    return f"{text[:colon]} {{}}{text[colon:]}"


def with_default(text: str, name: str) -> str:
    """With that host as the default."""
    line = f"default_host: {_scalar(name)}"
    found = _find(text, "default_host")
    if found is not None:
        start, end = _span(found[1])
        return f"{text[:start].rstrip(' ')} {_scalar(name)}{text[end:]}"
    below = _find(text, "hosts")
    if below is None:
        return _with_lines(text, len(text), f"{line}\n")
    start = below[0].start_mark.index
    return f"{text[:start]}{line}\n{text[start:]}"


def without_default(text: str) -> str:
    """Without a default host."""
    found = _find(text, "default_host")
    if found is None:
        return text
    title, value = found
    return _without_lines(text, title.start_mark.index, value.end_mark.index)


def _find(text: str, name: str) -> tuple[Node, Node] | None:
    """A key of the file and what stands there, with their places in the text."""
    import yaml

    root = yaml.compose(text, yaml.SafeLoader)
    if root is None:
        return None
    if not isinstance(root, yaml.MappingNode) or _is_flow(root):
        raise ConfigInvalid("it is not written as one key a line", hint="change it by hand")
    return next((pair for pair in root.value if pair[0].value == name), None)


def _entries(node: Node) -> list[tuple[Node, Node]]:
    import yaml

    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _last(node: Node) -> Node:
    """What ends where a node ends: a block's own end lies behind the comments that follow it."""
    entries = _entries(node)
    return _last(entries[-1][1]) if entries and not _is_flow(node) else node


def _is_flow(node: Node) -> bool:
    """Written with braces."""
    return bool(getattr(node, "flow_style", False))


def _span(node: Node) -> tuple[int, int]:
    return node.start_mark.index, node.end_mark.index


def _with_lines(text: str, index: int, lines: str) -> str:
    """Insert lines below the line that holds a place."""
    end = text.find("\n", index)
    if end < 0:
        return f"{text}\n{lines}" if text and not text.endswith("\n") else text + lines
    return text[: end + 1] + lines + text[end + 1 :]


def _without_lines(text: str, start: int, end: int) -> str:
    """Remove the lines from that of one place to that of another."""
    first = text.rfind("\n", 0, start) + 1
    after = text.find("\n", end)
    return text[:first] + (text[after + 1 :] if after >= 0 else "")


def _block(name: str, keys: Mapping[str, str], indent: str) -> str:
    lines = [f"{indent}{_scalar(name)}:"]
    lines += [f"{indent}  {key}: {_scalar(value)}" for key, value in keys.items()]
    return "".join(f"{line}\n" for line in lines)


def _flow(name: str, keys: Mapping[str, str]) -> str:
    return f"{_scalar(name)}: {json.dumps(dict(keys), ensure_ascii=False)}"


def _scalar(text: str) -> str:
    """As it stands where YAML reads it as that very text, else in quotes."""
    if _PLAIN.fullmatch(text) and load_yaml(f"[{text}]", "") == [text]:
        return text
    return json.dumps(text, ensure_ascii=False)
