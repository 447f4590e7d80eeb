"""What `docker save` gave, but for the layers' bytes: is it whole, and which blobs does it name."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import RawIOBase
from pathlib import PurePosixPath
from typing import IO, Any, cast

from remote.image.layers import Layer

# A member up to this size is kept whole: manifests and configurations are far smaller.
DOCUMENT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Saved:
    """The members of a saved image: sizes by path, links by path, and small ones' contents."""

    sizes: Mapping[str, int]
    links: Mapping[str, str]
    documents: Mapping[str, bytes]

    def missing(self, diff_ids: Sequence[str]) -> str:
        """Why an image of these layers could not be made from it again; empty where it could."""
        try:
            listed = self._json("manifest.json")[0]
            found = self._json(listed["Config"])["rootfs"]["diff_ids"]
        except (KeyError, LookupError, TypeError, ValueError) as error:
            return f"its manifest or configuration is missing ({error!r})"
        if list(found) != list(diff_ids):
            return "its configuration names other layers"
        if len(listed["Layers"]) != len(diff_ids):
            return "its manifest names fewer layers"
        for path in listed["Layers"]:
            if not self._size(path):
                return f"the layer {path} is missing"
        for layer in self.layers(diff_ids) or ():
            if self._size(_path(layer.digest)) != layer.size_bytes:
                return f"the blob {layer.digest} is missing or of another size"
        return ""

    def layers(self, diff_ids: Sequence[str]) -> tuple[Layer, ...] | None:
        """The blobs of an image's layers; None where it was saved without an OCI manifest."""
        for manifest in self._manifests("index.json"):
            config = self._document(_path(manifest["config"]["digest"]))
            if config is None or list(json.loads(config)["rootfs"]["diff_ids"]) != list(diff_ids):
                continue  # attestations, other platforms
            pairs = zip(diff_ids, manifest["layers"], strict=True)
            return tuple(
                Layer(diff_id, one["digest"], int(one["size"]), one["mediaType"])
                for diff_id, one in pairs
            )
        return None

    def _manifests(self, path: str) -> Iterator[dict[str, Any]]:
        """Every manifest that an index leads to."""
        data = self._document(path)
        if data is None:
            return
        document = json.loads(data)
        if "layers" in document and "config" in document:
            yield document
        for entry in document.get("manifests", ()):
            yield from self._manifests(_path(entry["digest"]))

    def _json(self, path: str) -> Any:
        return json.loads(self.documents[path])

    def _document(self, path: str) -> bytes | None:
        return self.documents.get(path)

    def _size(self, path: str) -> int:
        """0 where it is not there. An older engine links a layer that it saved before."""
        target = self.links.get(path)
        if target is None:
            return self.sizes.get(path, 0)
        return self.sizes.get(_resolved(path, target), 0)


def parse(listing: bytes) -> Saved:
    """What `host_scripts.saved` printed.

    Raises:
        ValueError: it is something else, or cut.
    """
    sizes: dict[str, int] = {}
    links: dict[str, str] = {}
    documents: dict[str, bytes] = {}
    rest = listing
    while rest != b"end\0":
        head, mark, body = rest.partition(b"\0")
        if not mark:
            raise ValueError("the listing of a saved image was cut")
        kind, size, length, path = head.decode().split(" ", 3)
        content, rest = body[: int(length)], body[int(length) :]
        if kind == "link":
            links[path] = content.decode()
            continue
        sizes[path] = int(size)
        if content:
            documents[path] = content
    return Saved(sizes, links, documents)


def list_saved(pieces: Iterator[bytes]) -> Saved:
    """The same of an image that is saved to here."""
    sizes: dict[str, int] = {}
    links: dict[str, str] = {}
    documents: dict[str, bytes] = {}
    with read_tar(pieces) as tar:
        for member in tar:
            if member.issym():
                links[member.name] = member.linkname
            source = tar.extractfile(member) if member.isreg() else None
            if source is None:
                continue
            sizes[member.name] = member.size
            if member.size <= DOCUMENT_BYTES:
                document = source.read()
                if document.lstrip()[:1] in (b"{", b"["):
                    documents[member.name] = document
    return Saved(sizes, links, documents)


def read_tar(pieces: Iterator[bytes]) -> tarfile.TarFile:
    """A tar that comes in pieces, read once and in order."""
    return tarfile.open(fileobj=cast("IO[bytes]", Pieces(pieces)), mode="r|")


class Pieces(RawIOBase):
    """An iterator of bytes as a file that is read in order."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Short only at the end; `size` is never negative here."""
        parts, missing = [self._rest[:size]], size - len(self._rest)
        self._rest = self._rest[size:]
        while missing > 0 and (piece := next(self._pieces, b"")):
            parts.append(piece[:missing])
            self._rest = piece[missing:]
            missing -= len(piece)
        return b"".join(parts)


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _resolved(path: str, target: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / target).parts:
        if part == ".." and parts:
            parts.pop()
        elif part not in ("..", "."):
            parts.append(part)
    return "/".join(parts)
