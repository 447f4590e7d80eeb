"""run.json: what a run is, written at launch; the sealed folder's run.json grows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from remote import __version__
from remote.hosts.runtime import LaunchPlan, Places
from remote.model import Limits, RunRequest, Staged
from remote.run.stage import value_in_run

SCHEMA = 1


def run_spec(
    request: RunRequest,
    plan: LaunchPlan,
    places: Places,
    staged: Staged,
    created_at: datetime,
    facts: Mapping[str, object],
    git: dict[str, object] | None,
    timings: dict[str, float],
) -> dict[str, Any]:
    """The whole of run.json at launch, JSON-serialisable."""
    placed = plan.placed
    return {
        "schema": SCHEMA,
        "id": plan.id,
        "uuid": plan.uuid,
        "attempt": 1,
        "created_at": utc_text(created_at),
        "notebook": {
            "name": request.notebook_name,
            "path": _shown(request),
            "sha256": request.notebook_sha256,
        },
        "parameters": _parameters(request, staged),
        "inputs": [
            {
                "parameter": item.parameter,
                "path_seen": str(item.path_seen),
                "path_on_host": str(item.path_on_host),
                "path_in_run": str(item.path_in_run),
                "sha256": item.sha256,
                "size_bytes": item.size_bytes,
            }
            for item in staged.inputs
        ],
        "parents": [
            {
                "parameter": run.parameter,
                "id": run.folder.name,
                "manifest_sha256": run.manifest_sha256,
                "taken_from": run.taken_from,
            }
            for run in staged.runs
        ],
        "host": {
            "name": request.host.name,
            "transport": request.host.transport,
            "runtime": request.host.runtime,
            "reason": request.host.reason,
            **facts,
        },
        "software": {
            "version": __version__,
            "lock_sha256": placed.digests.lock,
            "code_sha256": placed.digests.code,
            "package_sha256": placed.digests.package,
            "notebooks_sha256": placed.digests.notebooks,
            "image_digest": placed.image_digest,
            "layers": list(placed.layers),
            "environment": placed.environment,
            "pushed": asdict(placed.pushed) if placed.pushed else None,
        },
        "git": git,
        "limits": _limits(plan.limits),
        "paths": {
            "output": str(places.output),
            "working_directory": str(places.working_directory),
        },
        "controller": {
            "results_root": str(request.results_root.resolve()),
            "project_root": str(request.project.root.resolve()),
        },
        "timings": timings,
    }


def utc_text(moment: datetime) -> str:
    """ISO 8601 with a Z."""
    return moment.isoformat().replace("+00:00", "Z")


def _shown(request: RunRequest) -> str:
    try:
        return request.notebook.resolve().relative_to(request.project.root.resolve()).as_posix()
    except ValueError:
        return str(request.notebook)


def _limits(limits: Limits) -> dict[str, object]:
    return asdict(limits)


def _parameters(request: RunRequest, staged: Staged) -> list[dict[str, object]]:
    records = []
    for parameter in request.parameters:
        value = value_in_run(parameter, staged)
        record: dict[str, object] = {
            "name": parameter.name,
            "value": value,
            "source": parameter.source,
            "kind": parameter.kind,
        }
        given = parameter.seen if parameter.seen is not None else parameter.value
        if value != given:
            record["seen"] = given
        records.append(record)
    return records
