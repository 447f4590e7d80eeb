"""Layers: the same code gives the same bytes, and the digests are those of the bytes."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
import zstandard

from remote.image.layers import Blob, Codec, Layer, codec_for, packed, tree_tar


def tree(root: Path) -> Path:
    (root / "b" / "deeper").mkdir(parents=True)
    (root / "b" / "deeper" / "run.sh").write_text("#!/bin/sh\n")
    (root / "b" / "deeper" / "run.sh").chmod(0o755)
    (root / "a.py").write_text("x = 1\n")
    return root


def test_a_layer_depends_on_names_modes_and_contents_alone(tmp_path: Path) -> None:
    one, other = tree(tmp_path / "one"), tree(tmp_path / "other")
    os.utime(other / "a.py", (1, 1))
    (other / "a.py").chmod(0o600)
    tar = tree_tar(one, "workspace/remote")
    assert tree_tar(other, "workspace/remote") == tar
    (other / "a.py").write_text("x = 2\n")
    assert tree_tar(other, "workspace/remote") != tar


def test_what_a_layer_holds(tmp_path: Path) -> None:
    with tarfile.open(fileobj=BytesIO(tree_tar(tree(tmp_path), "workspace/remote"))) as tar:
        found = {one.name: (one.mode, one.uid, one.gid, one.mtime) for one in tar}
    root = (0o755, 0, 0, 0)
    assert found == {
        "workspace/remote": root,
        "workspace/remote/a.py": (0o644, 0, 0, 0),
        "workspace/remote/b": root,
        "workspace/remote/b/deeper": root,
        "workspace/remote/b/deeper/run.sh": root,
    }


@pytest.mark.parametrize("codec", list(Codec))
def test_digests_of_tar_and_blob(codec: Codec) -> None:
    tar = b"layer" * 1000
    blob = packed(tar, codec)
    content = b"".join(blob.pieces())
    assert blob.layer.diff_id == f"sha256:{hashlib.sha256(tar).hexdigest()}"
    assert blob.layer.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert blob.layer.size_bytes == len(content)
    unpacked = gzip.decompress(content) if codec is Codec.GZIP else zstandard.decompress(content)
    assert unpacked == tar
    assert packed(tar, codec) == blob


def test_a_blob_may_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(bytes(range(256)) * 10)
    layer = Layer("sha256:d", "sha256:b", 2560, Codec.GZIP.media_type)
    assert b"".join(Blob(layer, path).pieces(1000)) == path.read_bytes()


@pytest.mark.parametrize(
    ("version", "codec"),
    [
        ("20.10.24+dfsg1", Codec.GZIP),
        ("19.03.15", Codec.GZIP),
        ("22.06.0-beta.0", Codec.GZIP),
        ("23.0.0", Codec.ZSTD),
        ("26.1.5+dfsg1", Codec.ZSTD),
        ("28.2.2", Codec.ZSTD),
        ("dev", Codec.GZIP),
    ],
)
def test_what_engines_take(version: str, codec: Codec) -> None:
    assert codec_for(version) is codec


def test_records_come_back() -> None:
    layer = Layer("sha256:d", "sha256:b", 7, Codec.ZSTD.media_type)
    assert Layer.from_json(layer.as_json()) == layer
