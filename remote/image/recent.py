"""The run images that an engine was given last: what of a new one it has, and which may go."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from docker.errors import APIError

from remote.image import loading, record
from remote.image.layers import Blob, Layer
from remote.image.target import Target

# Run images that stay beside the newest one; they share all but a few hundred KB.
KEPT_RUN_IMAGES = 10


class Recent:
    """The host's list, newest first: name, environment image and code layers of each."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._path = target.host.layout.cache / "images" / "run-images.json"
        self._entries = record.read_json(target.host, self._path) or []

    def shared(self, environment_id: str, code: Sequence[Blob]) -> tuple[Layer, ...]:
        """The leading code layers that the newest image on this environment has, as it has them."""
        for entry in self._entries[:1]:
            if entry["environment"] == environment_id and self._is_there(entry):
                known = [Layer.from_json(one) for one in entry["layers"]]
                count = 0
                while count < len(known) and known[count].diff_id == code[count].layer.diff_id:
                    count += 1
                return tuple(known[:count])
        return ()

    def note(self, environment_id: str, layers: Sequence[Layer]) -> None:
        """Put the target's image first, and take away those that no run uses any more."""
        name = self._target.names.run
        entry = {
            "name": name,
            "environment": environment_id,
            "layers": [one.as_json() for one in layers],
        }
        entries = [entry, *(one for one in self._entries if one["name"] != name)]
        for old in entries[KEPT_RUN_IMAGES + 1 :]:
            with suppress(APIError):  # a container uses it, or it has gone
                self._target.engine.client.images.remove(old["name"])
        record.write_json(self._target.host, self._path, entries[: KEPT_RUN_IMAGES + 1])

    def _is_there(self, entry: dict[str, object]) -> bool:
        return loading.inspect(self._target.engine, str(entry["name"])) is not None
