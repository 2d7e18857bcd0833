"""How often normal clips score as high, within the normals and beyond them."""

import numpy as np
import pytest
from scipy import stats

from asd_jax.scoring.p_values import counted_p_values, gamma_tail


def test_counted_p_values_count_the_clip_itself() -> None:
    normals = [3.0, 1.0, 2.0, 2.0]
    assert counted_p_values(normals, [0, 2, 2.5, 9]).tolist() == [1.0, 0.8, 0.4, 0.2]


@pytest.mark.parametrize("true", [stats.gamma(2, 5, 3), stats.gamma(50), stats.norm(-7, 0.1)])
def test_the_tail_of_many_normals_is_the_true_one(true: stats.rv_continuous) -> None:
    """Also where none of them lies; whatever the location, the scale and the skewness."""
    normals = true.rvs(200_000, random_state=0)
    scores = true.isf([0.5, 0.1, 1e-3, 1e-5])
    np.testing.assert_allclose(gamma_tail(normals, scores), true.sf(scores), rtol=0.2)


@pytest.mark.parametrize("count", [2, 3, 8, 64])
def test_few_normals_make_the_tail_heavier(count: int) -> None:
    """On average over sets of normals a new one falls below a p-value no more often than that."""
    rng = np.random.default_rng(0)
    found = [gamma_tail(rng.gamma(9, size=count), rng.gamma(9, size=500)) for _ in range(400)]
    for rate in (0.1, 0.01):
        assert np.mean(np.array(found) <= rate) <= 1.5 * rate


def test_far_scores_stay_ordered_and_a_left_skew_is_none() -> None:
    normals = -np.random.default_rng(1).gamma(1, size=64)
    tail = gamma_tail(normals, [0.0, 3.0, 9.0, 30.0, 300.0])
    assert np.isfinite(tail).all()
    assert (np.diff(tail) < 0).all()
    assert tail[-1] > 0
    assert gamma_tail(normals, 1e9) < 1e-100
