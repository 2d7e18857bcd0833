"""Windows of a series: shuffled and endless for training, in order for scoring."""

from collections.abc import Iterator, Sequence

import grain
import jax
import numpy as np

from asd_jax.data.pipeline import HostBatch
from asd_jax.detectors.association import covering_starts


class WindowSource:
    """Random access to the windows of a series `[time, channels]`; the last one ends with it."""

    def __init__(self, series: np.ndarray, window: int, hop: int):
        self.starts = covering_starts(len(series), window, hop)
        self._series = series
        self._window = window

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, position: int) -> HostBatch:
        start = self.starts[position]
        return {
            "window": self._series[start : start + self._window],
            "clip": np.asarray(position, np.int32),
        }


class WindowNames(Sequence[str]):
    """What messages call a window, by its position in a source."""

    def __init__(self, name: str, starts: np.ndarray, window: int):
        self._name, self._starts, self._window = name, starts, window

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, position):
        start = self._starts[position]
        return f"time steps {start} to {start + self._window - 1} of {self._name}"


def training_windows(source: WindowSource, batch_size: int, seed: int) -> grain.IterDataset:
    """Endless batches of this process's share of the windows, reshuffled every epoch; an iterator resumes exactly.

    Returns:
        Batches of `window` float32 `[batch, time, channels]` and `clip` int32 `[batch]`, the window's position.

    Raises:
        ValueError: a process has no window.
    """
    if len(source) < jax.process_count():
        raise ValueError(
            f"{len(source)} windows cannot be shared by {jax.process_count()} processes"
        )
    mine = grain.MapDataset.source(source)[jax.process_index() :: jax.process_count()]
    batches = mine.seed(seed).shuffle().repeat().batch(batch_size, drop_remainder=True)
    return batches.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=4))


def scoring_batches(source: WindowSource, batch_size: int) -> Iterator[np.ndarray]:
    """All windows in order, `[batch, time, channels]`; the last batch repeats the last window to fill up."""
    for first in range(0, len(source), batch_size):
        chosen = np.minimum(np.arange(first, first + batch_size), len(source) - 1)
        yield np.stack([source[int(position)]["window"] for position in chosen])
