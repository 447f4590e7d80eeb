"""Where the traceback of an error that nobody expected is kept, for whoever reports it."""

from __future__ import annotations

import sys
import tempfile
import traceback
from pathlib import Path


def log_crash() -> Path:
    """Write the traceback of the error that is being handled to a file of its own."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="msms-error-", suffix=".log", delete=False
    ) as sink:
        sink.write(f"{sys.version}\n{' '.join(sys.argv)}\n{traceback.format_exc()}")
    return Path(sink.name)
