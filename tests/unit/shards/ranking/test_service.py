"""What can be set about ranking, and what is refused before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from remote.errors import ConfigInvalid, RankerUnusable
from remote.workloads.shards.ranking.options import Ranker
from remote.workloads.shards.ranking.ready import check_key, check_reachable, check_settings
from remote.workloads.shards.ranking.service import key_of, looks_like_a_key, proxy_of, service_of
from remote.workloads.shards.settings import Quality, read_settings
from tests.unit.shards.ranking.service import KEY

ANCESTORS = "openai/gpt-4o-mini"


def of(model: str | None = ANCESTORS, **changes: Any) -> Any:
    return service_of(replace(Ranker(network=True), **changes), model)


def test_the_ancestors_model_is_openais() -> None:
    service = of()
    assert service.url == "https://api.openai.com/v1/chat/completions"
    assert (service.model, service.host) == ("gpt-4o-mini", "api.openai.com")
    assert (service.key_env, service.loopback) == ("OPENAI_API_KEY", False)


def test_any_endpoint_by_its_base_url() -> None:
    service = of("qwen2.5:7b", endpoint="http://localhost:11434/v1/", key_env=None, network=False)
    assert service.url == "http://localhost:11434/v1/chat/completions"
    assert (service.host, service.loopback, service.model) == (
        "localhost:11434",
        True,
        "qwen2.5:7b",
    )
    assert of("openai/gpt-4o", endpoint="https://proxy.example/openai/v1").model == "gpt-4o"
    assert of("m", endpoint="http://[::1]:8000/v1").loopback


@pytest.mark.parametrize(
    ("model", "changes", "says"),
    [
        (None, {}, "ranker_model: is missing"),
        ("openai/", {}, "ranker_model: is missing"),
        ("llama3", {}, "ranker/endpoint: is missing"),
        (ANCESTORS, {"network": False}, "`network: true`"),
        ("m", {"endpoint": "http://example.org/v1"}, "must be https"),
        ("m", {"endpoint": "http://localhost.example.org/v1"}, "must be https"),
        ("m", {"endpoint": "https://me:pw@example.org/v1"}, "no user"),
        ("m", {"endpoint": "https://example.org/v1?key=1"}, "no user"),
        ("m", {"endpoint": "example.org/v1"}, "is no URL"),
        ("m", {"endpoint": "https://example.org:99999/v1"}, "is no URL"),
        ("m", {"endpoint": "ftp://example.org/v1"}, "is no URL"),
        (ANCESTORS, {"key_env": "MY KEY"}, "name of an environment variable"),
        (ANCESTORS, {"parameters": {"messages": []}}, "is not for you to set"),
        (ANCESTORS, {"max_cost": 1.0}, "input_price and output_price"),
        (ANCESTORS, {"input_price": 1.0}, "go together"),
    ],
)
def test_what_cannot_be_meant(model: str | None, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        of(model, **changes)
    assert says in refused.value.problem


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigInvalid) as refused:
        service_of(Ranker(key_env="", max_cost=1.0), None)
    assert len(refused.value.problem.splitlines()) == 5


@pytest.mark.parametrize(
    "quality",
    [
        Quality(ranker_model=KEY),
        Quality(ranker=Ranker(key_env=KEY)),
        Quality(ranker=Ranker(endpoint=f"https://example.org/{KEY}/v1")),
        Quality(ranker=Ranker(parameters={"user": {"a": ["x", f"Bearer {KEY}"]}})),
        Quality(ranker=Ranker(parameters={KEY: 1})),
        Quality(ranker=Ranker(key_env="0123456789abcdef0123456789abcdef")),
    ],
)
def test_a_key_in_the_config_is_refused_and_not_repeated(quality: Quality) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        check_settings(quality)
    assert "looks like a key" in refused.value.problem
    assert KEY not in str(refused.value)
    assert "0123456789abcdef" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "OPENAI_API_KEY",
        "meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo",
        "hf-internal-testing-model-number-1",
        "https://my-resource-of-the-institute-2.openai.azure.com/openai/deployments/gpt-4o",
        "claude-3-5-sonnet-20241022",
        "sk-learn",
    ],
)
def test_names_are_no_keys(text: str) -> None:
    assert not looks_like_a_key(text)


def test_the_key_comes_from_the_environment_alone() -> None:
    service = of()
    assert key_of(service, {"OPENAI_API_KEY": f" {KEY}\n"}) == KEY
    assert key_of(of(key_env=None), {}) is None
    for environment in ({}, {"OPENAI_API_KEY": ""}, {"OTHER": KEY}):
        with pytest.raises(RankerUnusable) as refused:
            key_of(service, environment)
        assert "OPENAI_API_KEY is not set" in refused.value.problem
        assert refused.value.exit_code == 35
    with pytest.raises(RankerUnusable) as refused:
        key_of(service, {"OPENAI_API_KEY": f"{KEY}\nX-Other: 1"})
    assert KEY not in str(refused.value)


def test_nothing_is_wanted_where_ranking_is_off() -> None:
    check_settings(Quality(ranker_model=ANCESTORS))
    check_key(Quality(ranker_model=ANCESTORS), {})
    check_reachable(Quality(ranker_model=ANCESTORS))


def test_the_config_is_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "quality:\n  ranker:\n    api_key: 1\n    batch_size: 0\n    max_cost: much\n"
        "    requests_per_minute: .inf\n"
    )
    with pytest.raises(ConfigInvalid) as refused:
        read_settings(path)
    for part in ("api_key: unknown", "batch_size: must", "max_cost: expected", "per_minute: must"):
        assert part in refused.value.problem


def test_the_documented_config_is_taken(project_root: Path, tmp_path: Path) -> None:
    shown = (project_root / "docs" / "ranking.md").read_text().split("```yaml\n")[1:]
    for place, text in enumerate(part.partition("```")[0] for part in shown):
        path = tmp_path / f"{place}.yaml"
        path.write_text(text)
        quality = read_settings(path).quality
        check_settings(quality)
        check_key(quality, {"OPENAI_API_KEY": KEY})
        assert quality.enable_ranking
    assert shown


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quality = Quality(True, "m", Ranker(endpoint="http://127.0.0.1:9/v1", key_env=None))
    monkeypatch.delenv("WORKHORSE_EVENTS", raising=False)
    with pytest.raises(RankerUnusable, match=r"127\.0\.0\.1:9, which is to rank"):
        check_reachable(quality)
    away = replace(quality, ranker=Ranker(True, "https://name.invalid/v1", key_env=None))
    monkeypatch.setenv("WORKHORSE_EVENTS", str(tmp_path / "events.jsonl"))
    with pytest.raises(RankerUnusable) as refused:
        check_reachable(away)
    assert "network: true" in refused.value.hint


def test_a_proxy_never_sees_what_goes_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert proxy_of(of("m", endpoint="http://127.0.0.1:1/v1")) is None
    assert proxy_of(of("m", endpoint="https://inside.example/v1")) is None
    assert proxy_of(of()) == "http://proxy.example:3128"
