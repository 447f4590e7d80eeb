"""What runs inside a run: workloads, and the names that notebooks use.

`InputPath` and `InputRun` are what a parameters cell annotates with:

    input_hdf5: InputPath = ""      # a file; staged to the host, mounted read-only
    source: InputRun = ""           # an earlier run: "latest:10_build_shards" or an id

Both are plain strings at run time: the path or id as the run sees it. `OUTPUT_DIR` is the
folder whose content becomes the result folder; it is set in every cell already.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

InputPath: TypeAlias = str
InputRun: TypeAlias = str

OUTPUT_DIR = Path(os.environ.get("OUTPUT_DIR") or "output").absolute()

__all__ = ["OUTPUT_DIR", "InputPath", "InputRun"]
