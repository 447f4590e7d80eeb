"""What a run would do, as a value that can be printed: `--dry-run`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from remote.hosts.stores.data import mapped
from remote.image.digests import code_digests
from remote.model import CodeDigests, RunRequest


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked request with the digests of the software it would run."""

    request: RunRequest
    digests: CodeDigests


def plan(request: RunRequest) -> Plan:
    """Read the software's digests; nothing is made and nobody is asked.

    Raises:
        UsageError: the project is no checkout.
    """
    return Plan(request, code_digests(request.project))


def as_json(plan: Plan) -> dict[str, Any]:
    """For programs; paths as they are on this machine."""
    request = plan.request
    return {
        "notebook": {"path": str(request.notebook), "sha256": request.notebook_sha256},
        "parameters": [asdict(parameter) for parameter in request.parameters],
        "host": {
            "name": request.host.name,
            "transport": request.host.transport,
            "runtime": request.host.runtime,
            "reason": request.host.reason,
            "limits": asdict(request.host.limits),
        },
        "software": asdict(plan.digests),
        "result": _result(request),
    }


def lines(plan: Plan) -> list[str]:
    """For people."""
    request, digests = plan.request, plan.digests
    rows = [
        ("notebook", f"{_short(request.notebook, request)}  sha256 {request.notebook_sha256[:12]}"),
        ("software", f"lock {digests.lock[:12]}, code {digests.code[:12]}"),
        *(("parameter", _parameter(p.name, p.value, p.source)) for p in request.parameters),
        *(
            ("stage", _input(p.value, request))
            for p in request.parameters
            if p.kind == "input_path" and p.value
        ),
        ("result", _result(request)),
    ]
    return [f"  {name:<10} {text}" for name, text in rows]


def _result(request: RunRequest) -> str:
    return str(request.results_root / f"{request.notebook_name}_YYYYMMDD_HHMMSS")


def _parameter(name: str, value: object, source: str) -> str:
    return f"{name} = {value!r}  ({source})"


def _input(path: str, request: RunRequest) -> str:
    seen = mapped(Path(path), request.host.data)
    if seen is not None:
        return f"{path}  not sent: {seen.there} on {request.host.name}"
    return f"{path}  {Path(path).stat().st_size:,} bytes"


def _short(path: Path, request: RunRequest) -> str:
    root = request.project.root
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
