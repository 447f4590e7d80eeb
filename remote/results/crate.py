"""`ro-crate-metadata.json`: the folder as an RO-Crate 1.1 with the Process Run Crate profile.

One `CreateAction`: the notebook (instrument) turned inputs, parameters and parent results
(object) into the folder's files (result), started by a person (agent).
"""

from __future__ import annotations

import base64
import json
import mimetypes
import os
import pwd
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from remote.model import JsonValue
from remote.results.copying import FileDigest
from remote.results.names import CRATE, RUN_JSON

Entity = dict[str, JsonValue]

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
# Terms that the base context lacks; `sha256` as Workflow Run RO-Crate defines it.
TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"

_FORMATS = {
    ".ipynb": "application/x-ipynb+json",
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".parquet": "application/vnd.apache.parquet",
}


def encode(record: Mapping[str, Any], files: Mapping[str, FileDigest]) -> bytes:
    """The crate's metadata file.

    Args:
        record: what `run.json` says.
        files: every other file of the folder but the manifest, which lists this one.
    """
    graph = list(_graph(record, files))
    document = {"@context": [CONTEXT, TERMS], "@graph": graph}
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _graph(record: Mapping[str, Any], files: Mapping[str, FileDigest]) -> Iterable[Entity]:
    run_id = str(record["id"])
    outputs = [_file(path, digest) for path, digest in sorted(files.items())]
    used = [*_inputs(record), *_parents(record), *_parameters(record)]
    notebook, agent = _notebook(record), _agent()
    results = [output for output in outputs if output["name"] != RUN_JSON]
    yield {
        "@id": CRATE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": SPECIFICATION},
        "about": {"@id": "./"},
    }
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": run_id,
        "description": f"What one run of the notebook {notebook['name']} made.",
        "identifier": f"urn:uuid:{record['uuid']}",
        "datePublished": record["sealed_at"],
        "conformsTo": {"@id": PROFILE},
        "hasPart": _references([*outputs, *(one for one in used if one["@type"] == "File")]),
        "mentions": {"@id": _action_id(record)},
    }
    yield {
        "@id": PROFILE,
        "@type": "CreativeWork",
        "name": "Process Run Crate",
        "version": "0.5",
    }
    yield _action(record, notebook, agent, used, results)
    yield notebook
    yield agent
    yield from used
    yield from outputs


def _action(
    record: Mapping[str, Any],
    notebook: Entity,
    agent: Entity,
    used: list[Entity],
    results: list[Entity],
) -> Entity:
    outcome: Mapping[str, Any] = record.get("outcome") or {}
    succeeded = outcome.get("state", "succeeded") == "succeeded"
    action: Entity = {
        "@id": _action_id(record),
        "@type": "CreateAction",
        "name": f"Run of {notebook['name']}",
        "instrument": {"@id": notebook["@id"]},
        "agent": {"@id": agent["@id"]},
        "object": _references(used),
        "result": _references(results),
        "endTime": outcome.get("finished_at") or record["sealed_at"],
        "actionStatus": {
            "@id": f"http://schema.org/{'Completed' if succeeded else 'Failed'}ActionStatus"
        },
    }
    if started := outcome.get("started_at") or record.get("created_at"):
        action["startTime"] = started
    if not succeeded:
        error: Mapping[str, Any] = outcome.get("error") or {}
        action["error"] = str(error.get("problem") or outcome.get("state"))
    return action


def _notebook(record: Mapping[str, Any]) -> Entity:
    notebook = record["notebook"]
    git: Mapping[str, Any] = record.get("git") or {}
    entity: Entity = {
        "@id": f"#notebook/{quote(str(notebook['name']))}",
        "@type": "SoftwareSourceCode",
        "name": notebook["name"],
        "identifier": f"sha256:{notebook['sha256']}",
        "programmingLanguage": "Python",
    }
    if git.get("commit"):
        entity["version"] = str(git["commit"]) + ("-dirty" if git.get("dirty") else "")
    return entity


def _agent() -> Entity:
    """Whoever runs this process, by the system's own records."""
    try:
        account = pwd.getpwuid(os.getuid())
    except KeyError:
        return {"@id": f"#person/{os.getuid()}", "@type": "Person", "name": f"uid {os.getuid()}"}
    name = account.pw_gecos.split(",")[0] or account.pw_name
    return {"@id": f"#person/{quote(account.pw_name)}", "@type": "Person", "name": name}


def _inputs(record: Mapping[str, Any]) -> Iterable[Entity]:
    """Input files, named by their content (RFC 6920): they are not part of the folder."""
    seen = set()
    for one in record.get("inputs") or ():
        digest = base64.urlsafe_b64encode(bytes.fromhex(one["sha256"])).decode().rstrip("=")
        identifier = f"ni:///sha-256;{digest}"
        if identifier not in seen:
            seen.add(identifier)
            yield {
                "@id": identifier,
                "@type": "File",
                "name": str(one["path_seen"]).rpartition("/")[2],
                "alternateName": one["path_seen"],
                "contentSize": str(one["size_bytes"]),
                "sha256": one["sha256"],
            }


def _parents(record: Mapping[str, Any]) -> Iterable[Entity]:
    for parent in record.get("parents") or ():
        name = str(parent["id"] if isinstance(parent, Mapping) else parent)
        yield {"@id": f"#result/{quote(name)}", "@type": "CreativeWork", "name": name}


def _parameters(record: Mapping[str, Any]) -> Iterable[Entity]:
    for parameter in record.get("parameters") or ():
        value = parameter["value"]
        plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        yield {
            "@id": f"#parameter/{quote(str(parameter['name']))}",
            "@type": "PropertyValue",
            "name": parameter["name"],
            "value": value if plain else json.dumps(value),
        }


def _file(path: str, digest: FileDigest) -> Entity:
    suffix = "." + path.rpartition(".")[2]
    kind = _FORMATS.get(suffix) or mimetypes.guess_type(path)[0]
    entity: Entity = {
        "@id": quote(path),
        "@type": "File",
        "name": path,
        "contentSize": str(digest.size_bytes),
        "sha256": digest.sha256,
    }
    return {**entity, "encodingFormat": kind} if kind else entity


def _references(entities: Iterable[Entity]) -> list[Entity]:
    return [{"@id": entity["@id"]} for entity in entities]


def _action_id(record: Mapping[str, Any]) -> str:
    return f"#run/{record['uuid']}/{record['attempt']}"
