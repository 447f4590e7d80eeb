"""`ro-crate-metadata.json`: the folder as an RO-Crate 1.1 with the Process Run Crate profile.

One `CreateAction`: the notebook (instrument) turned inputs, parameters and parent results
(object) into the folder's files (result), started by a person (agent).
"""

from __future__ import annotations

import base64
import json
import math
import mimetypes
import os
import pwd
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
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
# A crate must name one. What may be done with a result is for its maker to say.
LICENSE: Entity = {
    "@id": "#license",
    "@type": "CreativeWork",
    "name": "No licence stated",
    "description": "Ask the author of the run before you use these files.",
}

_FORMATS = {
    ".ipynb": "application/x-ipynb+json",
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".parquet": "application/vnd.apache.parquet",
}


def encode(record: Mapping[str, Any], files: Mapping[str, FileDigest]) -> bytes:
    """The crate's metadata file.

    Args:
        record: what `run.json` says; parts of it come from the host and may be of any form.
        files: every other file of the folder but the manifest, which lists this one.
    """
    graph = list(_graph(record, files))
    document = {"@context": [CONTEXT, TERMS], "@graph": graph}
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _graph(record: Mapping[str, Any], files: Mapping[str, FileDigest]) -> Iterable[Entity]:
    outputs = [_file(path, digest) for path, digest in sorted(files.items())]
    used = [*_inputs(record), *_parents(record), *_parameters(record)]
    notebook, agent = _notebook(record), _agent()
    yield {
        "@id": CRATE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": SPECIFICATION},
        "about": {"@id": "./"},
    }
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": str(record["id"]),
        "description": f"What one run of the notebook {notebook['name']} made.",
        "identifier": f"urn:uuid:{record['uuid']}",
        "datePublished": _time(record["sealed_at"]),
        "author": {"@id": agent["@id"]},
        "license": {"@id": LICENSE["@id"]},
        "conformsTo": {"@id": PROFILE},
        "hasPart": _references([*outputs, *(one for one in used if one["@type"] == "File")]),
        "mentions": {"@id": _action_id(record)},
    }
    yield {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    yield LICENSE
    made = _references(one for one in outputs if one["name"] != RUN_JSON)
    yield {
        **_action(record, str(notebook["name"])),
        "instrument": {"@id": notebook["@id"]},
        "agent": {"@id": agent["@id"]},
        "object": _references(used),
        "result": made,
    }
    yield from (notebook, agent, *used, *outputs)


def _action(record: Mapping[str, Any], notebook: str) -> Entity:
    """What happened, without the entities it joins."""
    outcome = _mapping(record.get("outcome"))
    state = str(outcome.get("state", "succeeded"))
    action: Entity = {
        "@id": _action_id(record),
        "@type": "CreateAction",
        "name": f"Run of {notebook}",
        "description": f"The notebook {notebook} was run; its state at the end: {state}.",
        "endTime": _time(outcome.get("finished_at")) or _time(record["sealed_at"]),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    if started := _time(outcome.get("started_at")) or _time(record.get("created_at")):
        action["startTime"] = started
    if state != "succeeded":
        problem = _mapping(outcome.get("error")).get("problem")
        action["actionStatus"] = "http://schema.org/FailedActionStatus"
        action["error"] = str(problem or state)
    return action


def _notebook(record: Mapping[str, Any]) -> Entity:
    notebook = record["notebook"]
    git = _mapping(record.get("git"))
    commit = str(git.get("commit") or "")
    return {
        "@id": _named_information(notebook["sha256"]),
        "@type": "SoftwareSourceCode",
        "name": notebook["name"],
        "identifier": f"sha256:{notebook['sha256']}",
        "programmingLanguage": "Python",
        "version": commit + ("-dirty" if git.get("dirty") else "")
        if commit
        else f"sha256:{notebook['sha256']}",
    }


def _agent() -> Entity:
    """Whoever runs this process, by the system's own records."""
    try:
        account = pwd.getpwuid(os.getuid())
    except KeyError:
        return {"@id": f"#person/{os.getuid()}", "@type": "Person", "name": f"uid {os.getuid()}"}
    name = account.pw_gecos.split(",")[0] or account.pw_name
    return {"@id": f"#person/{quote(account.pw_name)}", "@type": "Person", "name": name}


def _inputs(record: Mapping[str, Any]) -> Iterable[Entity]:
    """Input files, named by their content: they are not part of the folder."""
    by_digest = {str(one["sha256"]): one for one in record.get("inputs") or ()}
    for digest, one in by_digest.items():
        yield {
            "@id": _named_information(digest),
            "@type": "File",
            "name": str(one["path_seen"]).rpartition("/")[2],
            "alternateName": one["path_seen"],
            "contentSize": str(one["size_bytes"]),
            "encodingFormat": _format(str(one["path_seen"])),
            "sha256": digest,
        }


def _parents(record: Mapping[str, Any]) -> Iterable[Entity]:
    parents = record.get("parents") or ()
    names = dict.fromkeys(str(_mapping(parent).get("id", parent)) for parent in parents)
    for name in names:
        yield {"@id": f"#result/{quote(name)}", "@type": "CreativeWork", "name": name}


def _parameters(record: Mapping[str, Any]) -> Iterable[Entity]:
    for parameter in record.get("parameters") or ():
        value = parameter["value"]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        plain = isinstance(value, str) or (number and math.isfinite(value))
        yield {
            "@id": f"#parameter/{quote(str(parameter['name']))}",
            "@type": "PropertyValue",
            "name": parameter["name"],
            "value": value if plain else json.dumps(value),
        }


def _file(path: str, digest: FileDigest) -> Entity:
    return {
        "@id": quote(path),
        "@type": "File",
        "name": path,
        "contentSize": str(digest.size_bytes),
        "encodingFormat": _format(path),
        "sha256": digest.sha256,
    }


def _format(path: str) -> str:
    suffix = "." + path.rpartition(".")[2]
    kind = _FORMATS.get(suffix) or mimetypes.guess_type(path)[0]
    return kind or "application/octet-stream"


def _named_information(sha256: str) -> str:
    """An absolute URI for content that lies nowhere in particular (RFC 6920)."""
    digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
    return f"ni:///sha-256;{digest}"


def _time(text: object) -> str:
    """ISO 8601 in the one form that the profile's own validator takes; "" for no time."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return ""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds") if moment else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _references(entities: Iterable[Entity]) -> list[Entity]:
    return [{"@id": entity["@id"]} for entity in entities]


def _action_id(record: Mapping[str, Any]) -> str:
    return f"#run/{record['uuid']}/{record['attempt']}"
