"""A command line of `build-shards` as it grows, answer by answer, and is always one that works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from remote.workloads.shards.cli.merging import merged, options, refuse_contradictions
from remote.workloads.shards.cli.several import given_names
from remote.workloads.shards.request import Request, make_request
from remote.workloads.shards.settings import BuildSettings

# Where nothing is written: it stands for the output root until that is known.
_UNKNOWN = Path("unknown")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is decided.

    Attributes:
        words: the words after the verb.
        given: the names of the parameters among them.
        flags: all parameters.
        config: the settings without the flags.
        request: the build that the words ask for.
    """

    command: click.Command
    words: tuple[str, ...]
    given: frozenset[str]
    flags: Mapping[str, Any]
    config: BuildSettings
    request: Request

    @classmethod
    def of(cls, command: click.Command, words: tuple[str, ...]) -> Chosen:
        """Read a command line, and check all that can be checked without opening an input.

        Raises:
            click.UsageError: a word does not fit its option.
            WorkhorseError: the same refusals as those of the build itself.
        """
        ctx = command.make_context(str(command.name), list(words))
        given = frozenset(given_names(ctx))
        settings = merged(ctx.params, _untold)
        refuse_contradictions(given, settings)
        inputs, root = ctx.params["inputs"] or None, ctx.params["output_root"]
        root = root or settings.output_root or _UNKNOWN
        asked = make_request(settings, inputs, root, options(ctx.params))
        bare = {**_bare(command), "config": ctx.params["config"]}
        return cls(command, words, given, ctx.params, merged(bare, _untold), asked)

    def plus(self, *words: str) -> Chosen:
        """The same with further words. Raises what `of` raises."""
        return Chosen.of(self.command, (*self.words, *words))

    @property
    def settings(self) -> BuildSettings:
        """Config and flags together."""
        return self.request.settings


def _bare(command: click.Command) -> dict[str, Any]:
    return command.make_context(str(command.name), []).params


def _untold(_: str) -> None:
    """What a config is told is told when the build is run."""
