"""What leaves this machine: numbers of spectra, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from remote.workloads.shards.ranking.ask import request_body
from remote.workloads.shards.ranking.options import Ranker
from remote.workloads.shards.ranking.prompt import (
    PROMPT_VERSION,
    describe,
    messages,
    prompt_sha256,
    spectra_of,
)
from remote.workloads.shards.ranking.service import service_of
from tests.unit.shards.making import clean_rows


def test_the_text_of_a_spectrum() -> None:
    rows = replace(
        clean_rows(2),
        offsets=np.array([0, 4, 5]),
        mzs=np.array([50.00004, 91.0542, 119.04914, 300.5, 77.0]),
        ints=np.array([0.5, 1.0, 0.5, 0.0004, 7.0], np.float32),
        columns={
            "precursor_mz": np.array([301.14121, 90.0]),
            "charge": np.array([-1, 0], np.int8),
        },
    )
    assert describe(rows, 0, 3) == (
        "precursor 301.1412, charge -1, 4 peaks: 91.0542:100.0 50.0000:50.0 119.0491:50.0"
    )
    assert describe(rows, 1, 20) == "precursor 90.0000, charge unknown, 1 peaks: 77.0000:100.0"


def test_the_texts_belong_to_their_version() -> None:
    """Other texts give other scores: raise PROMPT_VERSION with them."""
    assert (PROMPT_VERSION, prompt_sha256()[:16]) == (1, "022440626a23135f")


def test_a_request_holds_numbers_and_no_names() -> None:
    rows = clean_rows(30)
    batch = spectra_of(rows, np.arange(30) % 2 == 0, 5)
    assert [spectrum.row for spectrum in batch] == list(range(0, 30, 2))
    said = messages(batch)[1]["content"]
    assert "mzML" not in said
    assert set(said) <= set("0123456789.:+-, \n" + "precursor charge peaks unknown")
    assert said.splitlines()[14].startswith("15. precursor ")


def test_parameters_are_added_and_null_leaves_ours_out() -> None:
    batch = spectra_of(clean_rows(1), np.ones(1, bool), 5)
    ranker = Ranker(network=True, parameters={"temperature": None, "max_completion_tokens": 9})
    service = service_of(ranker, "openai/gpt-4o-mini")
    assert request_body(service, ranker, batch) == {
        "model": "gpt-4o-mini",
        "messages": messages(batch),
        "max_completion_tokens": 9,
    }
    assert request_body(service, Ranker(), batch)["temperature"] == 0
