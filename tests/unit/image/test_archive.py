"""The archive that `docker load` reads: both forms name the same image, absent layers included."""

from __future__ import annotations

import hashlib
import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remote.image.archive import Image, archive
from remote.image.layers import Blob, Codec, packed
from remote.image.saved import list_saved


def image_of(blobs: list[Blob]) -> Image:
    diff_ids = [blob.layer.diff_id for blob in blobs]
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
    return Image(config, tuple(blob.layer for blob in blobs), "workhorse:abc")


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        files = {one.name: tar.extractfile(one) for one in tar}
    return {name: file.read() for name, file in files.items() if file is not None}


@given(
    st.lists(st.binary(min_size=1, max_size=3000), min_size=1, max_size=5, unique=True),
    st.data(),
)
def test_every_reference_leads_to_what_it_names(contents: list[bytes], data: st.DataObject) -> None:
    blobs = [packed(content, Codec.GZIP) for content in contents]
    sent = [blob for blob in blobs if data.draw(st.booleans())]
    image = image_of(blobs)
    found = members(b"".join(archive(image, sent)))

    for name, content in found.items():
        if name.startswith("blobs/sha256/"):
            assert hashlib.sha256(content).hexdigest() == name.rpartition("/")[2]
    index: dict[str, Any] = json.loads(found["index.json"])
    (entry,) = index["manifests"]
    manifest = json.loads(found[f"blobs/{entry['digest'].replace(':', '/')}"])
    assert entry["annotations"]["io.containerd.image.name"] == "docker.io/library/workhorse:abc"
    assert [one["digest"] for one in manifest["layers"]] == [b.layer.digest for b in blobs]
    (listed,) = json.loads(found["manifest.json"])
    assert listed["RepoTags"] == ["workhorse:abc"]
    assert found[listed["Config"]] == image.config
    assert manifest["config"]["digest"] == image.config_digest
    there = {name for name in listed["Layers"] if name in found}
    assert there == {f"blobs/{b.layer.digest.replace(':', '/')}" for b in sent}


def test_a_blob_from_a_file_and_a_whole_archive(tmp_path: Path) -> None:
    small, large = packed(b"small", Codec.ZSTD), packed(bytes(5000), Codec.ZSTD)
    path = tmp_path / "blob"
    path.write_bytes(b"".join(large.pieces()))
    image = image_of([small, large])
    data = b"".join(archive(image, [small, Blob(large.layer, path)]))
    assert len(data) % 512 == 0
    saved = list_saved(iter([data[:700], data[700:]]))
    diff_ids = [layer.diff_id for layer in image.layers]
    assert saved.missing(diff_ids) == ""
    assert saved.layers(diff_ids) == image.layers
