"""Recordings much longer than the training clips, in stretches of the clips' length that are each heard as a clip."""

import dataclasses

import numpy as np

from asd_jax.data.windows import WindowPolicy
from asd_jax.scoring.clip_reports import pool_windows

LONG = 2
"""A recording is long beyond so many usual lengths of its training clips; up to there it is scored as one clip."""


@dataclasses.dataclass(frozen=True)
class Stretches:
    """Overlapping stretches of a recording, and the windows that are heard of them.

    Attributes:
        starts: where the stretches begin, in samples.
        samples: length of each.
        window_starts: where the windows begin that any stretch hears, in ascending order.
        rows: places in `window_starts` of each stretch's windows.
    """

    starts: list[int]
    samples: int
    window_starts: list[int]
    rows: list[list[int]]

    def pooled(self, windows: np.ndarray, pooling: str) -> np.ndarray:
        """Reports of the windows `[windows, ...]` to those of the stretches `[stretches, ...]`."""
        return np.stack([pool_windows(windows[rows], pooling) for rows in self.rows])


def is_long(samples: int, clip_samples: int) -> bool:
    """Whether a recording is much longer than training clips of a length."""
    return samples > LONG * clip_samples


def stretches_of(samples: int, clip_samples: int, policy: WindowPolicy) -> Stretches:
    """Stretches as long as what the model hears of a training clip; each overlaps the next by half or more.

    Args:
        samples: of the recording.
        clip_samples: the training clips' usual length.
        policy: how training clips were heard; of clips whose head was heard alone, the head counts.
    """
    heads = policy.evaluation == "head"
    length = min(clip_samples, policy.samples) if heads else clip_samples
    step = max(length // 2, 1)
    between_windows = policy.hop or policy.samples
    if not heads and between_windows <= step:
        # Stretches then share windows, which are heard once.
        step -= step % between_windows
    starts = [*range(0, samples - length, step), samples - length]
    inside = policy.starts(length)
    window_starts = sorted({start + window for start in starts for window in inside})
    places = {start: place for place, start in enumerate(window_starts)}
    rows = [[places[start + window] for window in inside] for start in starts]
    return Stretches(starts, length, window_starts, rows)
