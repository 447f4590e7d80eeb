"""HTML and SVG as text that cannot be broken by what is put into it.

`element` takes text and `Markup`; text is escaped, so that only what was made here is markup.
"""

from __future__ import annotations

import html


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Text as HTML; what cannot be seen, or turns the direction of writing, is spelled out."""
    shown = "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)
    return Markup(html.escape(shown))


def joined(*parts: str) -> Markup:
    """Parts one after the other."""
    return Markup("".join(part if isinstance(part, Markup) else escaped(part) for part in parts))


def element(name: str, *children: str, **attributes: str | float) -> Markup:
    """An element. In names of attributes `_` stands for `-`; one at the end is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(_text(value))}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{name}{given}>{joined(*children)}</{name}>")


def _text(value: str | float) -> str:
    """Numbers as short as they can be to a hundredth of a pixel."""
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
