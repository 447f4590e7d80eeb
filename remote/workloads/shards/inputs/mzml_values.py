"""What a spectrum of an mzML file says, as values of columns and as peaks.

Terms are those of the PSI-MS vocabulary, by name, as pyteomics gives them.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from remote.workloads.shards.inputs.entries import BadEntry, Entry

Info = Mapping[str, Any]

_SECONDS = {
    "second": 1.0,
    "UO:0000010": 1.0,
    "minute": 60.0,
    "UO:0000031": 60.0,
    "hour": 3600.0,
    "UO:0000032": 3600.0,
    "millisecond": 0.001,
    "UO:0000028": 0.001,
}


def level_of(info: Info) -> int | None:
    """The MS level; None where it is no mass spectrum, or does not say it."""
    level = info.get("ms level")
    return level if isinstance(level, int) else None


def entry_of(info: Info, peaks: int, files: Mapping[str, str]) -> Entry:
    """A spectrum.

    Args:
        peaks: how many it says it has.
        files: names of source files by id, the default one under no id.

    Raises:
        BadEntry: a number or an array cannot be right.
    """
    values = {
        "precursor_mz": _precursor_mz(info),
        "ms_level": level_of(info),
        "charge": _charge(info),
        "polarity": 1 if "positive scan" in info else -1 if "negative scan" in info else None,
        "rt": _seconds(_first(info, "scanList", "scan").get("scan start time")),
        "collision_energy": _number(_part(_precursor(info), "activation").get("collision energy")),
        "source_file": files.get(info.get("sourceFileRef", ""), files.get("")),
    }
    said = {name: value for name, value in values.items() if value is not None}
    # What pyteomics knows of the packing it has taken away.
    other = next((str(name) for name in info if "compression" in name), None)
    if other is not None:
        raise BadEntry(f"it is packed by {other}; convert the file again with zlib or without")
    length = info.get("arrayLength", peaks)
    if not isinstance(length, int) or length != peaks:
        raise BadEntry(f"its arrays say that they have {length} values, and it {peaks}")
    return Entry(_array(info, "m/z array", peaks), _array(info, "intensity array", peaks), said)


def _precursor(info: Info) -> Info:
    return _first(info, "precursorList", "precursor")


def _precursor_mz(info: Info) -> float | None:
    """The selected ion, else the middle of the window in which it was isolated."""
    precursor = _precursor(info)
    selected = _number(_first(precursor, "selectedIonList", "selectedIon").get("selected ion m/z"))
    if selected is not None:
        return selected
    return _number(_part(precursor, "isolationWindow").get("isolation window target m/z"))


def _charge(info: Info) -> int | None:
    charge = _number(_first(_precursor(info), "selectedIonList", "selectedIon").get("charge state"))
    if charge is None:
        return None
    if charge != int(charge):
        raise BadEntry(f"charge {charge} is no whole number")
    return int(charge)


def _seconds(value: Any) -> float | None:
    """A time in seconds; None where its unit is not said."""
    time = _number(value)
    factor = _SECONDS.get(str(getattr(value, "unit_info", "")))
    return None if time is None or factor is None else time * factor


def _number(value: Any) -> float | None:
    """The first where there are several."""
    first = value[0] if isinstance(value, list) else value
    if first is None or first == "":
        return None
    if not isinstance(first, (int, float)):
        raise BadEntry(f"{str(first)[:40]!r} is no number")
    return float(first)


def _part(info: Info, name: str) -> Info:
    found = info.get(name)
    return found if isinstance(found, Mapping) else {}


def _first(info: Info, listing: str, name: str) -> Info:
    items = _part(info, listing).get(name)
    first = items[0] if isinstance(items, list) and items else items
    return first if isinstance(first, Mapping) else {}


def _array(info: Info, name: str, peaks: int) -> npt.NDArray[np.float64]:
    record = info.get(name)
    if record is None:
        if peaks:
            raise BadEntry(f"it has no {name}")
        return np.zeros(0)
    if record.dtype is None:
        raise BadEntry(f"its {name} does not say what numbers it holds")
    dtype = np.dtype(record.dtype).newbyteorder("<")
    size = peaks * dtype.itemsize
    stored = _unpacked(record, name, size)
    if len(stored) != size:
        more = "more than " if len(stored) > size else ""
        raise BadEntry(f"its {name} holds {more}{min(len(stored), size)} bytes instead of {size}")
    return np.frombuffer(stored, dtype).astype(np.float64)


def _unpacked(record: Any, name: str, size: int) -> bytes:
    """The bytes of an array, at most one more than `size`, whatever they would inflate to."""
    text = record.data if isinstance(record.data, str) else ""
    try:
        stored = base64.b64decode("".join(text.split()), validate=True)
        if record.compression in (None, "no compression"):
            return stored
        if record.compression == "zlib compression":
            return zlib.decompressobj().decompress(stored, size + 1) if stored else b""
    except (binascii.Error, ValueError, zlib.error) as error:
        raise BadEntry(f"its {name} is damaged: {error}") from None
    raise BadEntry(
        f"its {name} is packed by {record.compression}; convert the file again with zlib or without"
    )
