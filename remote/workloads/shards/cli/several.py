"""What is on a command line: several values after one flag (`--input *.mgf`), a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from remote.errors import UsageError

_WORDS = f"{__name__}.words"
SEVERAL = frozenset({"--input", "--input-hdf5", "--carry"})


class Several(click.Command):
    """A command without arguments of its own: words after such a flag all belong to it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the flag before each of its values, as the parser wants it."""
        ctx.meta[_WORDS] = tuple(args)
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


def words_of(ctx: click.Context) -> tuple[str, ...]:
    """The words after the verb, as they were typed."""
    words: tuple[str, ...] = ctx.meta[_WORDS]
    return words


def given_names(ctx: click.Context) -> tuple[str, ...]:
    """The names of the parameters that are on the command line, in the command's order."""
    typed = click.core.ParameterSource.COMMANDLINE
    return tuple(name for name in ctx.params if ctx.get_parameter_source(name) is typed)


def one_dataset(argument: Path | None, option: Path | None, verb: str, flag: str) -> Path:
    """The dataset that is named in one of two ways.

    Raises:
        UsageError: in neither, or in both.
    """
    if (argument is None) == (option is None):
        raise UsageError("Name one dataset.", hint=f"msms {verb} DATASET, or {flag} DATASET")
    return argument or option or Path()
