"""Options and config keys of earlier pipelines that have no meaning here, and what to use instead.

They are accepted, so that old commands and configs run as they are, and each is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

Tell = Callable[[str], None]

_KERNELS = "compiled kernels do that work in every mode; leave it out"
_WRITER = (
    "workers encode in parallel and one writer puts what they made in order; for more speed: "
    "--num-workers, or --mode production"
)
INSTEAD: Mapping[str, str] = {
    "use_rust": _KERNELS,
    "use_rust_batch": _KERNELS,
    "parallel_writers": _WRITER,
    "processes": "--mode production works with processes, --mode local with threads",
    "memory_limit": "--max-memory-gb limits the whole build",
    "numa_aware": "--mode production binds workers to memory nodes by itself; leave it out",
    "zero_copy": "nothing is copied that need not be; leave it out",
}


def told(name: str, shown: str) -> str:
    """The line about one of them, as it was given."""
    return f"{shown} has no meaning here and is ignored: {INSTEAD[name]}."


def without_obsolete(config: object, where: str, tell: Tell) -> object:
    """A config as YAML has it, without such keys at the top or in a section.

    Args:
        where: names the file.
        tell: is given a line for each key.
    """
    if not isinstance(config, Mapping):
        return config
    for path in _paths(config):
        tell(f"{where}: {told(path[-1], '/'.join(path))}")
    return {
        key: _kept(value) if isinstance(value, Mapping) else value
        for key, value in _kept(config).items()
    }


def _paths(config: Mapping[object, object]) -> Iterator[tuple[str, ...]]:
    for key, value in config.items():
        if isinstance(key, str) and key in INSTEAD:
            yield (key,)
        elif isinstance(value, Mapping):
            yield from ((str(key), inner) for inner in value if inner in INSTEAD)


def _kept(section: Mapping[object, object]) -> dict[object, object]:
    return {key: value for key, value in section.items() if key not in INSTEAD}
