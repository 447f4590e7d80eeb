"""What is checked before work starts: settings, key, and that the service can be reached."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from remote.errors import RankerUnusable
from remote.workloads.progress import EVENTS_VARIABLE
from remote.workloads.shards.ranking.service import (
    CONNECT_SECONDS,
    Service,
    key_of,
    proxy_of,
    refuse_keys,
    service_of,
)
from remote.workloads.shards.settings import Quality

_PORTS = {"http": 80, "https": 443}


def check_settings(quality: Quality) -> None:
    """Check all that can be checked without key and connection.

    Raises:
        ConfigInvalid: the settings name no service, or one that must not be used, or hold a key.
    """
    refuse_keys(quality.ranker, quality.ranker_model)
    if quality.enable_ranking:
        service_of(quality.ranker, quality.ranker_model)


def check_key(quality: Quality, environment: Mapping[str, str] = os.environ) -> None:
    """Make sure that there is a key, where ranking is on and wants one.

    Raises:
        RankerUnusable: it is not in the environment.
    """
    if quality.enable_ranking:
        key_of(service_of(quality.ranker, quality.ranker_model), environment)


def check_reachable(quality: Quality) -> None:
    """Make sure that somebody listens at the endpoint, where ranking is on; nothing is asked.

    Raises:
        RankerUnusable: nobody does, or this run has no network.
    """
    if not quality.enable_ranking:
        return
    service = service_of(quality.ranker, quality.ranker_model)
    parts = urlsplit(proxy_of(service) or service.url)
    address = (parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443))
    try:
        socket.create_connection(address, CONNECT_SECONDS).close()
    except OSError as error:
        through = (
            "" if (parts.hostname or "") in service.host else f" through the proxy {parts.hostname}"
        )
        raise RankerUnusable(
            f"{service.host}, which is to rank spectra, cannot be reached{through}: {error}.",
            hint=_hint(service),
        ) from None


def _hint(service: Service) -> str:
    if EVENTS_VARIABLE not in os.environ:
        return (
            "Is it running, and is quality/ranker/endpoint right? To build without scores: "
            "--disable-quality-ranking."
        )
    if service.loopback:
        return "A run in a container is a machine of its own: name the host of the service."
    return (
        "A run in a container has no network unless its host's entry in configs/hosts.yaml asks "
        "for it: `limits: {network: true}`. Otherwise see whether quality/ranker/endpoint is right."
    )
