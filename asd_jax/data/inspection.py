"""A look at a prepared dataset: what a batch holds and how fast batches come."""

import itertools
import time

import jax
import numpy as np

from asd_jax.data.service import Batches


def describe_batch(batch: dict[str, np.ndarray]) -> str:
    """A line an entry: name, dtype, shape, smallest and largest value."""
    lines = [
        f"{name:<10} {values.dtype!s:<6} {values.shape!s:<16} {values.min()} to {values.max()}"
        for name, values in batch.items()
    ]
    return "\n".join(lines)


def clips_per_second(batches: Batches, steps: int) -> dict[str, float]:
    """Windows a second over so many batches, on the host and put on the device.

    Args:
        batches: of a training, which is endless.
        steps: batches to time, after as many that are not.
    """
    rates = {}
    for place, dataset in {"host": batches.dataset, "device": batches.on_devices()}.items():
        iterator = iter(dataset)
        for batch in itertools.islice(iterator, steps):
            jax.block_until_ready(batch)
        start = time.perf_counter()
        windows = 0
        for batch in itertools.islice(iterator, steps):
            jax.block_until_ready(batch)
            windows += len(batch["clip"])
        rates[place] = windows / (time.perf_counter() - start)
        iterator.close()
    return rates
