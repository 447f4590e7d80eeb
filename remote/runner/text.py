"""What a cell printed, as the executed notebook keeps it: merged, overwritten lines gone, bounded.

kernel.log holds every byte; the notebook must stay a file that a browser opens.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from nbformat.v4 import new_output

# Characters of one cell's printed text that the notebook keeps: the first and the last ones.
HEAD_CHARACTERS = 8_000_000
TAIL_CHARACTERS = 1_000_000


class BoundedText:
    """Text that grows at its end; past `head` characters only the last `tail` are kept.

    A carriage return starts the line over, as on a terminal: a progress bar leaves one line.
    """

    def __init__(self, head: int = HEAD_CHARACTERS, tail: int = TAIL_CHARACTERS) -> None:
        self._room = head
        self._tail_limit = tail
        self._head: list[str] = []
        self._line = ""  # not ended yet, so that a carriage return can still take it back
        self._tail: deque[str] = deque()
        self._tail_length = 0
        self._dropped = 0

    def add(self, text: str) -> None:
        """Append what was printed."""
        ended, newline, self._line = (self._line + text).rpartition("\n")
        if newline:
            self._keep(overwritten(ended) + newline)
        if "\r" in self._line:
            self._line = overwritten(self._line)
        elif len(self._line) > self._tail_limit:
            self._keep(self._line)
            self._line = ""

    def _keep(self, text: str) -> None:
        if self._room:
            self._head.append(text[: self._room])
            text, self._room = text[self._room :], max(0, self._room - len(text))
        if text:
            self._tail.append(text[-self._tail_limit :])
            self._dropped += len(text) - len(self._tail[-1])
            self._tail_length += len(self._tail[-1])
        while self._tail_length > 2 * self._tail_limit:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = self._tail.popleft()
        self._tail_length -= len(oldest)
        self._dropped += len(oldest)

    def __str__(self) -> str:
        self._head = ["".join(self._head)]
        said = f"\n[{self._dropped:,} characters left out here; kernel.log has them all]\n"
        return "".join([*self._head, said if self._dropped else "", *self._tail, self._line])


def overwritten(text: str) -> str:
    """Each line from its last carriage return on; one that ends the line stays."""
    if "\r" not in text:
        return text
    return "\n".join(_last_writing(line) for line in text.split("\n"))


def _last_writing(line: str) -> str:
    body = line.rstrip("\r")
    ending = "\r" if len(body) < len(line) else ""
    return body[body.rfind("\r") + 1 :] + ending


class CellText:
    """The stream outputs of one cell. Neighbouring texts of one stream share an output."""

    def __init__(self) -> None:
        # By identity of the output, which is kept so that the identity stays its own.
        self._texts: dict[int, tuple[Any, BoundedText]] = {}
        self._latest: dict[str, Any] = {}
        self._characters = 0

    def add(self, outputs: list[Any], name: str, text: str) -> Any:
        """Append to the cell's outputs; returns the output that holds the text now."""
        self._characters += len(text)
        output = self._place(outputs, name)
        bounded = self._texts[id(output)][1]
        bounded.add(text)
        output["text"] = str(bounded)
        return output

    def _place(self, outputs: list[Any], name: str) -> Any:
        """The last output if it is of this stream, else a new one.

        A cell past its bound gets no new ones: the text goes to the stream's latest.
        """
        latest = self._latest.get(name)
        full = self._characters > HEAD_CHARACTERS
        if latest is not None and any(o is latest for o in (outputs if full else outputs[-1:])):
            return latest
        output = new_output("stream", name=name, text="")
        outputs.append(output)
        self._texts[id(output)] = (output, BoundedText())
        self._latest[name] = output
        return output
