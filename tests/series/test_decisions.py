"""Threshold, point adjustment and figures of decisions on time steps."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from asd_jax.series.decisions import Figures, point_adjusted, threshold_of
from asd_jax.series.experiment import SeriesScoringConfig


def bits(text: str) -> np.ndarray:
    return np.array([character == "1" for character in text])


def test_the_threshold_comes_from_training_energies_alone() -> None:
    """The test energies count only under the published code's rule."""
    training, test = np.arange(101.0), np.full(101, 1000.0)
    honest = SeriesScoringConfig(anomaly_ratio=10)
    assert threshold_of(training, test, honest) == 90
    assert threshold_of(training, test * 5, honest) == 90
    literal = SeriesScoringConfig(anomaly_ratio=10, thuml_threshold=True)
    assert threshold_of(training, test, literal) == 1000
    broken = np.concatenate([test, [np.nan, np.inf]])
    assert threshold_of(training, broken, literal) == 1000


@pytest.mark.parametrize("ratio", [0, 100, -1])
def test_a_ratio_that_is_no_share_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="anomaly_ratio"):
        SeriesScoringConfig(anomaly_ratio=ratio)


@pytest.mark.parametrize(
    ("labels", "decisions", "adjusted"),
    [
        ("0111000110", "0010000000", "0111000000"),
        ("0111000110", "1000100001", "1000100001"),
        ("1110000011", "0100000001", "1110000011"),
        ("0000000000", "0100000000", "0100000000"),
        ("1111111111", "0000000001", "1111111111"),
    ],
)
def test_an_anomaly_found_at_one_step_counts_whole(
    labels: str, decisions: str, adjusted: str
) -> None:
    """False alarms stay as they are, and so do anomalies that are not found."""
    given = bits(decisions)
    np.testing.assert_array_equal(point_adjusted(given, bits(labels)), bits(adjusted))
    np.testing.assert_array_equal(given, bits(decisions))


def test_the_published_loop_leaves_out_the_first_step() -> None:
    labels = bits("1110")
    np.testing.assert_array_equal(point_adjusted(bits("0010"), labels, thuml=True), bits("0110"))
    np.testing.assert_array_equal(point_adjusted(bits("1000"), labels, thuml=True), bits("1110"))


def test_figures_equal_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    labels, decisions = rng.random(200) < 0.3, rng.random(200) < 0.4
    figures = Figures.of(decisions, labels)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, decisions, average="binary")
    assert figures.accuracy == pytest.approx(accuracy_score(labels, decisions))
    assert (figures.precision, figures.recall, figures.f1) == pytest.approx((precision, recall, f1))


def test_figures_without_any_anomaly_are_zero_not_nan() -> None:
    nothing = np.zeros(5, bool)
    assert Figures.of(nothing, nothing) == Figures(1.0, 0.0, 0.0, 0.0)
