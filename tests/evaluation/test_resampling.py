"""Areas of many resamples at once, and intervals, against one resample at a time."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from asd_jax.evaluation.resampling import (
    bootstrap_weights,
    jackknife_half_width,
    leave_one_out,
    percentile_interval,
    roc_areas,
)

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 60)


@pytest.mark.parametrize("decimals", [0, 1, 8])
@pytest.mark.parametrize("max_fpr", [None, 0.1, 0.37])
def test_areas_equal_scikit_learns_on_the_repeated_clips(
    decimals: int, max_fpr: float | None
) -> None:
    """With many ties, few and none."""
    scores = RNG.normal(LABELS, 1.0).round(decimals)
    weights = RNG.multinomial(60, np.full(60, 1 / 60), size=20)
    ours = roc_areas(LABELS, scores, weights, max_fpr)
    for row, area in zip(weights, ours, strict=True):
        again = np.repeat(np.arange(60), row)
        expected = roc_auc_score(LABELS[again], scores[again], max_fpr=max_fpr)
        assert area == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("max_fpr", [None, 0.1])
def test_a_resample_without_a_class_is_undefined(max_fpr: float | None) -> None:
    weights = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]])
    areas = roc_areas([0, 0, 1, 1], [0.0, 1.0, 2.0, 3.0], weights, max_fpr)
    assert np.isnan(areas).tolist() == [True, True, False]
    assert areas[2] == 1.0


def test_a_stratified_bootstrap_keeps_the_clips_of_every_stratum() -> None:
    strata = [("fan", str(i % 3)) for i in range(30)]
    weights = bootstrap_weights(strata, 50, np.random.default_rng(1))
    assert (weights.sum(axis=1) == 30).all()
    for stratum in set(strata):
        members = [i for i, other in enumerate(strata) if other == stratum]
        assert (weights[:, members].sum(axis=1) == 10).all()
    assert len(np.unique(weights, axis=0)) > 40


def test_leaving_each_clip_out_in_turn_covers_all() -> None:
    weights = np.concatenate([*leave_one_out(10, at_once=4)])
    assert (weights == 1 - np.eye(10)).all()


def test_jackknife_of_a_mean_is_students_interval() -> None:
    """For a mean the jackknife's standard error is the usual one."""
    values = RNG.normal(size=25)
    left_out = (values.sum() - values) / 24
    expected = stats.t.ppf(0.975, 24) * values.std(ddof=1) / 5
    assert jackknife_half_width(left_out) == pytest.approx(expected)
    assert math.isnan(jackknife_half_width(np.array([1.0])))


def test_percentiles_of_an_undefined_number_are_undefined() -> None:
    low, high = percentile_interval(np.arange(1001.0))
    assert (low, high) == pytest.approx((25.0, 975.0))
    assert all(map(math.isnan, percentile_interval(np.array([0.5, np.nan]))))
