"""Compiling inner loops with numba, once a machine.

Compiled on first use and cached on disk where that can be (numba looks at NUMBA_CACHE_DIR, then
beside the file). What is compiled holds no lock while it runs and uses no fast-math, so that
results are the same whatever the machine's vector units.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

# What numba raises where its cache cannot be written, or holds what a power cut left.
_CACHE_ERRORS = (RuntimeError, OSError, EOFError, pickle.UnpicklingError)


def compiled(function: Callable[..., Any], signature: Any) -> Callable[..., Any]:
    """`function` for one signature, from the cache where there is one; runs without the GIL."""
    import numba

    try:
        made: Callable[..., Any] = numba.njit(signature, nogil=True, cache=True)(function)
    except _CACHE_ERRORS:  # nowhere to keep compiled code, or bad files there: costs seconds only
        made = numba.njit(signature, nogil=True)(function)
    return made
