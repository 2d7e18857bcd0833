"""ROC areas of many resamples at once, and the intervals that they give.

A resample is a vector of weights: how often each clip is in it. The areas agree with scikit-learn's on the repeated
clips, but cost one sort for all resamples instead of one a resample.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95

Floats = NDArray[np.float64]


def roc_areas(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike, max_fpr: float | None = None
) -> Floats:
    """Area under the ROC curve of every resample; ties count half.

    Args:
        labels: `[clips]`, 1 for an anomaly, 0 for a normal clip.
        scores: `[clips]`, finite, higher is more anomalous.
        weights: `[resamples, clips]`, how often each clip is in a resample.
        max_fpr: take the partial area up to this false-positive rate, McClish-standardised; None for all of it.

    Returns:
        Areas `[resamples]`; NaN where a resample lacks a class.
    """
    values = np.asarray(scores, np.float64)
    order = np.argsort(-values, kind="stable")
    is_anomaly = np.asarray(labels, bool)[order]
    sorted_weights = np.asarray(weights, np.float64)[:, order]
    # Clips of one score pass the threshold together.
    starts = np.flatnonzero(np.diff(values[order], prepend=np.nan) != 0)
    rates = [
        _rates(np.add.reduceat(sorted_weights * counted, starts, axis=1))
        for counted in (~is_anomaly, is_anomaly)
    ]
    false_positives, true_positives = rates
    if max_fpr is None:
        return np.asarray(np.trapezoid(true_positives, false_positives, axis=1))
    area = _area_up_to(false_positives, true_positives, max_fpr)
    chance = max_fpr**2 / 2
    return 0.5 * (1.0 + (area - chance) / (max_fpr - chance))


def bootstrap_weights(
    strata: Sequence[tuple[str, ...]], resamples: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Weights `[resamples, clips]` of a stratified bootstrap: every stratum keeps its number of clips.

    Args:
        strata: what each clip is drawn among, for example its section, domain and label.
        resamples: how many.
        generator: of the draws.
    """
    weights = np.empty((resamples, len(strata)), np.int64)
    for stratum in sorted(set(strata)):
        members = np.array([stratum == other for other in strata])
        count = int(members.sum())
        weights[:, members] = generator.multinomial(
            count, np.full(count, 1.0 / count), size=resamples
        )
    return weights


def percentile_interval(values: Floats) -> tuple[float, float]:
    """Bounds of the central 95 % of resampled values `[resamples]`; NaN where one is undefined."""
    if not len(values) or np.isnan(values).any():
        return float("nan"), float("nan")
    tail = (1.0 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)


def jackknife_half_width(left_out: Floats) -> float:
    """Half width of the 95 % jackknife interval of a statistic.

    Args:
        left_out: `[clips]`, the statistic without each clip in turn.

    Returns:
        Student's t times the jackknife's standard error; NaN below two clips or where a value is undefined.
    """
    clips = len(left_out)
    if clips < 2:
        return float("nan")
    spread = np.sum((left_out - left_out.mean()) ** 2)
    error = np.sqrt(spread * (clips - 1) / clips)
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, clips - 1) * error)


def leave_one_out(clips: int, at_once: int = 256) -> Iterator[Floats]:
    """Weights without each clip in turn, `[at most at_once, clips]` at a time."""
    for first in range(0, clips, at_once):
        weights = np.ones((min(at_once, clips - first), clips))
        rows = np.arange(len(weights))
        weights[rows, first + rows] = 0.0
        yield weights


def _rates(counts: Floats) -> Floats:
    """Counts at each threshold `[resamples, thresholds]` to rates that begin at 0 and end at 1."""
    total = counts.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        shares = np.where(total > 0, np.cumsum(counts, axis=1) / total, np.nan)
    return np.pad(shares, ((0, 0), (1, 0)))


def _area_up_to(false_positives: Floats, true_positives: Floats, max_fpr: float) -> Floats:
    """Area below the piecewise linear curve left of `max_fpr`, `[resamples]`."""
    left, right = false_positives[:, :-1], false_positives[:, 1:]
    bottom, top = true_positives[:, :-1], true_positives[:, 1:]
    width = np.clip(np.minimum(right, max_fpr) - left, 0.0, None)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(right > left, (top - bottom) / (right - left), 0.0)
    undefined = np.isnan(false_positives[:, -1]) | np.isnan(true_positives[:, -1])
    area = np.sum(width * (bottom + slope * width / 2), axis=1)
    return np.where(undefined, np.nan, area)
