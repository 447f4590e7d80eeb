"""The guided menu of `build-shards --interactive`.

Each answer becomes words of the command line, which is read and checked by the command itself;
at the end the same words are shown and, after a yes, run in place of this process.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from remote.errors import UsageError, WorkhorseError
from remote.workloads.shards.cli.chosen import Chosen
from remote.workloads.shards.cli.cleaning import CLEANING, rules
from remote.workloads.shards.cli.question import Ask, Question
from remote.workloads.shards.cli.questions import QUESTIONS
from remote.workloads.shards.cli.stopping import program

_FLAG = "--interactive"


def menu(command: click.Command, words: Sequence[str]) -> None:
    """Ask for what `words` leave open, show the whole command, and run it after a yes.

    Raises:
        UsageError: there is no terminal to ask on; or see `Chosen.of`.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            f"{_FLAG} asks questions, and stdin is no terminal.",
            hint="Give the options themselves: msms build-shards --help lists them.",
        )
    chosen = Chosen.of(command, tuple(word for word in words if word != _FLAG))
    _say("An empty answer takes what is in brackets. Ctrl-C ends it; nothing is written before.")
    chosen = _asked(QUESTIONS, chosen)
    open_rules = [ask for ask in CLEANING if ask(chosen) is not None]
    if open_rules and _yes(f"\nCleaning: {rules(chosen)}.\nChange these rules?", default=False):
        chosen = _asked(CLEANING, chosen)
    whole = [str(command.name), *chosen.words]
    _say(f"\nThe same without questions:\n  {shlex.join([*program(), *whole])}\n")
    if _yes("Run it now?", default=True):
        _become(whole)


def _asked(questions: Sequence[Ask], chosen: Chosen) -> Chosen:
    for ask in questions:
        question = ask(chosen)
        if question is not None:
            chosen = _answered(question, chosen)
    return chosen


def _answered(question: Question, chosen: Chosen) -> Chosen:
    """The command line with an answer; asked again until there is one that can be."""

    def checked(answer: str) -> Chosen:
        answer = answer.strip()
        if question.implied and answer == question.default:
            return chosen
        try:
            return chosen.plus(*question.words(answer))
        except WorkhorseError as error:
            raise click.BadParameter(str(error)) from error

    _say(f"\n{question.explained}")
    found: Chosen = click.prompt(
        question.title, default=question.default, value_proc=checked, err=True
    )
    return found


def _say(text: str) -> None:
    click.echo(text, err=True)


def _yes(text: str, *, default: bool) -> bool:
    return click.confirm(text, default=default, err=True)


def _become(words: Sequence[str]) -> NoReturn:
    """Run the command in place of this process, as the shell would: also Ctrl-C finds it."""
    python = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv[1:])]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *python, *words])  # noqa: S606 - our own words
