"""Which service and model are asked: the settings, checked before any work."""

from __future__ import annotations

import ipaddress
import re
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from remote.errors import ConfigInvalid, RankerUnusable
from remote.workloads.shards.ranking.options import Ranker

CONNECT_SECONDS = 10.0
OPENAI = "openai/"
OPENAI_ENDPOINT = "https://api.openai.com/v1"
# Written by ourselves in every request.
_OURS = ("model", "messages", "stream", "n")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
# What keys of services look like; and a long word of digits and letters mixed.
_KEY = re.compile(
    r"\b(sk-|pk-|rk-|xai-|gsk_|hf_)[A-Za-z0-9_\-]{16,}|\bAIza[\w\-]{20,}|(?i:bearer )\S{8,}"
)
_LONG_WORD = re.compile(r"\b(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{32,}\b")


@dataclass(frozen=True, slots=True)
class Service:
    """Who is asked. Holds no key.

    Attributes:
        url: of the chat completions.
        host: as records and messages name it, the port included where it is named.
        model: the name that the service knows it by.
        loopback: whether it runs on this machine.
        key_env: the variable that holds the key; None where none is sent.
    """

    url: str
    host: str
    model: str
    loopback: bool
    key_env: str | None


def refuse_keys(ranker: Ranker, model: str | None) -> None:
    """A key in a config ends in repositories and records.

    Raises:
        ConfigInvalid: a value looks like one; it is not repeated.
    """
    found = [
        f"{path}: this looks like a key"
        for path, value in _texts({"ranker_model": model, "ranker": asdict(ranker)}, "quality")
        if looks_like_a_key(value)
    ]
    if found:
        raise _invalid(
            found,
            "Take it out of the config, and have it made invalid if the file was shared. Put the "
            "key into an environment variable, and that variable's name into key_env.",
        )


def looks_like_a_key(text: str) -> bool:
    """Whether a value of the config may be a secret."""
    return bool(_KEY.search(text) or _LONG_WORD.search(text))


def service_of(ranker: Ranker, model: str | None) -> Service:
    """The service that the settings name.

    Raises:
        ConfigInvalid: they name none, or one that must not be used; every fault with its path.
    """
    problems = [*_model_problems(ranker, model), *_money_problems(ranker)]
    named = model or ""
    endpoint = ranker.endpoint or (OPENAI_ENDPOINT if named.startswith(OPENAI) else "")
    host, loopback, wrong = _host(endpoint)
    problems += wrong if endpoint else []
    if not ranker.network and not (loopback and endpoint):
        problems.append(
            "quality/ranker/network: must be true, for numbers of your spectra are sent to "
            f"{host or 'the endpoint'}; add `network: true` below `quality: ranker:`"
        )
    if ranker.key_env is not None and not _VARIABLE.fullmatch(ranker.key_env):
        problems.append("quality/ranker/key_env: must be the name of an environment variable")
    if problems:
        raise _invalid(problems, "docs/ranking.md shows a config that works.")
    return Service(
        url=f"{endpoint.rstrip('/')}/chat/completions",
        host=host,
        model=named.removeprefix(OPENAI),
        loopback=loopback,
        key_env=ranker.key_env,
    )


def key_of(service: Service, environment: Mapping[str, str]) -> str | None:
    """The key, where one is wanted.

    Raises:
        RankerUnusable: the variable is not set, or holds what cannot be a key.
    """
    if service.key_env is None:
        return None
    key = environment.get(service.key_env, "").strip()
    if not key:
        raise RankerUnusable(
            f"Quality ranking needs a key for {service.host}: the environment variable "
            f"{service.key_env} is not set.",
            hint=f"Set it where the build is started (export {service.key_env}=...). A service "
            "that wants none: `key_env: null` below `quality: ranker:`. To build without scores: "
            "--disable-quality-ranking.",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise RankerUnusable(
            f"What the environment variable {service.key_env} holds cannot be a key.",
            hint="It has blanks or characters that no key has; set it again.",
        )
    return key


def proxy_of(service: Service) -> str | None:
    """The proxy that the environment names for the service; none for this machine itself."""
    if service.loopback or urllib.request.proxy_bypass(urlsplit(service.url).hostname or ""):
        return None
    return urllib.request.getproxies().get("https")


def _model_problems(ranker: Ranker, model: str | None) -> Iterator[str]:
    if not model or not model.removeprefix(OPENAI):
        yield "quality/ranker_model: is missing: which model is to be asked (--ranker-model NAME)"
    elif ranker.endpoint is None and not model.startswith(OPENAI):
        yield (
            f'quality/ranker/endpoint: is missing, and only the endpoint of "{OPENAI}..." models '
            f'is known; name the base URL of the service that has "{model}"'
        )
    for name in _OURS:
        if name in ranker.parameters:
            yield f"quality/ranker/parameters/{name}: is not for you to set"


def _money_problems(ranker: Ranker) -> Iterator[str]:
    prices = (ranker.input_price, ranker.output_price)
    if ranker.max_cost is not None and None in prices:
        yield "quality/ranker/max_cost: needs input_price and output_price (of a million tokens)"
    if prices.count(None) == 1:
        yield "quality/ranker: input_price and output_price go together"


def _host(endpoint: str) -> tuple[str, bool, list[str]]:
    """The host with its port, whether it is this machine, and what is wrong with the URL."""
    path = "quality/ranker/endpoint"
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return "", False, [f"{path}: is no URL such as {OPENAI_ENDPOINT}"]
    name = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not name:
        return "", False, [f"{path}: is no URL such as {OPENAI_ENDPOINT}"]
    wrong = []
    if parts.username or parts.password or parts.query or parts.fragment:
        wrong.append(f"{path}: must have no user, password, query or fragment in it")
    loopback = _loopback(name)
    if parts.scheme == "http" and not loopback:
        wrong.append(f"{path}: must be https, for key and spectra would be sent in the clear")
    shown = f"[{name}]" if ":" in name else name
    return (f"{shown}:{port}" if port else shown), loopback, wrong


def _loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Every text in a value, keys of mappings included, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"{path} (the name of a key)", str(key)
            yield from _texts(inner, path if looks_like_a_key(str(key)) else f"{path}/{key}")
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _texts(inner, f"{path}/{place}")


def _invalid(problems: list[str], hint: str) -> ConfigInvalid:
    lines = "".join(f"\n  {line}" for line in problems)
    return ConfigInvalid(f"Quality ranking cannot be done as it is set:{lines}", hint=hint)
