"""The one module that imports torch; see `torch_batches.to_torch`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from remote.workloads.shards.reading.batches import Batch, Batches


class ShardDataset(IterableDataset):  # type: ignore[misc, unused-ignore]
    """Batches of tensors. In a worker of a DataLoader: those of that worker."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def set_epoch(self, epoch: int) -> None:
        """Draw another order, for the loader that is iterated next."""
        self.batches = replace(self.batches, epoch=epoch)

    def __len__(self) -> int:
        """Batches of all workers."""
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        mine = self.batches
        if worker is not None:
            mine = replace(mine, part=(worker.id, worker.num_workers))
        for batch in mine:
            yield {name: _tensor(values) for name, values in batch.items()}


def _tensor(values: Any) -> Any:
    """The memory of an array as a tensor."""
    return values.tolist() if values.dtype == object else torch.from_numpy(values)
