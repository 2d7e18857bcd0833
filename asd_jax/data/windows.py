"""Clips of any length to windows of one length: the explicit policy for variable clip lengths."""

import dataclasses
from typing import Literal

import numpy as np

from asd_jax.ranges import Count, CountOrNone

TrainingCrop = Literal["head", "random"]
EvaluationWindows = Literal["head", "all"]
ShortClips = Literal["repeat", "mirror", "zeros"]


@dataclasses.dataclass(frozen=True)
class WindowPolicy:
    """How a detector hears clips that are longer or shorter than its input.

    Attributes:
        samples: samples a window.
        training: "head" hears the start of every clip, "random" another part each time.
        evaluation: "head" hears the start, "all" every window at `hop` (the clip's score pools theirs).
        hop: samples between the starts of windows in evaluation; 0 means one window length. A last window that ends
            with the clip is added where the hop leaves a rest.
        short: clips below one window are repeated, mirrored at their end, or filled with zeros.
    """

    samples: Count = 160000
    training: TrainingCrop = "head"
    evaluation: EvaluationWindows = "head"
    hop: CountOrNone = 0
    short: ShortClips = "repeat"

    def starts(self, clip_samples: int) -> list[int]:
        """Where the windows of a clip begin in evaluation, in samples."""
        last = max(clip_samples - self.samples, 0)
        if self.evaluation == "head" or last == 0:
            return [0]
        starts = list(range(0, last + 1, self.hop or self.samples))
        return starts if starts[-1] == last else [*starts, last]

    def random_start(self, clip_samples: int, rng: np.random.Generator) -> int:
        """Where the window of a clip begins in training, in samples."""
        last = max(clip_samples - self.samples, 0)
        return int(rng.integers(last + 1)) if self.training == "random" else 0

    def cut(self, waveform: np.ndarray, start: int) -> np.ndarray:
        """`[clip_samples, ...]` to `[samples, ...]`, from `start`; a short clip is filled up as `short` says."""
        window = waveform[start : start + self.samples]
        missing = self.samples - len(window)
        if missing <= 0:
            return window
        margins = [(0, missing)] + [(0, 0)] * (window.ndim - 1)
        if self.short == "zeros":
            return np.pad(window, margins)
        return np.pad(window, margins, mode="wrap" if self.short == "repeat" else "symmetric")
