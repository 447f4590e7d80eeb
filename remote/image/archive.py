"""What `docker load` reads: one image as a tar, in Docker's form and as an OCI layout at once.

Layers that the engine has are named and left out. A store of overlays finds them by their chain of
diff ids; containerd's by the digests of the blobs, which must be those that it holds: by any
others the image loads and runs, and cannot be saved again.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from remote.image.layers import Blob, Layer, sha256

_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its configuration (JSON), all of its layers, lowest first, and its name."""

    config: bytes
    layers: tuple[Layer, ...]
    name: str

    @property
    def config_digest(self) -> str:
        """The image's identity, whatever the store: `sha256:...`."""
        return sha256(self.config)

    @property
    def manifest(self) -> bytes:
        """The OCI manifest (JSON)."""
        return _json(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": _descriptor(_CONFIG, self.config_digest, len(self.config)),
                "layers": [
                    _descriptor(one.media_type, one.digest, one.size_bytes) for one in self.layers
                ],
            }
        )


def archive(image: Image, sent: Sequence[Blob]) -> Iterator[bytes]:
    """The tar, in pieces, with the blobs of `sent`; the engine has all other layers."""
    manifest = image.manifest
    entry = _descriptor(_MANIFEST, sha256(manifest), len(manifest))
    tag = image.name.rpartition(":")[2]
    entry["annotations"] = {
        "io.containerd.image.name": f"docker.io/library/{image.name}",
        "org.opencontainers.image.ref.name": tag,
    }
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]}
    listed = {
        "Config": _path(image.config_digest),
        "RepoTags": [image.name],
        "Layers": [_path(one.digest) for one in image.layers],
    }
    yield _file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    for blob in {blob.layer.digest: blob for blob in sent}.values():
        size = blob.layer.size_bytes
        yield _header(_path(blob.layer.digest), size)
        yield from blob.pieces()
        yield bytes(-size % _BLOCK)
    yield _file(_path(image.config_digest), image.config)
    yield _file(_path(sha256(manifest)), manifest)
    yield _file("index.json", _json(index))
    yield _file("manifest.json", _json([listed])) + bytes(2 * _BLOCK)


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _file(name: str, data: bytes) -> bytes:
    return _header(name, len(data)) + data + bytes(-len(data) % _BLOCK)


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.PAX_FORMAT)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
