"""95 % intervals of a result table's summary numbers, over the test clips."""

from collections.abc import Sequence

import numpy as np

from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.resampling import (
    bootstrap_weights,
    jackknife_half_width,
    leave_one_out,
    percentile_interval,
)
from asd_jax.evaluation.summary import Interval, summary_numbers
from asd_jax.evaluation.tables import resampled_rows

RESAMPLES = 1000


def bootstrap_intervals(
    dataset: str, clip_scores: Sequence[ClipScore], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Percentile intervals of every summary number over stratified bootstrap resamples of the clips.

    Each machine type, section, domain and label keeps its number of clips.

    Args:
        dataset: a name with the year.
        clip_scores: every scored test clip; unlabelled ones count for nothing.
        resamples: how many; 1,000 of a year take seconds.
        seed: of the draws.

    Returns:
        Bounds by the names of `summary_numbers`; NaN where a number is undefined.
    """
    known = labelled(clip_scores)
    generator = np.random.default_rng(seed)
    weights = bootstrap_weights([stratum(clip) for clip in known], resamples, generator)
    numbers = summary_numbers(dataset, resampled_rows(dataset, known, weights))
    return {name: percentile_interval(values) for name, values in numbers.items()}


def jackknife_half_widths(dataset: str, clip_scores: Sequence[ClipScore]) -> dict[str, float]:
    """Half widths of the jackknife intervals of every summary number, leaving out each clip in turn.

    The "official score ci95" of the evaluators is another quantity: see `evaluator_ci95`.
    """
    known = labelled(clip_scores)
    parts = [
        summary_numbers(dataset, resampled_rows(dataset, known, weights))
        for weights in leave_one_out(len(known))
    ]
    names = parts[0] if parts else {}
    return {
        name: jackknife_half_width(np.concatenate([part[name] for part in parts])) for name in names
    }


def labelled(clip_scores: Sequence[ClipScore]) -> list[ClipScore]:
    """The clips that have a label."""
    return [clip for clip in clip_scores if clip.label != "unknown"]


def stratum(clip: ClipScore) -> tuple[str, str, str, str]:
    """What a clip is drawn among in a stratified bootstrap."""
    return clip.machine_type, clip.section, clip.domain, clip.label
