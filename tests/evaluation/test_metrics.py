"""Edge cases of the metrics."""

import math

import numpy as np
import pytest

from asd_jax.evaluation.metrics import (
    EPSILON,
    arithmetic_mean,
    auc,
    harmonic_mean,
    pauc,
    precision_recall_f1,
)

LABELS = np.repeat([0, 1], 20)


def test_perfect_and_reversed_scores_reach_the_ends_of_the_range() -> None:
    assert auc(LABELS, LABELS) == 1.0
    assert pauc(LABELS, LABELS) == 1.0
    assert auc(LABELS, -LABELS) == 0.0
    # McClish puts the worst case below chance, at (1 - p / (2 - p)) / 2.
    assert pauc(LABELS, -LABELS) == pytest.approx((1 - 0.1 / 1.9) / 2)


def test_equal_scores_are_chance() -> None:
    assert auc(LABELS, np.ones(40)) == 0.5
    assert pauc(LABELS, np.ones(40)) == pytest.approx(0.5)


def test_a_tie_between_the_classes_counts_half() -> None:
    assert auc([0, 0, 1, 1], [0.0, 1.0, 1.0, 2.0]) == pytest.approx((2 + 1.5) / 4)


def test_pauc_of_the_whole_range_is_the_auc() -> None:
    scores = np.random.default_rng(3).normal(size=40)
    assert pauc(LABELS, scores, max_fpr=1.0) == pytest.approx(auc(LABELS, scores))


def test_an_order_preserving_change_of_scores_changes_nothing() -> None:
    scores = np.random.default_rng(4).normal(size=40)
    assert auc(LABELS, np.exp(scores)) == auc(LABELS, scores)
    assert pauc(LABELS, np.exp(scores)) == pauc(LABELS, scores)


@pytest.mark.parametrize("only", [0, 1])
def test_one_class_only_has_no_metrics(only: int) -> None:
    labels = np.full(5, only)
    assert math.isnan(auc(labels, np.arange(5)))
    assert math.isnan(pauc(labels, np.arange(5)))
    assert all(map(math.isnan, precision_recall_f1(labels, labels)))


def test_no_clip_has_no_metrics() -> None:
    assert math.isnan(auc([], []))
    assert math.isnan(precision_recall_f1([], [])[0])


def test_decisions_that_are_never_positive_give_zeros_without_division_errors() -> None:
    assert precision_recall_f1([0, 1], [0, 0]) == (0.0, 0.0, 0.0)


def test_precision_recall_f1_by_hand() -> None:
    precision, recall, f1 = precision_recall_f1([0, 0, 0, 1, 1, 1, 1], [0, 1, 0, 1, 1, 1, 0])
    assert (precision, recall, f1) == pytest.approx((0.75, 0.75, 0.75))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_an_error_with_its_place(bad: float) -> None:
    with pytest.raises(ValueError, match="number 2 is not finite"):
        auc([0, 1, 1], [0.0, 1.0, bad])


def test_lengths_and_label_values_are_checked() -> None:
    with pytest.raises(ValueError, match="one length"):
        auc([0, 1], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="label must be 0 or 1"):
        auc([0, 2], [1.0, 2.0])
    with pytest.raises(ValueError, match="decision must be 0 or 1"):
        precision_recall_f1([0, 1], [0, -1])


def test_harmonic_mean_clamps_zeros_and_both_means_keep_nan() -> None:
    assert harmonic_mean([0.5, 0.25]) == pytest.approx(1 / 3)
    assert harmonic_mean([0.0, 1.0]) == pytest.approx(2 * EPSILON)
    for mean in (arithmetic_mean, harmonic_mean):
        assert math.isnan(mean([0.5, float("nan")]))
        assert math.isnan(mean([]))
