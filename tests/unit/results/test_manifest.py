from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import IntegrityFailure
from remote.results import manifest
from remote.results.admit import path_fault

DIGEST = hashlib.sha256(b"").hexdigest()
paths = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1).filter(
    lambda path: not path_fault(path)
)


@given(st.dictionaries(paths, st.binary().map(lambda content: hashlib.sha256(content).hexdigest())))
def test_decoding_gives_back_what_was_encoded(digests: dict[str, str]) -> None:
    assert manifest.decode(manifest.encode(digests)) == digests


def test_the_form_is_that_of_sha256sum() -> None:
    content = manifest.encode({"b\\c": DIGEST, "-": DIGEST, "a b": DIGEST})
    assert content.decode() == f"{DIGEST}  ./-\n{DIGEST}  a b\n\\{DIGEST}  b\\\\c\n"


@pytest.mark.parametrize(
    "content",
    [
        b"\n",
        b"not a line\n",
        f"{DIGEST}  a".encode(),
        f"{DIGEST} *a\n".encode(),
        f"{DIGEST}  b\n{DIGEST}  a\n".encode(),
        f"{DIGEST}  a\n{DIGEST}  a\n".encode(),
        f"{DIGEST.upper()}  a\n".encode(),
        b"\xff\n",
    ],
)
def test_any_other_form_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        manifest.decode(content)


def test_a_folder_by_its_manifest(tmp_path: Path) -> None:
    content = manifest.encode({"a": DIGEST, "b/c": DIGEST})
    (tmp_path / "manifest-sha256.txt").write_bytes(content)
    sealed = manifest.read(tmp_path)
    assert sealed.digests == {"a": DIGEST, "b/c": DIGEST}
    assert sealed.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "content", [None, b"x", f"{DIGEST}  ../../.ssh/config\n".encode(), f"{DIGEST}  /a\n".encode()]
)
def test_a_folder_that_no_manifest_describes(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "manifest-sha256.txt").write_bytes(content)
    with pytest.raises(IntegrityFailure, match=r"manifest-sha256\.txt cannot be read"):
        manifest.read(tmp_path)
