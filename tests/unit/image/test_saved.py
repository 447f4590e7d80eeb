"""What a saved image tells, here and by the program that lists it on a host."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from remote.hosts.ssh import scripts as host_scripts
from remote.image.archive import archive
from remote.image.layers import Codec, packed
from remote.image.saved import DOCUMENT_BYTES, Saved, list_saved, parse
from tests.unit.image.test_archive import image_of

BLOBS = [packed(content, Codec.GZIP) for content in (b"one", b"two" * 900)]
IMAGE = image_of(BLOBS)
DIFF_IDS = [layer.diff_id for layer in IMAGE.layers]
WHOLE = b"".join(archive(IMAGE, BLOBS))


def by_program(data: bytes, folder: Path) -> Saved:
    """As on a host: `docker save` of a docker that gives these bytes."""
    (folder / "image.tar").write_bytes(data)
    docker = folder / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" = save ] && exec cat "$2"\n')
    docker.chmod(0o755)
    argv = host_scripts.saved((str(docker),), str(folder / "image.tar"), DOCUMENT_BYTES)
    done = subprocess.run(argv, capture_output=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr.decode())
    return parse(done.stdout)


def here(data: bytes, _folder: Path) -> Saved:
    return list_saved(iter([data]))


@pytest.mark.parametrize("read", [here, by_program])
def test_a_whole_image(read: Callable[[bytes, Path], Saved], tmp_path: Path) -> None:
    saved = read(WHOLE, tmp_path)
    assert saved.missing(DIFF_IDS) == ""
    assert saved.layers(DIFF_IDS) == IMAGE.layers
    assert saved == list_saved(iter([WHOLE]))


@pytest.mark.parametrize("read", [here, by_program])
def test_layers_that_are_not_in_it(read: Callable[[bytes, Path], Saved], tmp_path: Path) -> None:
    saved = read(b"".join(archive(IMAGE, BLOBS[:1])), tmp_path)
    assert "is missing" in saved.missing(DIFF_IDS)
    assert "names other layers" in read(WHOLE, tmp_path).missing(DIFF_IDS[:1])
    wrong = replace(IMAGE, layers=(IMAGE.layers[0], replace(IMAGE.layers[1], size_bytes=1)))
    other = Saved(saved.sizes, {}, {**read(b"".join(archive(wrong, [])), tmp_path).documents})
    assert other.missing(DIFF_IDS)


def test_an_older_engines_form(tmp_path: Path) -> None:
    """A folder a layer, a link where one comes twice, long names, a large size."""
    config = json.dumps({"rootfs": {"diff_ids": ["sha256:a", "sha256:b", "sha256:a"]}}).encode()
    folders = ("1" * 64, "2" * 64, "3" * 64)
    layers = [f"{folder}/layer.tar" for folder in folders]
    listed = json.dumps([{"Config": "c.json", "Layers": layers}]).encode()
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        contents = {layers[0]: b"x" * 999, layers[1]: b"y", f"{'long' * 40}.json": b"{}"}
        for name, content in {**contents, "c.json": config, "manifest.json": listed}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
        link = tarfile.TarInfo(layers[2])
        link.type, link.linkname = tarfile.SYMTYPE, f"../{layers[0]}"
        tar.addfile(link)
    saved = by_program(buffer.getvalue(), tmp_path)
    assert saved == here(buffer.getvalue(), tmp_path)
    assert saved.documents[f"{'long' * 40}.json"] == b"{}"
    assert saved.missing(["sha256:a", "sha256:b", "sha256:a"]) == ""
    assert saved.layers(["sha256:a", "sha256:b", "sha256:a"]) is None


@pytest.mark.parametrize("length", [0, 511, 1500, len(WHOLE) - 2000])
def test_one_that_is_cut(length: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="was cut"):
        by_program(WHOLE[:length], tmp_path)
    with pytest.raises(ValueError, match="was cut"):
        parse(b"file 1 0 x\0")
