"""Options that take several values after one flag: `--input a.mgf b.mzML`, or `--input *.mgf`."""

from __future__ import annotations

import click

SEVERAL = frozenset({"--input", "--input-hdf5", "--carry"})


class Several(click.Command):
    """A command without arguments of its own: words after such a flag all belong to it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the flag before each of its values, as the parser wants it."""
        return super().parse_args(ctx, repeated(args))


def repeated(args: list[str]) -> list[str]:
    """The same command line with one value for each flag."""
    found: list[str] = []
    flag, values = "", 0
    for word in args:
        if word.startswith("-"):
            name = word.partition("=")[0]
            flag, values = (name, int(name != word)) if name in SEVERAL else ("", 0)
            found.append(word)
            continue
        found += [flag, word] if flag and values else [word]
        values += 1
    return found
