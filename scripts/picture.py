"""Take the picture of the live display, docs/live.svg, from a real run:

    .venv/bin/python scripts/picture.py [SPECTRA]

Runs notebooks/10_build_shards.ipynb on this machine and keeps what the display shows when six
tenths of the spectra are written.
"""

from __future__ import annotations

import io
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.spinner import Spinner

from remote.cli.live import draw
from remote.cli.run import where_and_why
from remote.cli.view import View
from remote.config import load
from remote.hosts.select import choose
from remote.model import Message, Project
from remote.run.check import check
from remote.run.flow import execute
from remote.run.parameters import Given

ROOT = Path(__file__).absolute().parents[1]
PICTURE = ROOT / "docs" / "live.svg"
NOTEBOOK = "notebooks/10_build_shards.ipynb"
WIDTH = 92


def main(spectra: int) -> None:
    parameter = ("sample_spectra", str(spectra))
    given = Given(parameters=(parameter,))
    request = check(ROOT / NOTEBOOK, given, Project(ROOT), choose(load(ROOT)))
    view = View()
    taken = False

    def listener(message: Message) -> None:
        nonlocal taken
        view.apply(message, time.monotonic())
        stage = view.stages.get("shards")
        if not taken and stage and (stage.share or 0) >= 0.6:
            taken = True
            PICTURE.write_text(
                _svg(view, " ".join(parameter), where_and_why(request)), encoding="utf-8"
            )

    execute(request, listener, clock=lambda: datetime.now(UTC))
    if not taken:
        raise SystemExit("error: the run was over before its picture was taken; use more spectra")


def _svg(view: View, parameter: str, first_line: str) -> str:
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, legacy_windows=False
    )
    console.print(f"$ ./scripts/run-remote.sh {NOTEBOOK} -p {parameter}", highlight=False)
    console.print(first_line, highlight=False)
    for notice in view.notices:
        console.print(notice, style="yellow", highlight=False)
    console.print(draw(view, time.monotonic(), WIDTH, Spinner("dots")))
    picture = console.export_svg(title="Workhorse")
    # The picture loads nothing from elsewhere: whoever looks at it has a monospaced font.
    return re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", picture, flags=re.DOTALL)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400_000)
