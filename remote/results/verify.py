"""Find every byte, file and ledger line that is not what was sealed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from remote.errors import IntegrityFailure, ResultsUnusable
from remote.results import disk, ledger, manifest, sizes
from remote.findings import printable
from remote.results.names import FAILED, INCOMING, LEDGER, MANIFEST, parse_attempt, parse_id
from remote.results.tree import FileStatus, Tree, scan

Problem = Literal["changed", "missing", "added", "renamed", "mode", "ledger", "unfinished"]
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as sealed.

    Attributes:
        path: printable, relative to the folder (or to the results directory, for the ledger).
        problem: its kind; `mode` and `unfinished` are warnings, everything else is damage.
        detail: in words.
    """

    path: str
    problem: Problem
    detail: str

    @property
    def is_damage(self) -> bool:
        return self.problem not in ("mode", "unfinished")

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Findings:
    """What checking one folder (or the ledger) found; nothing found means whole."""

    folder: Path
    findings: tuple[Finding, ...] = ()
    files: int = 0
    size_bytes: int = 0

    @property
    def damage(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.is_damage)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.is_damage)

    @property
    def whole(self) -> bool:
        return not self.damage

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "folder": str(self.folder),
            "whole": self.whole,
            "files": self.files,
            "size_bytes": self.size_bytes,
            "findings": [
                {**asdict(finding), "damage": finding.is_damage} for finding in self.findings
            ],
        }

    def refuse_damage(self) -> None:
        """Raises: IntegrityFailure naming what is damaged, if anything is."""
        if self.damage:
            named = "\n".join(f"  {finding}" for finding in self.damage)
            raise IntegrityFailure(
                f"{self.folder} is damaged:\n{named}",
                hint="Run the notebook again, or bring the folder back from a copy.",
            )


def verify(folder: Path, results_root: Path | None = None) -> Findings:
    """Check one sealed folder against its manifest, and that against the ledger.

    Args:
        folder: a sealed folder, wherever it lies.
        results_root: its results directory; by default the one it lies in, told by its ledger.
            A folder that was copied elsewhere is checked against its manifest alone.

    Raises:
        ResultsUnusable: the folder cannot be read.
    """
    folder = folder.absolute()
    root = results_root or _root_of(folder)
    if root is None:
        return check_folder(folder)
    line = _read_ledger(root).of(_relative(folder, root))
    if line is not None:
        return check_folder(folder, manifest_sha256=line.manifest_sha256)
    found = check_folder(folder)
    unknown = Finding(LEDGER, "ledger", f"has no line for {_relative(folder, root)}")
    return replace(found, findings=(unknown, *found.findings))


def verify_all(results_root: Path) -> tuple[Findings, ...]:
    """Check the ledger and every sealed folder; the first of the findings are the ledger's.

    Raises:
        ResultsUnusable: something cannot be read.
    """
    root = results_root.absolute()
    folders = sealed_folders(root)
    return (check_ledger(root), *(verify(folder, root) for folder in folders))


def check_ledger(results_root: Path) -> Findings:
    """The ledger's chain, and the folders it names that are missing or not finished."""
    book = _read_ledger(results_root)
    findings = [Finding(LEDGER, "ledger", fault) for fault in book.faults]
    findings += [
        _missing_folder(line, results_root)
        for line in book.lines
        if not (results_root / line.folder).is_dir()
    ]
    findings += [
        Finding(folder, "ledger", "is sealed twice in the ledger")
        for folder in sorted(_repeated(line.folder for line in book.lines))
    ]
    return Findings(results_root / LEDGER, tuple(findings))


def sealed_folders(results_root: Path) -> list[Path]:
    """Every folder that by its name and place is sealed, failed ones last."""
    shelf = results_root / FAILED
    found = [path for path in _children(results_root) if parse_id(path.name)]
    if shelf.is_dir():
        found += [path for path in _children(shelf) if parse_attempt(path.name)]
    return found


