"""A key, inputs, and a dataset of which every spectrum has a score."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.shards.ranking.building import (
    BAD,
    ROWS,
    build,
    settings,
)
from tests.unit.shards.making import make_input
from tests.unit.shards.ranking.service import (
    KEY,
    serving,
)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("WORKHORSE_EVENTS", raising=False)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("inputs")
    return [
        make_input(folder / "first.hdf5", ROWS, 1, bad=BAD, chunk_rows=700),
        make_input(folder / "second.hdf5", 300, 2),
    ]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, inputs: list[Path]) -> Iterator[Path]:
    """A dataset of which every spectrum has a score."""
    root = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch, serving() as chat:
        patch.setenv("OPENAI_API_KEY", KEY)
        build(root, inputs, settings(chat))
        assert set(chat.texts.values()) == {1}
        assert len(chat.texts) == ROWS - 5 + 300
        assert 1 < chat.most <= 4
        yield root
