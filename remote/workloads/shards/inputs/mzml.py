"""mzML files: spectra as XML, peaks in base64.

pyteomics reads a spectrum; it is given one at a time, in a document of our own around it, so that
nothing of the file's head but its parameter groups is ever parsed. It would fetch the PSI-MS
vocabulary from the network to learn the types of values; a run has no network, and the few
values that are wanted have known types.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.errors import InputUnusable
from remote.workloads.durable import closed_on_error
from remote.workloads.shards.inputs.entries import BadEntry, Entries, Read
from remote.workloads.shards.inputs.entry_source import EntrySource
from remote.workloads.shards.inputs.kinds import CONVERT
from remote.workloads.shards.inputs.mzml_index import NO_CLOSE, NO_END, MzmlIndex, indexed
from remote.workloads.shards.inputs.mzml_values import entry_of, level_of
from remote.workloads.shards.inputs.source import WHOLE_HINT
from remote.workloads.shards.inputs.textfile import BOM, TextFile, reading
from remote.workloads.shards.settings import InputRules

# Measured: pyteomics, lxml, and what they load.
_LIBRARY_BYTES = 60_000_000
# The name under which spectra's own names can be carried.
NAMES = "id"
_ENCODINGS = ("utf-8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252")
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*\bencoding\s*=\s*["']([\w.:-]+)["']""")
_GROUPS = re.compile(rb"<referenceableParamGroupList\b.*?</referenceableParamGroupList\s*>", re.S)
_FILES = re.compile(rb"<sourceFileList\b.*?</sourceFileList\s*>", re.S)
_DEFAULT_FILE = re.compile(rb"""<run\b[^>]*\bdefaultSourceFileRef\s*=\s*["']([^"']*)["']""")


def open_mzml(path: Path, index: int, skip_damaged: bool, rules: InputRules) -> EntrySource:
    """Open a file and find its spectra.

    Raises:
        InputUnusable: it has none, they are profiles, or it cannot be read.
    """
    _load()
    with reading(path):
        file = TextFile(path)
        with closed_on_error(file):
            found = indexed(file)
            row = found.profile.get(rules.ms_level)
            if row is not None:
                raise _profile(path, row)
            opened = Mzml(file, found, rules)
            opened.check_head()
    return EntrySource(index, skip_damaged, opened)


