"""A recording is judged by its worst stretch at the false-alarm rate that was asked for, however many there are."""

import numpy as np
import pytest

from asd_jax.scoring.long_recordings import judge_stretches


def overlapping(rng: np.random.Generator, pieces: int) -> np.ndarray:
    """Scores of the half overlapping stretches of joined pieces: a stretch over a seam has the mean of two."""
    scores = np.empty(2 * pieces - 1)
    scores[::2] = rng.gamma(9, size=pieces)
    scores[1::2] = (scores[:-1:2] + scores[2::2]) / 2
    return scores


@pytest.mark.parametrize(("normals", "pieces"), [(16, 10), (64, 10), (64, 60), (4000, 60)])
@pytest.mark.parametrize("rate", [0.1, 0.02])
def test_normal_recordings_ring_no_more_often_than_asked(
    normals: int, pieces: int, rate: float
) -> None:
    """By a fitted tail where the normals are few, by counting where they are many; one piece of fault is found."""
    rng = np.random.default_rng(0)
    false_alarms, found = [], []
    for _ in range(200):
        known, scores = rng.gamma(9, size=normals), overlapping(rng, pieces)
        verdict = judge_stretches(known, scores, rate)
        false_alarms.append(verdict.p_value <= rate)
        scores[4] = 60
        faulty = judge_stretches(known, scores, rate)
        assert (faulty.worst, faulty.by) == (4, "worst")
        found.append(faulty.p_value <= rate)
    assert verdict.is_counted == (normals == 4000 and rate == 0.1)
    assert np.mean(false_alarms) <= rate + 0.03
    assert np.mean(found) > 0.95


def test_a_fault_that_is_there_all_the_time_is_found() -> None:
    """No stretch is beyond the worst that so many normal ones have, but all are high."""
    rng = np.random.default_rng(1)
    known = rng.normal(size=64)
    verdict = judge_stretches(known, 2.8 + 0.1 * rng.normal(size=119), 0.1)
    assert (verdict.by, verdict.p_value <= 0.1) == ("whole", True)


@pytest.mark.parametrize("known", [[1.0], [1.0] * 50, []])
def test_normals_that_tell_no_spread_tell_no_anomaly(known: list[float]) -> None:
    """And the lowest p-value says that they cannot."""
    verdict = judge_stretches(known, [0.0, 5.0, 1.0] * 20, 0.1)
    assert verdict.worst == 1
    assert verdict.is_counted
    assert verdict.p_value >= verdict.lowest > 0.1
