"""Metrics of the DCASE Challenge Task 2 on plain arrays.

A metric of clips of one class only is undefined: it is NaN, and a mean with a NaN term is NaN.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score

MAX_FPR = 0.1
# The published evaluators guard denominators and harmonic means with the float64 epsilon.
EPSILON = 2.220446049250313e-16


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve, ties counted half.

    Args:
        labels: `[clips]`, 1 for an anomaly, 0 for a normal clip.
        scores: `[clips]`, higher is more anomalous.

    Returns:
        The area in 0 to 1; NaN where one class is absent.

    Raises:
        ValueError: shapes differ, a label is not 0 or 1, or a score is not finite.
    """
    return _roc_area(labels, scores, max_fpr=None)


def pauc(labels: ArrayLike, scores: ArrayLike, max_fpr: float = MAX_FPR) -> float:
    """Partial area under the ROC curve for false-positive rates up to `max_fpr`.

    The area is standardised as by McClish (1989): 0.5 for chance, 1 for perfect separation.
    Arguments, result and errors are those of `auc`.
    """
    return _roc_area(labels, scores, max_fpr)


def precision_recall_f1(labels: ArrayLike, decisions: ArrayLike) -> tuple[float, float, float]:
    """Precision, recall and F1 score of decisions, both `[clips]` of 0 and 1.

    A vanishing denominator is replaced by the float epsilon, which makes the quotient 0.

    Returns:
        Three numbers in 0 to 1; NaN where one class is absent.

    Raises:
        ValueError: shapes differ, or a label or decision is not 0 or 1.
    """
    truth, decided = _binary(labels, "label"), _binary(decisions, "decision")
    _require_same_length(truth, decided)
    if not _has_both_classes(truth):
        return float("nan"), float("nan"), float("nan")
    hits = float(np.count_nonzero(truth & decided))
    precision = hits / max(float(np.count_nonzero(decided)), EPSILON)
    recall = hits / max(float(np.count_nonzero(truth)), EPSILON)
    return precision, recall, 2.0 * precision * recall / max(precision + recall, EPSILON)


def arithmetic_mean(values: Iterable[float]) -> float:
    """Arithmetic mean; NaN without values or with a NaN among them."""
    terms = np.fromiter(values, dtype=np.float64)
    return float(terms.mean()) if terms.size else float("nan")


def harmonic_mean(values: Iterable[float]) -> float:
    """Harmonic mean with terms clamped to the float epsilon from below; NaN as above."""
    terms = np.maximum(np.fromiter(values, dtype=np.float64), EPSILON)
    return float(terms.size / np.sum(1.0 / terms)) if terms.size else float("nan")


def _roc_area(labels: ArrayLike, scores: ArrayLike, max_fpr: float | None) -> float:
    truth = _binary(labels, "label")
    values = np.asarray(scores, dtype=np.float64)
    _require_same_length(truth, values)
    if not np.isfinite(values).all():
        first = int(np.argmin(np.isfinite(values)))
        raise ValueError(f"Score number {first} is not finite: {values[first]}")
    if not _has_both_classes(truth):
        return float("nan")
    return float(roc_auc_score(truth, values, max_fpr=max_fpr))


def _binary(values: ArrayLike, name: str) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if not np.isin(array, (0, 1)).all():
        raise ValueError(f"Every {name} must be 0 or 1, got {sorted(set(array.tolist()))[:5]}")
    return array.astype(bool)


def _has_both_classes(truth: NDArray[np.bool_]) -> bool:
    return bool(truth.any()) and not bool(truth.all())


def _require_same_length(first: NDArray, second: NDArray) -> None:
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"Two vectors of one length are needed: {first.shape}, {second.shape}")
