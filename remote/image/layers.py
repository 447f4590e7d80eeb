"""Image layers as bytes: deterministic tars of code, and their compressed blobs.

A layer has two digests. The diff id is that of its tar and part of the image's identity; the
blob's is that of what travels, and depends on the compressor.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path

_TAR = "application/vnd.oci.image.layer.v1.tar"
_GZIP_LEVEL = 6
_FIRST_WITH_ZSTD = 23


class Codec(StrEnum):
    """How a blob is compressed; the value is the end of its OCI media type."""

    GZIP = "gzip"
    ZSTD = "zstd"

    @property
    def media_type(self) -> str:
        return f"{_TAR}+{self.value}"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as an engine's store refers to it. Digests are `sha256:...`."""

    diff_id: str
    digest: str
    size_bytes: int
    media_type: str

    def as_json(self) -> dict[str, object]:
        """For records."""
        return {
            "diff_id": self.diff_id,
            "digest": self.digest,
            "size_bytes": self.size_bytes,
            "media_type": self.media_type,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> Layer:
        """What `as_json` gave."""
        return cls(
            diff_id=str(record["diff_id"]),
            digest=str(record["digest"]),
            size_bytes=int(str(record["size_bytes"])),
            media_type=str(record["media_type"]),
        )


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer with its bytes: in memory, or in a file of this machine."""

    layer: Layer
    content: bytes | Path

    def pieces(self, size: int = 1 << 20) -> Iterator[bytes]:
        """The blob's bytes."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb", buffering=0) as file:
            while piece := file.read(size):
                yield piece


def codec_for(engine_version: str) -> Codec:
    """The best compression that `docker load` of an engine takes: zstd since 23."""
    major = re.match(r"\d+", engine_version)
    return Codec.ZSTD if major and int(major[0]) >= _FIRST_WITH_ZSTD else Codec.GZIP


def tree_tar(folder: Path, target: str) -> bytes:
    """The files below `folder` as a layer that puts them below `target` (`workspace/remote`).

    The bytes depend on names, executable bits and contents alone: sorted, time 0, owner root.
    `folder` holds what is meant and nothing else (see `code.copy_code`).
    """
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(_entry(target, tarfile.DIRTYPE, 0o755))
        for path in sorted(folder.rglob("*")):
            name = f"{target}/{path.relative_to(folder).as_posix()}"
            if path.is_dir():
                tar.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
                continue
            data = path.read_bytes()
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            tar.addfile(_entry(name, tarfile.REGTYPE, mode, len(data)), BytesIO(data))
    return buffer.getvalue()


def packed(tar: bytes, codec: Codec) -> Blob:
    """A small tar as a blob."""
    content = _PACKERS[codec](tar)
    layer = Layer(sha256(tar), sha256(content), len(content), codec.media_type)
    return Blob(layer, content)


def sha256(data: bytes) -> str:
    """`sha256:...` of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _entry(name: str, kind: bytes, mode: int, size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size = kind, mode, size
    return entry


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, _GZIP_LEVEL, mtime=0)


def _zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=_GZIP_LEVEL).compress(data)


_PACKERS: Mapping[Codec, Callable[[bytes], bytes]] = {Codec.GZIP: _gzip, Codec.ZSTD: _zstd}
