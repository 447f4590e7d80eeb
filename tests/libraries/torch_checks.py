"""`to_torch` with torch, run as a program in an environment that has it.

    PYTHONPATH=. PYTHON tests/libraries/torch_checks.py CHECK DATASET

The dataset has 12,995 spectra in three row groups.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from remote.workloads.shards import numpy_batches, read_shards, to_torch

COLUMNS = ["mzs", "ints", "precursor_mz", "charge", "source_row", "sample_id"]


def rows_of(loader: Any) -> list[int]:
    return [row for batch in loader for row in batch["source_row"].tolist()]


def tensors(dataset: Path) -> None:
    """Tensors have the values, shapes and types of the NumPy batches; text stays text."""
    view = read_shards(dataset, columns=COLUMNS)
    for layout in ("padded", "ragged"):
        given: dict[str, Any] = {"batch_size": 300, "layout": layout, "shuffle": True, "seed": 4}
        theirs = to_torch(view, **given)
        assert isinstance(theirs, torch.utils.data.IterableDataset)
        for tensor, array in zip(theirs, numpy_batches(view, **given), strict=True):
            assert list(tensor) == list(array)
            for name, values in array.items():
                if name == "sample_id":
                    assert tensor[name] == values.tolist()
                else:
                    assert torch.equal(tensor[name], torch.from_numpy(values))
    batch = next(iter(to_torch(dataset, batch_size=8, width=16)))
    assert batch["mzs"].shape == batch["mask"].shape == (8, 16)
    assert (batch["mask"].dtype, batch["charge"].dtype) == (torch.bool, torch.int8)
    batch["mzs"] += 1  # one's own memory


def workers(dataset: Path) -> None:
    """Workers of a loader share the batches: each spectrum once, the length as told."""
    view = read_shards(dataset, columns=COLUMNS)
    given = to_torch(view, batch_size=500, unit=1, shuffle=True, seed=2)
    alone = rows_of(given)
    for context in ("fork", "spawn"):
        for number in (2, 3):
            loader = DataLoader(
                given, batch_size=None, num_workers=number, multiprocessing_context=context
            )
            batches = [batch["source_row"].tolist() for batch in loader]
            assert len(batches) == len(loader) == len(given)
            rows = [row for batch in batches for row in batch]
            assert len(set(rows)) == len(rows) == 12_995
            assert sorted(rows) == sorted(alone)


def epochs(dataset: Path) -> None:
    """Another epoch is another order, in workers, too; the same seed is the same order."""
    view = read_shards(dataset, columns=COLUMNS)
    given = to_torch(view, unit=2, shuffle=True, seed=2)
    loader = DataLoader(given, batch_size=None, num_workers=2)
    first = rows_of(loader)
    given.set_epoch(1)
    second = rows_of(loader)
    given.set_epoch(0)
    assert rows_of(loader) == first != second


def training(dataset: Path) -> None:
    """A model learns from the batches as they come."""
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    losses = []
    for batch in DataLoader(to_torch(dataset, shuffle=True), batch_size=None, num_workers=2):
        peaks = batch["mask"].sum(dim=1, keepdim=True)
        mean = (batch["mzs"].sum(dim=1, keepdim=True) / peaks).float() / 1_000
        loss = (model(mean)[:, 0] - batch["precursor_mz"].float() / 1_000).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < sum(losses[:5])


if __name__ == "__main__":
    warnings.simplefilter("error", UserWarning)
    warnings.filterwarnings("ignore", "This DataLoader will create")  # there may be few cores
    globals()[sys.argv[1]](Path(sys.argv[2]))
