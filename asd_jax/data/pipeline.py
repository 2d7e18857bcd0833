"""Grain pipelines: shuffled and endless for training, padded and masked for evaluation."""

import dataclasses
import os
from collections.abc import Sequence

import grain
import jax
import numpy as np

from asd_jax.data.clips import ClipSource, Waveforms
from asd_jax.data.windows import WindowPolicy

HostBatch = dict[str, np.ndarray]

Window = tuple[int, int]
"""Position of a clip in its source, and the sample at which the window starts."""

# A thread reads a batch. A few of them saturate the memory, and a deep queue of batches costs gigabytes.
_THREADS = min(max(os.cpu_count() or 2, 2), 8)
_READ = grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=max(_THREADS, 4))


def training_batches(
    source: ClipSource, class_ids: Sequence[int], policy: WindowPolicy, batch_size: int, seed: int
) -> grain.IterDataset:
    """Endless batches of this process's share of the clips, reshuffled every epoch.

    The order and the random crops depend on the seed and the position alone; an iterator's `get_state` and `set_state`
    resume it exactly.

    Args:
        source: training clips.
        class_ids: class of every clip of the source.
        policy: which part of a clip is heard.
        batch_size: windows a batch on this process.
        seed: of the shuffling and the crops.

    Returns:
        Batches of `waveform` int16 `[batch, samples]`, `class_id` int32 `[batch]`, `clip` int32 `[batch]`.

    Raises:
        ValueError: a process has no clip.
    """

    classes = np.asarray(class_ids, np.int32)

    def choose(clip: int, rng: np.random.Generator) -> Window:
        return clip, policy.random_start(source.clips[clip].samples, rng)

    def read(windows: tuple[np.ndarray, np.ndarray]) -> HostBatch:
        clips, starts = windows
        return {
            "waveform": _cut(source, policy, clips, starts),
            "class_id": classes[clips],
            "clip": clips.astype(np.int32),
        }

    processes = jax.process_count()
    if len(source) < processes:
        raise ValueError(f"{len(source)} training clips cannot be shared by {processes} processes")
    clips = grain.MapDataset.range(len(source))[jax.process_index() :: processes]
    windows = clips.seed(seed).shuffle().repeat().random_map(choose)
    return windows.batch(batch_size, drop_remainder=True).map(read).to_iter_dataset(_READ)


def _cut(
    source: ClipSource, policy: WindowPolicy, clips: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    """These windows, int16 `[windows, samples]`."""
    return np.stack(
        [
            policy.cut(source[int(clip)], int(start))
            for clip, start in zip(clips, starts, strict=True)
        ]
    )


def observation_batches(
    source: ClipSource, policy: WindowPolicy, batch_size: int
) -> grain.IterDataset:
    """This process's share of all windows that training may hear, once; the first ones come again to fill up.

    Every process gets the same number of batches.

    Args:
        source: training clips.
        policy: which parts of a clip training hears.
        batch_size: windows a batch on this process.

    Returns:
        Batches of `waveform` int16 `[batch, samples]` and `clip` int32 `[batch]`.
    """
    heard = dataclasses.replace(policy, evaluation="all" if policy.training == "random" else "head")
    windows = evaluation_windows(source, range(len(source)), heard)
    together = batch_size * jax.process_count()
    filled = [windows[i % len(windows)] for i in range(-(-len(windows) // together) * together)]
    mine = filled[jax.process_index() :: jax.process_count()]
    return evaluation_batches(source, mine, policy, batch_size).map(_without_mask)


def _without_mask(batch: HostBatch) -> HostBatch:
    return {name: values for name, values in batch.items() if name != "mask"}


def evaluation_windows(
    source: Waveforms, clips: Sequence[int], policy: WindowPolicy
) -> list[Window]:
    """The windows that evaluation hears of some clips (positions in the source), clip by clip."""
    return [(clip, start) for clip in clips for start in policy.starts(source.clips[clip].samples)]


def evaluation_batches(
    source: ClipSource, windows: Sequence[Window], policy: WindowPolicy, batch_size: int
) -> grain.IterDataset:
    """Every window once, in order; the last batch is filled up.

    Args:
        source: clips to score.
        windows: from `evaluation_windows`.
        policy: how a window is cut.
        batch_size: windows a batch.

    Returns:
        Batches of `waveform` int16 `[batch, samples]`, `clip` int32 `[batch]` and `mask` bool `[batch]`, False where a
        row only fills the batch up.
    """

    def read(rows: Sequence[Window]) -> HostBatch:
        clips, starts = np.asarray(rows, np.int64).T
        missing = batch_size - len(rows)
        waveform = _cut(source, policy, clips, starts)
        if missing:
            waveform = np.pad(waveform, [(0, missing)] + [(0, 0)] * (waveform.ndim - 1))
        return {
            "waveform": waveform,
            "clip": np.pad(clips.astype(np.int32), (0, missing)),
            "mask": np.arange(batch_size) < len(rows),
        }

    dataset = grain.MapDataset.source(windows)
    return dataset.batch(batch_size, batch_fn=read).to_iter_dataset(_READ)
