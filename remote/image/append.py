"""The run image: the code as layers on top of the environment that the engine has.

Nothing is built and nothing is saved: two small tars are made here and loaded. The same
environment and the same code give the same configuration digest on every engine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from remote.image.archive import Image
from remote.image.code import copy_code
from remote.image.digests import NOTEBOOKS, PACKAGE
from remote.image.dockerfile import RunStage
from remote.image.layers import Blob, Codec, Layer, packed, tree_tar
from remote.model import CodeDigests, Project

# What of a configuration makes a difference to a container.
_KEPT = (
    *("Env", "Cmd", "Entrypoint", "Labels", "User", "WorkingDir", "StopSignal"),
    *("ExposedPorts", "Volumes", "Shell", "Healthcheck"),
)


@dataclass(frozen=True, slots=True)
class EnvironmentImage:
    """The environment image on an engine. `attrs` is what the engine tells of it."""

    name: str
    attrs: Mapping[str, Any]
    layers: tuple[Layer, ...] | None

    @property
    def id(self) -> str:
        return str(self.attrs["Id"])

    @property
    def diff_ids(self) -> tuple[str, ...]:
        return tuple(self.attrs["RootFS"]["Layers"])

    @property
    def known_layers(self) -> tuple[Layer, ...]:
        """Its layers for an archive that leaves them out; named by diff id where that serves."""
        return self.layers or tuple(Layer(one, one, 0, "") for one in self.diff_ids)


def code_layers(project: Project, digests: CodeDigests, codec: Codec) -> tuple[Blob, Blob]:
    """Package and notebooks as two layers: an edited notebook leaves the first as it is.

    Raises:
        IntegrityFailure: they are not what was digested.
    """
    made = []
    with TemporaryDirectory(prefix="workhorse-code-") as folder:
        for name, source, digest in (
            (PACKAGE, project.root / PACKAGE, digests.package),
            (NOTEBOOKS, project.notebooks, digests.notebooks),
        ):
            copied = Path(folder) / name
            copied.mkdir()
            copy_code(source, copied, digest)
            made.append(packed(tree_tar(copied, f"workspace/{name}"), codec))
    return made[0], made[1]


def run_image(
    environment: EnvironmentImage, stage: RunStage, code: Sequence[Blob], name: str
) -> Image:
    """The whole image as a value."""
    attrs = environment.attrs
    config = {key: attrs["Config"][key] for key in _KEPT if attrs["Config"].get(key)}
    config = {**config, **stage.config}
    history = [f"environment {environment.name}"] * len(environment.diff_ids)
    history += [f"COPY {folder}/ /workspace/{folder}/" for folder in (PACKAGE, NOTEBOOKS)]
    whole = {
        "architecture": attrs["Architecture"],
        "os": attrs["Os"],
        **({"variant": attrs["Variant"]} if attrs.get("Variant") else {}),
        "created": attrs["Created"],
        "config": {key: value for key, value in config.items() if value},
        "rootfs": {
            "type": "layers",
            "diff_ids": [*environment.diff_ids, *(blob.layer.diff_id for blob in code)],
        },
        "history": [{"created": attrs["Created"], "created_by": line} for line in history],
    }
    layers = (*environment.known_layers, *(blob.layer for blob in code))
    return Image(json.dumps(whole, sort_keys=True).encode(), layers, name)
