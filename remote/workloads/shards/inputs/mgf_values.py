"""What the parameters of an MGF entry say, as values of columns.

Names are those in use at GNPS, MassSpecGym, matchms, MZmine and Mascot; their case does not
count. The first that is there is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

CHARGE_KEYS = ("charge", "precursor_charge")
KEYS: Mapping[str, tuple[str, ...]] = {
    "precursor_mz": ("pepmass", "precursor_mz", "precursormz"),
    "charge": CHARGE_KEYS,
    "rt": ("rtinseconds", "retention_time", "retentiontime", "rt", "rtinminutes"),
    "polarity": ("ionmode", "ion_mode", "polarity"),
    "ms_level": ("mslevel", "ms_level"),
    "adduct": ("adduct", "precursor_type"),
    "instrument_type": ("instrument_type", "source_instrument", "instrument"),
    "smiles": ("smiles",),
    "inchikey": ("inchikey", "inchiaux"),
    "formula": ("formula", "molecular_formula"),
    "collision_energy": ("collision_energy", "collision energy", "collisionenergy"),
}
_COLUMNS = {key: column for column, keys in KEYS.items() for key in keys}

_POLARITIES = {"p": 1, "+": 1, "1": 1, "n": -1, "-": -1}
_LEVEL = re.compile(r"(?:MS)?[ ]*(\d+)", re.IGNORECASE | re.ASCII)
_CHARGE = re.compile(r"([+-]?)(\d+)(?:\.0*)?([+-]?)", re.ASCII)
_SEVERAL = re.compile(r"[,;&/]|\band\b|\bor\b", re.IGNORECASE)
_ENERGY = re.compile(r"(\d+\.?\d*(?:e[+-]?\d+)?)[ ]*(?:eV|V)?", re.IGNORECASE | re.ASCII)


def values_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Values by column; what an entry does not say is absent.

    Args:
        params: of an entry, keys in lower case; numbers were looked at before.
    """
    found: dict[str, Any] = {}
    for column, keys in KEYS.items():
        key = next((key for key in keys if key in params), None)
        value = None if key is None else value_of(key, _plain(params[key]))
        if value is not None:
            found[column] = value
    return found


def value_of(key: str, said: str) -> Any:
    """A parameter's value as its column wants it; None where it has none, or says nothing.

    Raises:
        ValueError: it should be a number and is none.
    """
    column = _COLUMNS.get(key)
    if column is None:
        return None
    value = _READERS.get(column, str)(said)
    return value * 60 if key == "rtinminutes" else value


def charge_of(said: str) -> int:
    """`2+`, `1-`, `-1`, `2`, `0`; several charges leave it undetermined, which is 0.

    Raises:
        ValueError: it is no charge.
    """
    if _SEVERAL.search(said):
        for one in filter(None, map(str.strip, _SEVERAL.split(said))):
            charge_of(one)
        return 0
    match = _CHARGE.fullmatch(said)
    if match is None or (match[1] and match[3]):
        raise ValueError(said)
    return int(match[2]) * (-1 if "-" in (match[1], match[3]) else 1)


def energy_of(said: str) -> float | None:
    """A collision energy in eV; None where the unit is another one, or there are several."""
    match = _ENERGY.fullmatch(said)
    return float(match[1]) if match else None


def _plain(value: Any) -> str:
    """What pyteomics made of a parameter, as text again: lists of charges, pairs of PEPMASS."""
    if isinstance(value, tuple):
        return " ".join(str(float(x)) for x in value if x is not None)
    return ",".join(str(int(x)) for x in value) if isinstance(value, list) else str(value)


def _precursor(said: str) -> float:
    """PEPMASS may be followed by an intensity and a charge."""
    mz, *more = said.split()
    if len(more) > 2:
        raise ValueError(said)
    for intensity in more[:1]:
        float(intensity)
    for charge in more[1:]:
        charge_of(charge)
    return _number(mz)


def _number(said: str) -> float:
    if "_" in said or not said.isascii():  # which Python would take
        raise ValueError(said)
    return float(said)


def _level(said: str) -> int:
    match = _LEVEL.fullmatch(said)
    if match is None:
        raise ValueError(said)
    return int(match[1])


def _polarity(said: str) -> int | None:
    return _POLARITIES.get(said.lower()[:1])


_READERS: Mapping[str, Callable[[str], Any]] = {
    "precursor_mz": _precursor,
    "charge": charge_of,
    "rt": _number,
    "polarity": _polarity,
    "ms_level": _level,
    "collision_energy": energy_of,
}
