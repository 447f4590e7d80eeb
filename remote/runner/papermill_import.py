"""papermill without the cloud clients that it would import for paths we never give it.

Importing papermill imports pyarrow's file systems (0.45 s) if pyarrow is there. papermill does
without it, as with every optional client; a module that is None in sys.modules counts as absent.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_UNUSED = ("pyarrow", "pyarrow.fs", "boto3", "gcsfs", "azure", "github")


@contextmanager
def without_cloud_clients() -> Iterator[None]:
    """Import papermill inside this block."""
    hidden = [name for name in _UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