def check_folder(folder: Path, manifest_sha256: str | None = None) -> Findings:
    """Check a folder against its manifest, and the manifest against its digest if given.

    Raises:
        ResultsUnusable: the folder cannot be read.
    """
    try:
        tree = scan(folder)
        mode = stat.S_IMODE(folder.stat().st_mode)
        content = (folder / MANIFEST).read_bytes() if MANIFEST in tree.files else None
    except OSError as error:
        raise ResultsUnusable(
            f"{folder} cannot be read: {error.strerror}.", hint="`remote results list` shows all."
        ) from error
    modes = tuple(_modes(replace(tree, directories={".": mode, **tree.directories})))
    if content is None:
        gone = Finding(MANIFEST, "missing", "is missing: what else changed cannot be told")
        return Findings(folder, (gone, *modes))
    findings: list[Finding] = []
    if manifest_sha256 and hashlib.sha256(content).hexdigest() != manifest_sha256:
        findings.append(Finding(MANIFEST, "changed", "is not the one recorded in the ledger"))
    try:
        expected = manifest.decode(content)
    except ValueError as error:
        findings.append(Finding(MANIFEST, "changed", f"cannot be read: {error}"))
        return Findings(folder, (*findings, *modes))
    actual = _hash_all(folder, [path for path in tree.files if path != MANIFEST])
    findings += _compare(expected, actual, tree, sizes.recorded(folder, expected, actual))
    total = sum(status.size_bytes for status in tree.files.values())
    return Findings(folder, (*findings, *modes), len(actual), total)


def _compare(
    expected: Mapping[str, str],
    actual: Mapping[str, str],
    tree: Tree,
    recorded_sizes: Mapping[str, int],
) -> Iterable[Finding]:
    """Differences between what was sealed and what is there, by path."""
    added = {path: digest for path, digest in actual.items() if path not in expected}
    for path, digest in sorted(expected.items()):
        name = printable(path)
        if path in tree.others:
            yield Finding(name, "changed", "is no regular file any more")
        elif path not in actual:
            twin = next((other for other, found in sorted(added.items()) if found == digest), None)
            if twin is None:
                yield Finding(name, "missing", "is missing")
            else:
                del added[twin]
                yield Finding(name, "renamed", f"was renamed to {printable(twin)}")
        elif not actual[path]:
            yield Finding(name, "changed", "cannot be read")
        elif actual[path] != digest:
            yield Finding(name, "changed", _change(tree.files[path], recorded_sizes.get(path)))
    for path in sorted(added):
        yield Finding(printable(path), "added", "was added")
    for path in sorted(tree.others - set(expected)):
        yield Finding(printable(path), "added", "was added, and is no regular file")
    used = {str(parent) for path in (*expected, *actual) for parent in PurePosixPath(path).parents}
    for path in sorted(tree.directories.keys() - used):
        yield Finding(printable(path), "added", "is a directory that was added")


def _change(status: FileStatus, size: int | None) -> str:
    if size is None or status.size_bytes == size:
        return "has other bytes than those sealed"
    verb = "was cut" if status.size_bytes < size else "grew"
    return f"{verb} from {size:,} to {status.size_bytes:,} bytes"


def _modes(tree: Tree) -> Iterable[Finding]:
    for path, status in sorted(tree.files.items()):
        if status.mode != disk.SEALED_FILE:
            yield _mode(path, status.mode, disk.SEALED_FILE)
    for path, mode in sorted(tree.directories.items()):
        if mode != disk.SEALED_DIRECTORY:
            yield _mode(path, mode, disk.SEALED_DIRECTORY)


def _mode(path: str, mode: int, sealed: int) -> Finding:
    return Finding(printable(path), "mode", f"has mode {mode:04o}, was sealed as {sealed:04o}")


def _hash_all(folder: Path, paths: list[str]) -> dict[str, str]:
    """SHA-256 by path; a file that cannot be read has the digest "" and so counts as changed."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        return dict(zip(paths, threads.map(lambda path: _hash(folder / path), paths), strict=True))


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def _missing_folder(line: ledger.Line, results_root: Path) -> Finding:
    if (results_root / INCOMING / line.id).is_dir():
        return Finding(line.folder, "unfinished", "its seal was interrupted, and is not finished")
    return Finding(line.folder, "missing", "is in the ledger, and its folder is missing")


def _repeated(names: Iterable[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}


def _root_of(folder: Path) -> Path | None:
    parent = folder.parent
    candidates = [parent.parent] if parent.name == FAILED else [parent]
    return next((root for root in candidates if (root / LEDGER).is_file()), None)


def _relative(folder: Path, root: Path) -> str:
    try:
        return folder.relative_to(root.absolute()).as_posix()
    except ValueError:
        return str(folder)


def _read_ledger(root: Path) -> ledger.Ledger:
    try:
        return ledger.read(root)
    except OSError as error:
        raise ResultsUnusable(
            f"{root / LEDGER} cannot be read: {error.strerror}.",
            hint="Check that you may read it.",
        ) from error


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise ResultsUnusable(
            f"{folder} cannot be read: {error.strerror}.", hint="Check that you may read it."
        ) from error
