"""How often normal clips score as high: counted among the normals that there are, or by a tail fitted to them."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def counted_p_values(normal_scores: ArrayLike, scores: ArrayLike) -> np.ndarray:
    """Conformal p-values (Vovk et al. 2005): the share of normals that score at least as high as each of `scores`.

    The clip itself is counted among the normals: with `n` of them none is below `1 / (n + 1)`.
    """
    normals = np.sort(np.asarray(normal_scores))
    below = np.searchsorted(normals, np.asarray(scores), side="left")
    return (1.0 + len(normals) - below) / (1.0 + len(normals))


def gamma_tail(normal_scores: ArrayLike, scores: ArrayLike) -> np.ndarray:
    """Probability that a normal clip scores higher than each of `scores`, also beyond all normals that there are.

    A gamma distribution with a free location (Pearson's type III) by its first three moments; its quantiles are widened
    as Student's t widens a normal distribution whose mean and variance come from so few samples. A skew to the left
    counts as none, which makes the upper tail heavier, not lighter.

    Args:
        normal_scores: `[normals]`, two or more that are not all equal.
        scores: of any shape.
    """
    normals = np.asarray(normal_scores, float)
    count = len(normals)
    # Three samples are the least that have a skewness.
    skew = max(float(stats.skew(normals, bias=False)), 0.0) if count > 2 else 0.0
    standardised = (np.asarray(scores, float) - normals.mean()) / normals.std(ddof=1)
    deviation = stats.norm.isf(stats.pearson3.sf(standardised, skew))
    # Far out the distribution's tail is below the smallest number.
    deviation = np.where(np.isposinf(deviation), np.maximum(standardised, 0), deviation)
    return stats.t.sf(deviation / np.sqrt(1 + 1 / count), count - 1)
