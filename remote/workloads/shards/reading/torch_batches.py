"""`to_torch`: batches as tensors, for a DataLoader with any number of workers."""

from __future__ import annotations

from typing import Any

from remote.workloads.shards.reading.batches import UNIT, Layout, numpy_batches
from remote.workloads.shards.reading.find import Source
from remote.workloads.shards.reading.packages import needed
from remote.workloads.shards.reading.shards import Shards


def to_torch(
    source: Source | Shards,
    *,
    batch_size: int = 256,
    layout: Layout = "padded",
    width: int | None = None,
    shuffle: bool = False,
    seed: int = 0,
    drop_last: bool = False,
    unit: int = UNIT,
) -> Any:
    """A `torch.utils.data.IterableDataset` of batches; `numpy_batches` says what is in them.

        dataset = to_torch(folder, batch_size=512, width=64, shuffle=True, seed=1)
        loader = DataLoader(dataset, batch_size=None, num_workers=4)
        for epoch in range(10):
            dataset.set_epoch(epoch)
            for batch in loader: ...

    The batches are the same with every number of workers; each is made by one of them, and
    `len(dataset)` of them there are. What tensors cannot hold, such as text, stays as a list.
    Workers that outlive an epoch (`persistent_workers`) do not hear of `set_epoch`.

    Raises:
        PackageMissing: torch is not installed.
        UsageError, ResultsUnusable, IntegrityFailure: see `numpy_batches`.
    """
    needed("torch", "torch", "to_torch")
    from remote.workloads.shards.reading.torch_dataset import ShardDataset

    batches = numpy_batches(
        source,
        batch_size=batch_size,
        layout=layout,
        width=width,
        shuffle=shuffle,
        seed=seed,
        drop_last=drop_last,
        unit=unit,
    )
    return ShardDataset(batches)