def _load() -> None:
    """Import once, in one thread: psims warns that it lacks what only writing mzMLb needs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyteomics.mzml  # noqa: F401


def _profile(path: Path, row: int) -> InputUnusable:
    return InputUnusable(
        f"{path}, entry {row}: this is a profile spectrum, and not a list of peaks",
        hint=f"Pick the peaks when you convert the raw data: {CONVERT}",
    )


@dataclass(frozen=True)
class Mzml:
    """An open file; see `entries.Entries`.

    Attributes:
        index: where its spectra lie.
        rules: what is taken of them.
    """

    file: TextFile
    index: MzmlIndex
    rules: InputRules

    kind = "mzml"
    library_bytes = _LIBRARY_BYTES
    lsh = None
    offers = (NAMES,)

    @property
    def path(self) -> Path:
        return self.file.path

    @cached_property
    def most_peaks(self) -> npt.NDArray[np.int64]:
        return np.where(self._other_level, 0, self.index.peaks)

    @cached_property
    def _other_level(self) -> npt.NDArray[np.bool_]:
        level = self.index.level
        found: npt.NDArray[np.bool_] = (level != 0) & (level != self.rules.ms_level)
        return found

    @cached_property
    def columns(self) -> frozenset[str]:
        fills = self.index.fills
        held = fills.get(0, frozenset()) | fills.get(self.rules.ms_level, frozenset())
        names = {"source_file"} if self._files else set()
        return frozenset({"precursor_mz", "ms_level"}) | held | names

    @cached_property
    def carried(self) -> Mapping[str, pa.DataType]:
        return {name: pa.string() for name in self.rules.carry if name == NAMES}

    def check_head(self) -> None:
        """Refuse what would be read wrongly.

        Raises:
            InputUnusable: the encoding is not one in which tags can be found, or the list of
                source files is no XML.
        """
        if self._encoding.lower() not in _ENCODINGS:
            raise InputUnusable(
                f"{self.path} is XML in {self._encoding}, which is not read",
                hint="Make the file again with msconvert, which writes UTF-8.",
            )
        _ = self._files

    @cached_property
    def _encoding(self) -> str:
        found = _ENCODING.match(self.index.header.removeprefix(BOM))
        return found[1].decode("ascii") if found else "utf-8"

    @cached_property
    def _before(self) -> bytes:
        """What stands before a spectrum in a document of its own."""
        groups = _GROUPS.search(self.index.header)
        begin = f'<?xml version="1.0" encoding="{self._encoding}"?>\n<mzML>'
        return begin.encode() + (groups[0] if groups else b"") + b"<run><spectrumList>"

    @cached_property
    def _files(self) -> Mapping[str, str]:
        """Names of the source files by id; the default one under no id."""
        from lxml import etree

        found = _FILES.search(self.index.header)
        if found is None:
            return {}
        try:
            safe = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
            listed = etree.fromstring(found[0], safe)
        except etree.XMLSyntaxError as error:
            raise InputUnusable(
                f"{self.path}: the list of its source files cannot be read: {error}",
                hint=WHOLE_HINT,
            ) from error
        files = {x.get("id", ""): x.get("name", "") for x in listed if x.get("name")}
        default = _DEFAULT_FILE.search(self.index.header)
        first = next(iter(files.values()), "")
        name = files.get(default[1].decode("utf-8", "replace"), first) if default else first
        return {**files, "": name} if name else {}

    def read(self, row_start: int, row_stop: int) -> Iterator[Read]:
        """See `Entries.read`."""
        for row in range(row_start, row_stop):
            yield None if self._other_level[row] else self._entry(row)

    def _entry(self, row: int) -> Read:
        start, stop = int(self.index.start[row]), int(self.index.stop[row])
        fault = self.index.fault[row]
        if fault == NO_CLOSE:
            return BadEntry(f"byte {stop}: the file ends before </mzML>: it is cut short")
        if fault == NO_END:
            return BadEntry(f"byte {start}: this spectrum has no end")
        try:
            info = self._parsed(self.file.read(start, stop))
            if level_of(info) != self.rules.ms_level:
                return None
            if "profile spectrum" in info:
                raise _profile(self.path, row)
            entry = entry_of(info, int(self.index.peaks[row]), self._files)
        except BadEntry as error:
            return BadEntry(f"byte {start}: {error}")
        if self.carried:
            return entry.with_values({NAMES: info.get("id")})
        return entry

    def _parsed(self, stored: bytes) -> Mapping[str, Any]:
        from lxml import etree
        from pyteomics.auxiliary import PyteomicsError
        from pyteomics.mzml import MzML

        document = BytesIO(self._before + stored + b"</spectrumList></run></mzML>")
        broken = (etree.LxmlError, PyteomicsError, LookupError, ValueError, TypeError)
        try:
            reader = MzML(document, use_index=False, decode_binary=False, cv=_NoVocabulary())
            info: Mapping[str, Any] = next(reader)
        except (*broken, AttributeError, StopIteration) as error:
            said = re.sub(r",? \(?(?:<string>, )?line \d+.*", "", str(error), flags=re.S)
            raise BadEntry(f"this spectrum cannot be read: {said}") from error
        return info

    def check_size(self) -> None:
        """See `Entries.check_size`."""
        self.file.check_size()

    def close(self) -> None:
        """Release the file."""
        self.file.close()

    def reopening(self) -> tuple[Callable[..., Entries], tuple[Any, ...]]:
        """See `Entries.reopening`."""
        return _reopened, (self.path.absolute(), self.index, self.rules)


def _reopened(path: Path, index: MzmlIndex, rules: InputRules) -> Mzml:
    _load()
    with reading(path):
        return Mzml(TextFile(path), index, rules)


class _Term:
    """A term of which nothing is known: its value is a number where it looks like one."""

    relationship = ()
    name = ""


class _NoVocabulary:
    def __getitem__(self, accession: str) -> type[_Term]:
        return _Term
