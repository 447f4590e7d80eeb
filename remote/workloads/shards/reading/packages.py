"""Libraries that a converter hands over to: needed by it alone, imported when it is called."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from remote.errors import PackageMissing


def needed(module: str, package: str, by: str) -> ModuleType:
    """The module.

    Args:
        package: what is to be installed to have it.
        by: the function that needs it.

    Raises:
        PackageMissing: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise PackageMissing(
            f"{by} needs the package {package}, which is not installed here.",
            hint=f"For notebooks: ./scripts/add-package.sh {package}; elsewhere: pip install "
            f"{package}",
        ) from error
